"""A FHIR server as its clients must handle it: tokens that end, limits of the rate, and faults that pass."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx

from protocols.core.errors import Code, UnreachableError
from site_node.sources.fhir.smart import PASSING, NoTokenYetError, Tokens

FHIR_JSON = "application/fhir+json"
TIMEOUT_SECONDS = 60.0
ATTEMPTS = 6  # with the waits below: about a minute, before a fault counts as lasting
LONGEST_WAIT_SECONDS = 600.0

Wait = Callable[[float], None]
Taken = TypeVar("Taken")


class FhirServer:
    """The server at `base_url`: every request waits and tries again as the server asks.

    `tokens` are None where the server needs none. A token goes to the server's own origin and nowhere else.
    `wait` is what sleeps.
    """

    def __init__(
        self, base_url: str, http: httpx.Client, tokens: Tokens | None = None, wait: Wait = time.sleep
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.wait = wait
        self._http = http
        self._tokens = tokens

    def get(
        self, url: str, parameters: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The answer, whatever its status, once it is not a passing fault.

        Raises:
            UnreachableError: no answer, or still a passing fault after the last attempt.
        """
        return self._answer("GET", url, _whole, parameters, headers)

    def delete(self, url: str) -> None:
        """Tell the server that it may forget what stands there; whether it does is its own affair."""
        self._answer("DELETE", url, _whole)

    def download(self, url: str, target: Path, with_token: bool) -> int:
        """The status of the answer; with 200 the file is at `target`, whole or not at all."""

        def store(answer: httpx.Response) -> int:
            if answer.status_code == httpx.codes.OK:
                partly = target.with_name(target.name + ".part")
                with partly.open("wb") as file:
                    for piece in answer.iter_bytes():
                        file.write(piece)
                partly.rename(target)
            return answer.status_code

        return self._answer("GET", url, store, with_token=with_token)

    def _answer(
        self,
        method: str,
        url: str,
        take: Callable[[httpx.Response], Taken],
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        with_token: bool = True,
    ) -> Taken:
        """What `take` makes of the first answer that is not a passing fault; a body cut off is one."""
        url = urljoin(self.base_url + "/", url)
        renewed = False
        for attempt in range(ATTEMPTS):
            pause = 2.0**attempt
            try:
                sent = self._headers(url, headers, with_token)
                with self._http.stream(method, url, params=parameters, headers=sent) as answer:
                    if answer.status_code == httpx.codes.UNAUTHORIZED and self._tokens and not renewed:
                        self._tokens.forget()  # it ended early, or the server was started anew
                        renewed = True
                        continue
                    if answer.status_code not in PASSING:
                        return take(answer)
                    pause = retry_after(answer) or pause
            except (httpx.HTTPError, NoTokenYetError):
                pass
            if attempt + 1 < ATTEMPTS:
                self.wait(min(pause, LONGEST_WAIT_SECONDS))
        raise UnreachableError(
            Code.SOURCE_UNREACHABLE,
            f"the FHIR server does not answer after {ATTEMPTS} attempts",
            "run the command again when it does: what is loaded stays loaded",
        )

    def _headers(self, url: str, headers: Mapping[str, str] | None, with_token: bool) -> dict[str, str]:
        found = {"Accept": FHIR_JSON, **(headers or {})}
        if self._tokens and with_token and self.is_own(url):
            found["Authorization"] = f"Bearer {self._tokens.current()}"
        return found

    def is_own(self, url: str) -> bool:
        """Whether an absolute URL is of this server's origin."""
        theirs, ours = urlsplit(url), urlsplit(self.base_url)
        return (theirs.scheme, theirs.netloc) == (ours.scheme, ours.netloc)


def _whole(answer: httpx.Response) -> httpx.Response:
    answer.read()
    return answer


def retry_after(answer: httpx.Response) -> float | None:
    """The seconds that the server asks to wait: a number or a date; None where it does not say."""
    text = answer.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def json_of(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
        UnreachableError: what came is no JSON object: a proxy's page, a body cut off.
    """
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnreachableError(
            Code.SOURCE_UNREACHABLE,
            f"the FHIR server answers with something else than JSON ({answer.status_code})",
        )
    return found
