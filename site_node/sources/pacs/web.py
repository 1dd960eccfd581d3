"""HTTP to a PACS: answers bounded in size, and errors without a word of what the server said."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from protocols.core.errors import Code, InputError, UnreachableError
from site_node.sources.pacs.pull import TransferError

MAX_OBJECT = 2**30  # bytes of one DICOM object
MAX_LIST = 2**27  # bytes of one page of a list
TIMEOUT_S = 60.0
Params = Mapping[str, str | int]
JSON = "application/dicom+json, application/json"


class GoneError(TransferError):
    """The server does not have it, or no more."""


def client(url: str, credentials: Path | None) -> httpx.Client:
    """A client of the server at `url`; the file holds `user:password` or a bearer token."""
    auth: httpx.Auth | None = None
    headers = {}
    if credentials:
        secret = credentials.read_text().strip()
        user, colon, password = secret.partition(":")
        if colon:
            auth = httpx.BasicAuth(user, password)
        else:
            headers["Authorization"] = f"Bearer {secret}"
    try:
        return httpx.Client(base_url=url.rstrip("/"), timeout=TIMEOUT_S, auth=auth, headers=headers)
    except httpx.InvalidURL:
        raise InputError(Code.INVALID_INPUT, "the address of the PACS is not a URL") from None


def listed(web: httpx.Client, path: str, params: Params | None = None) -> list[dict[str, Any]]:
    """The objects of a JSON list.

    Raises:
        TransferError: no answer, or another one.
    """
    found = answer(web, path, params)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise TransferError
    return found


def answer(web: httpx.Client, path: str, params: Params | None = None) -> Any:
    """The JSON at `path`; an empty list where there is no content.

    Raises:
        TransferError: no answer, or another one.
    """
    with streamed(web, path, JSON, MAX_LIST, params) as (_, chunks):
        content = b"".join(chunks)
    try:
        return orjson.loads(content) if content else []
    except orjson.JSONDecodeError:
        raise TransferError from None


@contextmanager
def streamed(
    web: httpx.Client, path: str, accept: str, limit: int, params: Params | None = None
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The content type and the content at `path`, of which no more than `limit` bytes wait at once.

    Raises:
        TransferError: no answer, or not of the kind that was asked for.
    """
    try:
        with web.stream("GET", path, params=params, headers={"Accept": accept}) as response:
            if response.status_code in (404, 410):
                raise GoneError
            response.raise_for_status()
            yield response.headers.get("Content-Type", ""), _bounded(response.iter_bytes(2**16), limit)
    except httpx.HTTPError:
        raise TransferError from None


def _bounded(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    left = limit
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise TransferError
        yield chunk


@contextmanager
def reached(what: str) -> Iterator[None]:
    """A block that a pull cannot do without: what fails in it ends the pull with a clear error."""
    try:
        yield
    except TransferError:
        raise UnreachableError(
            Code.SOURCE_UNREACHABLE,
            f"the PACS did not answer {what}",
            "check the address, the credentials, and that the server lets this machine in",
        ) from None


@contextmanager
def understood() -> Iterator[None]:
    """A block that takes an answer apart; what is not of its standard's shape is a TransferError."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError):
        raise TransferError from None
