"""`shadowgraph data add dicom`, `data listen` and `data deidentify`: images from folders and from a PACS."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output

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
) -> Output[Any]:
    """Load CT, MR and PET series and the regions drawn on them (RTSTRUCT, SEG) from a folder or a PACS.

    A PACS is asked by DICOMweb (a URL) or DICOM messages (AETITLE@host:port); a second pull goes on where
    the last one ended. What comes is stored without identity.

    Example: shadowgraph data add dicom https://pacs.example/dicom-web --credentials token.txt
    """
    from site_node.actions import loads
    from site_node.cli.progress import followed
    from site_node.cli.words import data as words

    events = loads.add_dicom(
        home,
        source,
        name=name,
        since=since,
        orthanc=orthanc,
        credentials=credentials,
        own_title=own_title,
        move_port=move_port,
        bind=bind,
    )
    return words.loaded(followed(events, "files or objects"))


def listen(
    allow: Annotated[list[str] | None, typer.Option(help="an AE title that may send; repeat")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="the port to listen on")] = 11112,
    bind: Bind = "127.0.0.1",
    own_title: OwnTitle = "SHADOWGRAPH",
    name: Annotated[str, typer.Option(help="what this source is called here")] = "pacs",
    certificate: Annotated[Path | None, typer.Option(help="PEM; with --key the listener speaks TLS")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM of the certificate's private key")] = None,
    authority: Annotated[
        Path | None, typer.Option(help="PEM of the authority of the certificates that senders have to show")
    ] = None,
    home: Home = Path("."),
) -> Output[Any]:
    """Receive images that a PACS or scanner sends (C-STORE), until SIGTERM or Ctrl-C; nobody may by default.

    Example: shadowgraph data listen --allow MAIN_PACS --bind 10.0.0.5
    """
    from site_node.actions import loads
    from site_node.cli.progress import heard
    from site_node.cli.words import data as words

    with _stopped_by_signals() as stop:
        senders, tls = tuple(allow or ()), {"certificate": certificate, "key": key, "authority": authority}
        events = loads.listen(
            home, allow=senders, port=port, bind=bind, own_title=own_title, name=name, stop=stop, **tls
        )
        return Output(heard(events, "objects"), words.received)


def deidentify(
    source: Annotated[Path, typer.Argument(help="a file or a folder of DICOM")],
    out: Annotated[Path, typer.Argument(help="a new or empty folder")],
    home: Home = Path("."),
) -> Output[Any]:
    """Copy DICOM without identity, by the basic profile of PS3.15 under the site's key.

    Example: shadowgraph data deidentify images/ handed-on/
    """
    from site_node.actions import loads
    from site_node.cli.progress import followed
    from site_node.cli.words import data as words

    return Output(followed(loads.deidentify(home, source, out), "files"), words.copied)


@contextmanager
def _stopped_by_signals() -> Iterator[Event]:
    """An event that SIGINT and SIGTERM set."""
    stop = Event()
    before = {n: signal.signal(n, lambda *_: stop.set()) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
