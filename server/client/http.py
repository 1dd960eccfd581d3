"""Requests to a center's API, whose errors come back as the errors that they are."""

import weakref
from collections.abc import Iterator
from typing import Any

import httpx

from protocols.core.errors import Code, InputError, ShadowgraphError, UnreachableError
from protocols.runtime.accounts.roles import NotAllowedError

SECONDS = 120.0
_NOT_ALLOWED = frozenset({Code.NOT_SIGNED_IN, Code.NOT_ALLOWED, Code.TOO_MANY_TRIES})


class Api:
    """A center's API under one token.

    Args:
        address: `https://hub.example.org`.
        token: as the center showed it once.
        root_certificate: PEM file of the authority behind the center's certificate, if it is no public one.
    """

    def __init__(self, address: str, token: str, root_certificate: str | None = None) -> None:
        self.address = address.rstrip("/")
        self._client = httpx.Client(
            base_url=f"{self.address}/api/v1",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=SECONDS,
            verify=root_certificate or True,
        )
        weakref.finalize(self, self._client.close)

    def get(self, path: str, **query: Any) -> Any:
        """What an address answers.

        Raises:
            ShadowgraphError: as the center said it. UnreachableError: it did not answer.
        """
        return self._answer("GET", path, params=query)

    def post(self, path: str, body: Any = None, *, once: str = "") -> Any:
        """What an address answers that does something; `once` names the request, so that it is done once.

        Raises:
            ShadowgraphError: as the center said it. UnreachableError: it did not answer.
        """
        return self._answer("POST", path, json=body, headers={"Idempotency-Key": once} if once else {})

    def events(self, path: str, after: int = 0) -> Iterator[dict[str, Any]]:
        """The events of a stream after one, until it ends; what breaks off is taken up again.

        Raises:
            ShadowgraphError: as the center said it. UnreachableError: it does not answer any more.
        """
        broken = 0
        while broken < 5:
            try:
                for event in self._stream(path, after):
                    after, broken = int(event["number"]), 0
                    yield event
                return
            except httpx.TransportError:
                broken += 1
        raise UnreachableError(Code.CENTER_FAILED, f"{self.address} does not answer any more")

    def _stream(self, path: str, after: int) -> Iterator[dict[str, Any]]:
        with self._client.stream("GET", path, headers={"Last-Event-ID": str(after)}, timeout=None) as reply:
            if reply.is_error:
                reply.read()
                raise _error(reply)
            kind, data = "", ""
            for line in reply.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    data = line.removeprefix("data: ")
                elif not line and kind == "error":
                    raise _said(httpx.Response(500, content=data).json())
                elif not line and kind != "end":
                    yield httpx.Response(200, content=data).json()

    def _answer(self, method: str, path: str, **more: Any) -> Any:
        try:
            reply = self._client.request(method, path, **more)
        except httpx.TransportError as error:
            text = f"{self.address} does not answer: {type(error).__name__}"
            raise UnreachableError(Code.CENTER_FAILED, text, "look at the address and the network") from None
        if reply.is_error:
            raise _error(reply)
        return reply.json()


def _error(reply: httpx.Response) -> ShadowgraphError:
    try:
        return _said(reply.json())
    except (ValueError, KeyError, TypeError):
        text = f"the center answered {reply.status_code} {reply.reason_phrase}"
        return UnreachableError(Code.CENTER_FAILED, text, "is this the address of a center's API?")


def _said(error: dict[str, str]) -> ShadowgraphError:
    code = Code(error["code"])
    kind = NotAllowedError if code in _NOT_ALLOWED else InputError
    return kind(code, error["text"], error["fix"])
