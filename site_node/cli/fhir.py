"""`shadowgraph data add fhir`: FHIR from files, from a server's REST search, or from a Bulk Data export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output

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
    processes: Annotated[int, typer.Option(help="how many processes share the work, of files alone")] = 1,
    home: Home = Path("."),
) -> Output[Any]:
    """Load FHIR R4: NDJSON and bundles, plain or gzip, below a folder; or pull them from a server.

    A second pull brings what changed since the first. With --key the server is asked for tokens as SMART
    Backend Services has it.

    Example: shadowgraph data add fhir 'https://fhir.example/r4/$export' --client-id node --key key.jwks
    """
    from site_node.actions import loads
    from site_node.cli.progress import followed
    from site_node.cli.words import data as words

    wanted = tuple(kind for kind in kinds.split(",") if kind)
    events = loads.add_fhir(
        *(home, source),
        name=name,
        validate=validate,
        since=since,
        kinds=wanted,
        client_id=client_id,
        key=key,
        processes=processes,
    )
    return words.loaded(followed(events, "resources"))
