"""`shadowgraph network`: a consortium's center, its sites and its processes."""

from pathlib import Path
from typing import Annotated, Any

import typer

Home = Annotated[Path, typer.Option("--home", envvar="SHADOWGRAPH_HUB", help="the center's folder")]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A consortium's center and its sites.")


@app.command()
def init(
    name: Annotated[str, typer.Option(help="the consortium's name, as sites read it")],
    home: Home = Path("."),
    address: Annotated[
        str, typer.Option(help="HOST:PORT under which sites reach the center; loopback where it is left out")
    ] = "",
    port: Annotated[int, typer.Option(help="the SuperLink's port on loopback; 0 picks a free one")] = 9443,
) -> dict[str, Any]:
    """Make a center: its folder, certificates, the coordinator's key and an empty store.

    Example: shadowgraph network init --home /srv/center --name Glioma --address hub.example.org:443
    """
    from server.administration.enrolment import make_center

    settings = make_center(home, name, address=address or None, port=port)
    return {
        "consortium": settings.consortium,
        "home": str(settings.home),
        "address": settings.address,
        "next": "shadowgraph network invite SITE, then shadowgraph network start",
    }


@app.command()
def invite(
    site: Annotated[str, typer.Argument(help="the name that the site will have")],
    home: Home = Path("."),
    out: Annotated[
        Path | None, typer.Option(help="where to write it; SITE.invitation.json if left out")
    ] = None,
    root_certificate: Annotated[
        Path | None, typer.Option(help="PEM of the authority behind a proxy's certificate, if it is not ours")
    ] = None,
) -> dict[str, Any]:
    """Write the invitation of a site: a file with public keys only, to be handed over by a person.

    Example: shadowgraph network invite oslo --home /srv/center
    """
    from server.administration.enrolment import invite

    invitation = invite(home, site, root_certificate)
    path = out or Path(f"{site}.invitation.json")
    invitation.write(path)
    return {
        "invitation": str(path),
        "site": site,
        "coordinator's fingerprint": invitation.fingerprint(),
        "next": f"at the site: shadowgraph site join {path.name}",
    }


@app.command()
def enrol(
    enrolment: Annotated[Path, typer.Argument(help="the file that `site join` wrote")], home: Home = Path(".")
) -> dict[str, Any]:
    """Take a site's answer to its invitation: from now on its keys are known here.

    Example: shadowgraph network enrol oslo.enrolment.json --home /srv/center
    """
    from server.administration.enrolment import enrol

    enrolled = enrol(home, enrolment)
    return {"site": enrolled.site, "state": "enrolled", "fingerprint": enrolled.fingerprint()}


@app.command()
def sites(home: Home = Path(".")) -> list[dict[str, Any]]:
    """List the sites: invited or enrolled, online or not, and the fingerprint of each one's key.

    Example: shadowgraph network sites --home /srv/center
    """
    from server.administration.enrolment import sites

    return sites(home)


@app.command()
def start(
    home: Home = Path("."),
    foreground: Annotated[bool, typer.Option(help="stay, until SIGTERM; for systemd and containers")] = False,
) -> dict[str, Any] | None:
    """Start the center's processes; returns when the coordinator is at work.

    Example: shadowgraph network start --home /srv/center
    """
    from protocols.runtime import daemons
    from server.administration.processes import RUN, supervise, supervisor

    if foreground:
        supervise(home)
        return None
    daemons.start(home.resolve() / RUN, supervisor(home))
    return status(home)


@app.command()
def stop(home: Home = Path(".")) -> dict[str, Any]:
    """Stop the center's processes. Studies that are under way go on at the next start.

    Example: shadowgraph network stop --home /srv/center
    """
    from protocols.runtime import daemons
    from server.administration.processes import RUN

    return {"state": "stopped" if daemons.stop(home.resolve() / RUN) else "was not running"}


@app.command()
def status(home: Home = Path(".")) -> dict[str, Any]:
    """Show the center's processes and sites.

    Example: shadowgraph network status --home /srv/center
    """
    from protocols.runtime import daemons
    from server.administration.enrolment import sites
    from server.administration.processes import RUN, answers, coordinates
    from server.home.config import load

    settings = load(home)
    processes = daemons.services(settings.home / RUN)
    return {
        "consortium": settings.consortium,
        "address": settings.address,
        "SuperLink": "answers" if answers(settings) else "does not answer",
        "coordinator": "at work" if coordinates(settings) else "none",
        "processes": [{"process": name, **service} for name, service in processes.items()],
        "sites": sites(home),
    }
