"""`shadowgraph data add dicom`, `data listen` and `data deidentify`: images from folders and from a PACS."""

from pathlib import Path
from typing import Annotated, Any

import typer

Home = Annotated[Path, typer.Option("--home", envvar="SHADOWGRAPH_HOME", help="the site's folder")]
Bind = Annotated[str, typer.Option(help="the address to listen on")]
OwnTitle = Annotated[str, typer.Option("--aet", help="the AE title of this site")]


def add_dicom(
    source: Annotated[str, typer.Argument(help="a file, a folder, a URL, or AETITLE@host:port")],
    name: Annotated[
        str | None, typer.Option(help="what this source is called here; give two servers two names")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="pull from this day (YYYY-MM-DD) on; `all` from the beginning")
    ] = None,
    orthanc: Annotated[
        bool, typer.Option("--orthanc", help="the URL is an Orthanc's: follow its list of changes")
    ] = False,
    credentials: Annotated[
        Path | None, typer.Option(help="a file with user:password or a bearer token")
    ] = None,
    own_title: OwnTitle = "SHADOWGRAPH",
    move_port: Annotated[
        int | None, typer.Option(help="let the PACS send by C-MOVE to this port instead of C-GET")
    ] = None,
    bind: Bind = "127.0.0.1",
    home: Home = Path("."),
) -> dict[str, Any]:
    """Load CT, MR and PET series and the regions drawn on them (RTSTRUCT, SEG) from a folder or a PACS.

    A PACS is asked by DICOMweb (a URL) or DICOM messages (AETITLE@host:port); a second pull goes on where
    the last one ended. What comes is stored without identity.

    Example: shadowgraph data add dicom https://pacs.example/dicom-web --credentials token.txt
    """
    from site_node.cli.progress import by_kind, counted
    from site_node.home.config import load
    from site_node.ingest.loading import add_dicom
    from site_node.ingest.receiving import is_pacs, pacs_at, pull

    if orthanc and since not in (None, "all"):
        raise typer.BadParameter("Orthanc's changes have numbers, not days: write --since all")
    config = load(home)
    if not is_pacs(source):
        with counted("files") as progress:
            return by_kind(add_dicom(config, Path(source), name or "dicom", progress))
    pacs = pacs_at(
        source,
        orthanc=orthanc,
        credentials=credentials,
        own_title=own_title,
        move_port=move_port,
        bind=bind,
    )
    with counted("objects") as progress:
        return by_kind(pull(config, pacs, name or "pacs", _position(since), progress))


def listen(
    allow: Annotated[list[str] | None, typer.Option(help="an AE title that may send; repeat")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="the port to listen on")] = 11112,
    bind: Bind = "127.0.0.1",
    own_title: OwnTitle = "SHADOWGRAPH",
    name: Annotated[str, typer.Option(help="what this source is called here")] = "pacs",
    home: Home = Path("."),
) -> dict[str, Any]:
    """Receive images that a PACS or scanner sends (C-STORE), until SIGTERM or Ctrl-C; nobody may by default.

    Example: shadowgraph data listen --allow MAIN_PACS --bind 10.0.0.5
    """
    import signal
    from threading import Event

    from rich.console import Console

    from site_node.cli.progress import counted
    from site_node.home.config import load
    from site_node.ingest.receiving import listen

    stop = Event()
    before = {n: signal.signal(n, lambda *_: stop.set()) for n in (signal.SIGINT, signal.SIGTERM)}
    words = Console(stderr=True)
    try:
        with counted("objects") as progress:
            return listen(
                load(home),
                name,
                allow or [],
                own_title=own_title,
                bind=bind,
                port=port,
                stop=stop,
                serves=lambda port: words.print(f"{own_title} listens on {bind}:{port}"),
                progress=progress,
            )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def deidentify(
    source: Annotated[Path, typer.Argument(help="a file or a folder of DICOM")],
    out: Annotated[Path, typer.Argument(help="a new or empty folder")],
    home: Home = Path("."),
) -> dict[str, Any]:
    """Copy DICOM without identity, by the basic profile of PS3.15 under the site's key.

    Example: shadowgraph data deidentify images/ handed-on/
    """
    from protocols.core.errors import Code, InputError
    from site_node.cli.progress import counted
    from site_node.home.config import load
    from site_node.sources.dicom.copies import copy_folder

    if not source.exists():
        raise InputError(Code.NOT_FOUND, f"there is no file or folder {source.name}")
    with counted("files") as progress:
        return copy_folder(source, out, load(home).pseudonym_key(), progress)


def _position(since: str | None) -> str | None:
    """What `--since` means to a pull: None goes on, an empty position begins anew."""
    if since is None or since == "all":
        return "" if since else None
    from datetime import date

    try:
        return date.fromisoformat(since).strftime("%Y%m%d")
    except ValueError:
        raise typer.BadParameter("write --since YYYY-MM-DD, or --since all") from None
