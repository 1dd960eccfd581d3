"""A FHIR server on loopback that answers as a hospital's does: tokens, pages, exports, limits and faults.

It keeps the rules that a client may break without noticing: an assertion is verified, of one use, for this
token endpoint and for at most five minutes; without a valid token there is 401; faults come as planned.
"""

import gzip
import json
import threading
import time
from base64 import urlsafe_b64decode
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

Public = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
Answer = tuple[int, dict[str, str], bytes]
CLIENT_ID = "shadowgraph-node"
PATIENTS = [{"resourceType": "Patient", "id": f"p{number}", "birthDate": "1970"} for number in range(5)]
VISIT = {
    "resourceType": "Encounter",
    "id": "e1",
    "status": "finished",
    "subject": {"reference": "Patient/p1"},
    "period": {"start": "2010-01-05"},
    "meta": {"lastUpdated": "2026-01-01T00:00:00Z"},
}
DELETED = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [{"request": {"method": "DELETE", "url": "Patient/p4"}}],
}


class FhirSite:
    """What the server has, what it asks of clients, which faults are planned, and what it was asked."""

    def __init__(self) -> None:
        self.resources: dict[str, list[dict[str, Any]]] = {}
        self.keys: dict[str, Public] = {}  # kid -> the registered public key; without any no token is needed
        self.faults: defaultdict[str, list[Answer]] = defaultdict(list)  # path -> answers before the true one
        self.asked: list[tuple[str, str, dict[str, list[str]]]] = []
        self.page = 2
        self.polls = 1  # how often the export is not ready yet
        self.errors: list[dict[str, Any]] = []
        self.deleted: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.algorithms: list[str] = []
        self.packed = False
        self.ahead = 0.0  # seconds by which the tests say that time has gone on
        self._jtis: set[str] = set()
        self._exports: dict[str, int] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/fhir"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def now(self) -> float:
        """The server's clock."""
        return time.time()

    def paths(self) -> list[str]:
        """The paths that were asked for, in their order."""
        return [path for _, path, _ in self.asked]

    def fail(self, path: str, *statuses: int, retry_after: str = "0") -> None:
        """Answer the next requests for a path with these statuses."""
        self.faults[path] += [(status, {"Retry-After": retry_after}, b"{}") for status in statuses]

    def answer(self, method: str, url: str, headers: Any, body: bytes) -> Answer:
        """The answer to one request."""
        parts = urlsplit(url)
        path = parts.path.removeprefix("/fhir").strip("/")
        query = parse_qs(parts.query)
        self.asked.append((method, path, query))
        if self.faults[path]:
            return self.faults[path].pop(0)
        if path == ".well-known/smart-configuration":
            return _json({"token_endpoint": f"{self.url}/token"})
        if path == "metadata":
            return _json(
                {"rest": [{"mode": "server", "resource": [{"type": kind} for kind in self.resources]}]}
            )
        if path == "token":
            return self._token(parse_qs(body.decode()))
        if self.keys and headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return 401, {}, b'{"resourceType": "OperationOutcome"}'
        if path.endswith("$export"):
            return self._kick_off(headers)
        if path.startswith("status/"):
            return self._status(method, path)
        if path.startswith("files/"):
            return self._file(path.removeprefix("files/"))
        return self._search(path, query)

    def _token(self, form: dict[str, list[str]]) -> Answer:
        try:
            claims = self._verified(form["client_assertion"][0])
        except (InvalidSignature, KeyError, ValueError):
            return _json({"error": "invalid_client"}, 400)
        now = self.now() + self.ahead
        in_time = now < claims["exp"] <= now + 300
        known = claims["iss"] == claims["sub"] == CLIENT_ID and claims["aud"] == f"{self.url}/token"
        if not in_time or not known or claims["jti"] in self._jtis:
            return _json({"error": "invalid_client"}, 400)
        self._jtis.add(claims["jti"])
        token = f"token-{len(self._jtis)}"
        self.tokens.add(token)
        return _json({"access_token": token, "token_type": "bearer", "expires_in": 300})

    def _verified(self, jwt: str) -> dict[str, Any]:
        head, payload, signature = jwt.split(".")
        header = json.loads(_decoded(head))
        key, signed = self.keys[header["kid"]], f"{head}.{payload}".encode()
        self.algorithms.append(header["alg"])
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(_decoded(signature), signed, padding.PKCS1v15(), hashes.SHA384())
        else:
            raw = _decoded(signature)
            r, s = int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big")
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA384()))
        claims: dict[str, Any] = json.loads(_decoded(payload))
        return claims

    def _search(self, kind: str, query: dict[str, list[str]]) -> Answer:
        if kind not in self.resources:
            return _json({"resourceType": "OperationOutcome"}, 404)
        since = query.get("_lastUpdated", [""])[0].removeprefix("ge")
        found = [one for one in self.resources[kind] if one.get("meta", {}).get("lastUpdated", "9") >= since]
        first = int(query.get("page", ["0"])[0])
        entries: list[dict[str, Any]] = [
            {"fullUrl": f"{self.url}/{kind}/{one['id']}", "resource": one, "search": {"mode": "match"}}
            for one in found[first : first + self.page]
        ]
        entries.append({"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}})
        links = [{"relation": "self", "url": f"{self.url}/{kind}"}]
        if first + self.page < len(found):
            links.append({"relation": "next", "url": f"{self.url}/{kind}?page={first + self.page}"})
        return _json({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries})

    def _kick_off(self, headers: Any) -> Answer:
        if headers.get("Prefer") != "respond-async":
            return _json({"resourceType": "OperationOutcome"}, 400)
        name = f"status/{len(self._exports) + 1}"
        self._exports[name] = self.polls
        return 202, {"Content-Location": f"{self.url}/{name}"}, b""

    def _status(self, method: str, path: str) -> Answer:
        if path not in self._exports:
            return 404, {}, b"{}"
        if method == "DELETE":
            del self._exports[path]
            return 202, {}, b""
        if self._exports[path] > 0:
            self._exports[path] -= 1
            return 202, {"Retry-After": "1", "X-Progress": "half"}, b""
        return _json(
            {
                "transactionTime": "2026-11-20T08:00:00Z",
                "request": f"{self.url}/$export",
                "requiresAccessToken": bool(self.keys),
                "output": [{"type": kind, "url": f"{self.url}/files/{kind}"} for kind in self.resources],
                "error": [{"type": "OperationOutcome", "url": f"{self.url}/files/error"}]
                if self.errors
                else [],
                "deleted": [{"type": "Bundle", "url": f"{self.url}/files/deleted"}] if self.deleted else [],
            }
        )

    def _file(self, name: str) -> Answer:
        lines = {**self.resources, "error": self.errors, "deleted": self.deleted}[name]
        content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        headers = {"Content-Type": "application/fhir+ndjson"}
        if self.packed:
            return 200, {**headers, "Content-Encoding": "gzip"}, gzip.compress(content)
        return 200, headers, content

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, content = site.answer(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", headers.get("Content-Length", str(len(content))))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

            def log_message(self, format: str, *values: object) -> None:
                """Nothing: the tests read `asked`."""

        return Handler


def _json(value: dict[str, Any], status: int = 200) -> Answer:
    return status, {"Content-Type": "application/fhir+json"}, json.dumps(value).encode()


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
