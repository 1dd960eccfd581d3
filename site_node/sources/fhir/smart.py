"""SMART Backend Services: access tokens from a signed assertion, for `system` clients of a FHIR server.

The key file is a JSON Web Key, a set of them, or a PEM file. Of a set the last key signs, which is how a key
is rotated: the new one is added behind, its public half registered, and the old one removed later; where the
server does not know the last key yet, the one before is tried.

SMART App Launch 2.2, "Backend Services" and "Client Authentication: Asymmetric"; RFC 7515, 7518, 7523, 7638.
"""

import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from protocols.core.errors import Code, InputError, UnreachableError, not_found

ASSERTION_SECONDS = 300  # the longest that the standard allows
RENEW_SECONDS = 30  # before its end a token is not used any more
P384_BYTES = 48
PASSING = {408, 429, 500, 502, 503, 504}
DEFAULT_SCOPE = "system/*.rs"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class NoTokenYetError(Exception):
    """The token endpoint does not answer, or asks to wait: a fault that passes."""


class SigningKey(NamedTuple):
    """A private key and the name under which its public half is registered."""

    kid: str
    private: Private

    @property
    def algorithm(self) -> str:
        """RS384 or ES384, which are those that every server must know."""
        return "RS384" if isinstance(self.private, rsa.RSAPrivateKey) else "ES384"

    def sign(self, content: bytes) -> bytes:
        """The signature as JOSE writes it: of an elliptic curve r and s, side by side."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(content, padding.PKCS1v15(), hashes.SHA384())
        r, s = decode_dss_signature(self.private.sign(content, ec.ECDSA(hashes.SHA384())))
        return r.to_bytes(P384_BYTES, "big") + s.to_bytes(P384_BYTES, "big")


def read_keys(path: Path) -> list[SigningKey]:
    """The keys of a file, in its order.

    Raises:
        InputError: the file is no RSA or P-384 private key, nor a set of them.
    """
    if not path.is_file():
        raise not_found(path, "key file")
    content = path.read_bytes()
    try:
        keys = [_from_pem(content)] if content.lstrip().startswith(b"-----") else _from_json(content)
    except (KeyError, TypeError, ValueError, UnsupportedAlgorithm):
        keys = []
    if not keys:
        raise InputError(
            Code.INVALID_INPUT,
            f"{path.name} holds no private key for RS384 (RSA) or ES384 (P-384)",
            "give a PEM file, or a JSON Web Key (set) with the private parts",
        )
    return keys


def assertion(key: SigningKey, client_id: str, token_url: str, now: float) -> str:
    """The signed statement (RFC 7523) by which a client shows who it is; of use once, for five minutes."""
    header = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "exp": int(now) + ASSERTION_SECONDS,
        "jti": secrets.token_urlsafe(16),
    }
    signed = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


class Tokens:
    """The access tokens of one client at one server: fetched when needed, renewed before they end."""

    def __init__(
        self,
        http: httpx.Client,
        token_url: str,
        client_id: str,
        keys: list[SigningKey],
        scope: str = DEFAULT_SCOPE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._token_url = token_url
        self._client_id = client_id
        self._keys = keys
        self._scope = scope
        self._clock = clock
        self._token = ""
        self._until = 0.0

    def current(self) -> str:
        """A token that is good for a while yet."""
        if self._clock() >= self._until - RENEW_SECONDS:
            self._fetch()
        return self._token

    def forget(self) -> None:
        """Do not use the token again: the server refused it."""
        self._until = 0.0

    def _fetch(self) -> None:
        for key in reversed(self._keys):
            answer = self._ask(key)
            if answer.status_code in PASSING:
                raise NoTokenYetError
            if answer.status_code == httpx.codes.OK:
                self._take(answer)
                return
        raise UnreachableError(
            Code.SOURCE_UNREACHABLE,
            f"the FHIR server gives no token (HTTP {answer.status_code})",
            "is the client id right, and the public key registered under its kid?",
        )

    def _take(self, answer: httpx.Response) -> None:
        try:
            granted = answer.json()
            self._token = str(granted["access_token"])
            self._until = self._clock() + float(granted.get("expires_in", ASSERTION_SECONDS))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise UnreachableError(
                Code.SOURCE_UNREACHABLE, "the FHIR server's token endpoint answers with something else"
            ) from None

    def _ask(self, key: SigningKey) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "scope": self._scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion(key, self._client_id, self._token_url, self._clock()),
        }
        try:
            return self._http.post(self._token_url, data=form)
        except httpx.HTTPError:
            raise NoTokenYetError from None


def discover_token_url(http: httpx.Client, base_url: str) -> str:
    """Where the server gives tokens, as its `.well-known/smart-configuration` says.

    Raises:
        UnreachableError: it does not say so.
    """
    try:
        answer = http.get(
            f"{base_url}/.well-known/smart-configuration", headers={"Accept": "application/json"}
        )
        return str(answer.raise_for_status().json()["token_endpoint"])
    except (httpx.HTTPError, KeyError, TypeError, ValueError):
        raise UnreachableError(
            Code.SOURCE_UNREACHABLE,
            "the FHIR server does not advertise a token endpoint",
            "is the address that of the FHIR base, and does it have .well-known/smart-configuration?",
        ) from None


def _from_pem(content: bytes) -> SigningKey:
    private = _usable(serialization.load_pem_private_key(content, password=None))
    return SigningKey(_thumbprint(private), private)


def _from_json(content: bytes) -> list[SigningKey]:
    parsed = json.loads(content)
    return [_from_jwk(key) for key in parsed.get("keys", [parsed])]


def _from_jwk(jwk: dict[str, Any]) -> SigningKey:
    private: Private
    if jwk["kty"] == "RSA":
        public = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"]))
        p, q, d, dmp1, dmq1, iqmp = (_number(jwk[name]) for name in ("p", "q", "d", "dp", "dq", "qi"))
        private = rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, public).private_key()
    else:
        point = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP384R1())
        private = ec.EllipticCurvePrivateNumbers(_number(jwk["d"]), point).private_key()
    return SigningKey(str(jwk.get("kid") or _thumbprint(private)), private)


def _usable(key: object) -> Private:
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        return key
    raise ValueError("no key for RS384 or ES384")


def _thumbprint(private: Private) -> str:
    """The name of a key that has none (RFC 7638)."""
    members = public_jwk(private)
    return _base64url(sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest())


def public_jwk(private: Private) -> dict[str, str]:
    """The public half as a JSON Web Key, with the required members alone."""
    public = private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _base64url(_bytes(numbers.n)), "e": _base64url(_bytes(numbers.e))}
    point = public.public_numbers()
    x, y = (_base64url(one.to_bytes(P384_BYTES, "big")) for one in (point.x, point.y))
    return {"kty": "EC", "crv": "P-384", "x": x, "y": y}


def _encoded(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _number(text: str) -> int:
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
