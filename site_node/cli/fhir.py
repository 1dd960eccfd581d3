"""`shadowgraph data add fhir`: FHIR from files, from a server's REST search, or from a Bulk Data export."""

from pathlib import Path
from typing import Annotated, Any

import typer

Home = Annotated[Path, typer.Option("--home", envvar="SHADOWGRAPH_HOME", help="the site's folder")]


def add_fhir(
    source: Annotated[str, typer.Argument(help="a file, a folder, or a URL: a FHIR base, or its $export")],
    name: Annotated[
        str, typer.Option(help="what this source is called here; give two servers two names")
    ] = "fhir",
    validate: Annotated[str, typer.Option(help="resources to validate first: all, sample, none")] = "none",
    since: Annotated[
        str | None, typer.Option(help="pull what changed since this instant; `all` for everything")
    ] = None,
    kinds: Annotated[
        str, typer.Option("--type", help="the kinds of resources to pull: Patient,Condition")
    ] = "",
    client_id: Annotated[str | None, typer.Option(help="the id under which the server knows us")] = None,
    key: Annotated[
        Path | None, typer.Option(help="the private key: JSON Web Key, a set of them, PEM")
    ] = None,
    home: Home = Path("."),
) -> dict[str, Any]:
    """Load FHIR R4: NDJSON and bundles, plain or gzip, below a folder; or pull them from a server.

    A second pull brings what changed since the first. With --key the server is asked for tokens as SMART
    Backend Services has it.

    Example: shadowgraph data add fhir 'https://fhir.example/r4/$export' --client-id node --key key.jwks
    """
    from protocols.core.errors import Code, InputError
    from site_node.cli.progress import by_kind, counted
    from site_node.home.config import load
    from site_node.ingest import fhir_servers
    from site_node.ingest.loading import add_fhir
    from site_node.sources.fhir import Validate

    if validate not in list(Validate):
        raise InputError(Code.INVALID_INPUT, "--validate takes all, sample or none")
    config, how = load(home), Validate(validate)
    with counted("resources") as progress:
        if not fhir_servers.is_url(source):
            return by_kind(add_fhir(config, Path(source), name, how, progress))
        wanted = tuple(kind for kind in kinds.split(",") if kind)
        request = fhir_servers.Request(source, since, wanted, client_id, key)
        return by_kind(fhir_servers.add_fhir_server(config, request, name, how, progress))
