"""Loads from a FHIR server: by Bulk Data where the address is an `$export`, else by REST search."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from sqlalchemy import Engine

from cdm.etl.fhir.words.dates import instant
from cdm.etl.loader.capabilities import RESOURCES
from cdm.etl.loader.sync_position import position_of, reach
from cdm.etl.record import SourceRecord, Unmappable, Unreadable
from cdm.progress import Progress
from protocols.core.errors import Code, InputError
from site_node.home.cdm import open_cdm
from site_node.home.config import SiteConfig
from site_node.ingest.loading import load_records
from site_node.sources import fhir
from site_node.sources.fhir.bulk import BulkExport, split_export_url
from site_node.sources.fhir.search import REFUSED, search, supported
from site_node.sources.fhir.server import TIMEOUT_SECONDS, FhirServer
from site_node.sources.fhir.smart import Tokens, discover_token_url, read_keys

EXPORT = "$export"
EVERYTHING = "all"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}

Item = SourceRecord | Unreadable
Validated = Callable[[Iterable[Item]], Iterator[Item]]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Request:
    """What to ask of which server; `since` is an instant, `all`, or None: since the last pull."""

    url: str
    since: str | None = None
    kinds: Sequence[str] = ()
    client_id: str | None = None
    key: Path | None = None


def is_url(source: str) -> bool:
    """Whether a source is a server's address and no path."""
    return source.startswith(("http://", "https://"))


def add_fhir_server(
    config: SiteConfig, request: Request, name: str, validate: fhir.Validate, progress: Progress
) -> dict[str, Any]:
    """The summary of loading what the server has, or what changed there since the last pull.

    A pull that was killed is finished by asking again; only a whole one moves the instant from which the next
    one begins.

    Raises:
        InputError: a key without a client id, or what is not a valid date or time.
        UnreachableError: the server does not answer.
    """
    with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True) as http:
        pull = _export if request.url.rstrip("/").endswith(EXPORT) else _search
        return pull(http, config, request, name, lambda found: fhir.validated(found, validate), progress)


def _search(
    http: httpx.Client,
    config: SiteConfig,
    request: Request,
    name: str,
    validated: Validated,
    progress: Progress,
) -> dict[str, Any]:
    url = request.url.rstrip("/")
    server = _server(http, request, url)
    kinds = request.kinds or supported(server, fhir_kinds())
    pulls = {kind: _Pull(config, request, f"{name} {url} {kind}") for kind in kinds}

    def found() -> Iterator[Item]:
        for kind, pull in pulls.items():
            for item in search(server, [kind], pull.since):
                pull.whole &= not (isinstance(item, Unreadable) and item.code == REFUSED)
                yield item

    began = datetime.now(UTC).isoformat(timespec="seconds")
    summary = load_records(config, validated(found()), name, progress)
    for pull in pulls.values():
        pull.ended(began)
    return summary


def _export(
    http: httpx.Client,
    config: SiteConfig,
    request: Request,
    name: str,
    validated: Validated,
    progress: Progress,
) -> dict[str, Any]:
    url = request.url.rstrip("/")
    base, path = split_export_url(url)
    pull = _Pull(config, request, f"{name} {url} {','.join(sorted(request.kinds))}")
    began = datetime.now(UTC).isoformat(timespec="seconds")
    export = BulkExport(
        _server(http, request, base), path, config.home / "exports" / name, request.kinds, pull.since
    )
    export.fetch()
    summary = load_records(config, validated(export.records()), name, progress)
    pull.ended(export.transaction_time or began)
    export.finish()
    return summary


class _Pull:
    """From which instant one question to a server begins, and what the next one may begin with.

    Each question (a server's address, a kind) has its own: what one did not ask for, another still finds.
    """

    def __init__(self, config: SiteConfig, request: Request, question: str) -> None:
        self._config = config
        self._question = blake2b(question.encode(), digest_size=16).hexdigest()
        reached = self._in_cdm(lambda engine: position_of(engine, self._question)) or None
        self.since = reached if request.since is None else _told(request.since)
        # Begun later than where the last one ended, it leaves out what came in between.
        self.whole = self.since is None or (reached is not None and _is_at_most(self.since, reached))

    def ended(self, position: str) -> None:
        """Keep where the pull came to, if nothing before it was left out."""
        if self.whole:
            self._in_cdm(lambda engine: reach(engine, self._question, position))

    def _in_cdm(self, do: Callable[[Engine], Answer]) -> Answer:
        engine = open_cdm(self._config)
        try:
            return do(engine)
        finally:
            engine.dispose()


def fhir_kinds() -> list[str]:
    """The kinds of FHIR resources that are mapped, people first."""
    return list(RESOURCES)


def _server(http: httpx.Client, request: Request, base_url: str) -> FhirServer:
    if request.key is None:
        return FhirServer(base_url, http)
    if request.client_id is None:
        raise InputError(
            Code.INVALID_INPUT, "--key needs --client-id", "give the id that the server knows us by"
        )
    where = urlsplit(base_url)
    if where.scheme != "https" and where.hostname not in LOOPBACK:
        raise InputError(
            Code.INVALID_INPUT, "a token is not sent over plain http", "give the server's https address"
        )
    keys = read_keys(request.key)
    tokens = Tokens(http, discover_token_url(http, base_url), request.client_id, keys)
    return FhirServer(base_url, http, tokens)


def _told(since: str) -> str | None:
    """The instant that a person wrote, as servers expect it; None for everything."""
    if since == EVERYTHING:
        return None
    try:
        found = instant(since)
    except Unmappable:
        raise InputError(
            Code.INVALID_INPUT,
            "--since is not a valid date or time",
            "write 2026-11-20 or 2026-11-20T08:00:00Z, or all",
        ) from None
    return f"{found.time.isoformat()}Z" if found.time else f"{found.day.isoformat()}T00:00:00Z"


def _is_at_most(since: str, reached: str) -> bool:
    one, other = (instant(text).time for text in (since, reached))
    return one is not None and other is not None and one <= other
