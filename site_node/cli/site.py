"""`shadowgraph site`: a site's folder, its membership in a consortium, and its processes."""

from pathlib import Path
from typing import Annotated, Any

import typer

Home = Annotated[Path, typer.Option("--home", envvar="SHADOWGRAPH_HOME", help="the site's folder")]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A site: its folder, keys and processes.")


@app.command()
def init(
    name: Annotated[str, typer.Option(help="the site's name in the consortium")],
    home: Home = Path("."),
    database: Annotated[str, typer.Option(help="URL of its OMOP CDM")] = "sqlite:///cdm.sqlite",
    port: Annotated[
        int, typer.Option(help="where its two processes meet on loopback; 0 picks a free one")
    ] = 9094,
) -> dict[str, Any]:
    """Make a site: its folder and settings, and the tables of its CDM.

    Example: shadowgraph site init --home /srv/shadowgraph --name oslo
    """
    from site_node.administration.setup import make_site
    from site_node.home.cdm import open_cdm

    settings = make_site(home, name, database=database, runtime_port=port)
    open_cdm(settings).dispose()
    return {
        "site": settings.name,
        "home": str(settings.home),
        "database": settings.database.split("@")[-1],  # never the password
        "next": "shadowgraph data add ..., and shadowgraph site join INVITATION",
    }


@app.command()
def join(
    invitation: Annotated[Path, typer.Argument(help="the file that the coordinator handed over")],
    home: Home = Path("."),
    out: Annotated[Path | None, typer.Option(help="where to write the answer; SITE.enrolment.json")] = None,
) -> dict[str, Any]:
    """Join a consortium: make the site's keys, and write the answer that the coordinator takes.

    Example: shadowgraph site join oslo.invitation.json --home /srv/shadowgraph
    """
    from site_node.administration.enrolment import consortium, join

    answer = join(home, invitation)
    path = out or Path(f"{answer.site}.enrolment.json")
    answer.write(path)
    invited = consortium(home)
    return {
        "consortium": invited.consortium,
        "center": invited.address,
        "coordinator's fingerprint": invited.fingerprint(),
        "answer": str(path),
        "this site's fingerprint": answer.fingerprint(),
        "next": f"hand {path.name} to the coordinator, who runs: shadowgraph network enrol {path.name}",
    }


@app.command()
def start(
    home: Home = Path("."),
    foreground: Annotated[bool, typer.Option(help="stay, until SIGTERM; for systemd and containers")] = False,
    stock: Annotated[
        bool, typer.Option(help="Flower's own task runner in front of the agent; slower")
    ] = False,
) -> dict[str, Any] | None:
    """Start the site's processes: the SuperNode, which meets the network, and the agent, which meets data.

    Example: shadowgraph site start --home /srv/shadowgraph
    """
    from site_node.administration.enrolment import consortium
    from site_node.administration.processes import start, supervise

    consortium(home)
    if foreground:
        supervise(home, stock=stock)
        return None
    start(home, stock=stock)
    return status(home)


@app.command()
def stop(home: Home = Path(".")) -> dict[str, Any]:
    """Stop the site's processes.

    Example: shadowgraph site stop --home /srv/shadowgraph
    """
    from protocols.runtime import daemons
    from site_node.administration.processes import RUN

    return {"state": "stopped" if daemons.stop(home.resolve() / RUN) else "was not running"}


@app.command()
def status(home: Home = Path(".")) -> dict[str, Any]:
    """Show the site's consortium, its processes, and whether the center is reached.

    Example: shadowgraph site status --home /srv/shadowgraph
    """
    from site_node.administration.processes import status

    return status(home)


@app.command()
def backup(
    archive: Annotated[Path, typer.Argument(help="the file to write; it holds patients' rows and keys")],
    home: Home = Path("."),
) -> dict[str, Any]:
    """Write the site's folder into one file, also while the site works.

    Example: shadowgraph site backup /mnt/safe/oslo.tar --home /srv/shadowgraph
    """
    from site_node.administration.backup import back_up

    return back_up(home, archive)


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="the file that `site backup` wrote")],
    home: Home = Path("."),
) -> dict[str, Any]:
    """Make the site's folder again from a backup. Every approval is taken back, for a person to renew.

    Example: shadowgraph site restore /mnt/safe/oslo.tar --home /srv/shadowgraph
    """
    from site_node.administration.backup import restore

    return restore(archive, home)


@app.command()
def peers(
    home: Home = Path("."),
    forget: Annotated[str, typer.Option(help="a site whose new key you have confirmed by asking it")] = "",
) -> list[dict[str, Any]]:
    """List the other sites known here with their keys' fingerprints, which shared sums rely on.

    Example: shadowgraph site peers --home /srv/shadowgraph
    """
    from site_node.governance import peers

    if forget:
        peers.forget(home, forget)
    return peers.listed(home)
