"""Loads from a FHIR server: by Bulk Data where the address is an `$export`, else by REST search."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from cdm.etl import MAPPERS
from cdm.etl.dates import instant
from cdm.etl.position import position_of, reach
from cdm.etl.record import Unmappable
from protocols.core.errors import Code, InputError
from site_node.config import SiteConfig
from site_node.loading import Progress, load_records, open_cdm
from site_node.sources import fhir
from site_node.sources.fhir.bulk import BulkExport, split_export_url
from site_node.sources.fhir.search import search, supported
from site_node.sources.fhir.server import TIMEOUT_SECONDS, FhirServer
from site_node.sources.fhir.smart import Tokens, discover_token_url, read_keys

EXPORT = "$export"
EVERYTHING = "all"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
OWN_KINDS = ("Dicom", "MAF", "VCF", "ImageReading", "RadiomicFeatures")


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
        InputError: a key without a client id, or what is no instant.
        UnreachableError: the server does not answer.
    """
    since = _since(config, request, name)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True) as http:
        if not request.url.rstrip("/").endswith(EXPORT):
            server = _server(http, request, request.url.rstrip("/"))
            kinds = request.kinds or supported(server, fhir_kinds())
            found = search(server, kinds, since)
            summary = load_records(config, fhir.validated(found, validate), name, progress)
            _remember(config, name, began)
            return summary
        base, path = split_export_url(request.url.rstrip("/"))
        folder = config.home / "exports" / name
        export = BulkExport(_server(http, request, base), path, folder, request.kinds, since)
        export.fetch()
        summary = load_records(config, fhir.validated(export.records(), validate), name, progress)
        _remember(config, name, export.transaction_time or began)
        export.finish()
        return summary


def fhir_kinds() -> list[str]:
    """The kinds of FHIR resources that are mapped, people first."""
    return [kind for kind in MAPPERS if not kind.startswith(OWN_KINDS)]


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


def _since(config: SiteConfig, request: Request, name: str) -> str | None:
    if request.since == EVERYTHING:
        return None
    if request.since is None:
        engine = open_cdm(config)
        try:
            return position_of(engine, name) or None
        finally:
            engine.dispose()
    try:
        found = instant(request.since)
    except Unmappable:
        raise InputError(
            Code.INVALID_INPUT, "--since is no instant", "write 2026-11-20 or 2026-11-20T08:00:00Z, or all"
        ) from None
    return f"{found.time.isoformat()}Z" if found.time else f"{found.day.isoformat()}T00:00:00Z"


def _remember(config: SiteConfig, name: str, position: str) -> None:
    engine = open_cdm(config)
    try:
        reach(engine, name, position)
    finally:
        engine.dispose()
