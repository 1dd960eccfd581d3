"""`shadowgraph site`: a site's folder, its membership in a consortium, and its processes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from site_node.cli.account import app as account
from site_node.cli.home import Home
from site_node.cli.peers import app as peers

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A site: its folder, keys and processes.")
app.add_typer(peers, name="peers")
app.add_typer(account, name="account")


@app.command()
def init(
    name: Annotated[str, typer.Option(help="the site's name in the consortium")],
    home: Home = Path("."),
    database: Annotated[str, typer.Option(help="URL of its OMOP CDM")] = "sqlite:///cdm.sqlite",
    port: Annotated[
        int, typer.Option(help="where its two processes meet on loopback; 0 picks a free one")
    ] = 9094,
    web_port: Annotated[int, typer.Option(help="where its pages are served on loopback; 0 serves none")] = 0,
) -> Output[Any]:
    """Make a site: its folder and settings, and the tables of its CDM.

    Example: shadowgraph site init --home /srv/shadowgraph --name oslo
    """
    from site_node.actions import site
    from site_node.cli.words import site as words

    return Output(site.init(home, name, database=database, port=port, web_port=web_port), words.made)


@app.command()
def join(
    invitation: Annotated[Path, typer.Argument(help="the file that the coordinator handed over")],
    home: Home = Path("."),
    out: Annotated[Path | None, typer.Option(help="where to write the answer; SITE.enrolment.json")] = None,
) -> Output[Any]:
    """Join a consortium: make the site's keys, and write the answer that the coordinator takes.

    Example: shadowgraph site join oslo.invitation.json --home /srv/shadowgraph
    """
    from site_node.actions import site
    from site_node.cli.words import site as words

    return Output(site.join(home, invitation, out=out), words.joined)


@app.command()
def renew(
    home: Home = Path("."),
    out: Annotated[Path | None, typer.Option(help="where to write the answer; SITE.enrolment.json")] = None,
) -> Output[Any]:
    """Make new keys for the site, because the earlier ones may be in other hands.

    Example: shadowgraph site renew --home /srv/shadowgraph
    """
    from site_node.actions import site
    from site_node.cli.words import site as words

    return Output(site.renew(home, out=out), words.renewed)


@app.command()
def start(
    home: Home = Path("."),
    foreground: Annotated[bool, typer.Option(help="stay, until SIGTERM; for systemd and containers")] = False,
    stock: Annotated[
        bool, typer.Option(help="Flower's own task runner in front of the agent; slower")
    ] = False,
) -> Output[Any]:
    """Start the site's processes: the SuperNode, which meets the network, and the agent, which meets data.

    Example: shadowgraph site start --home /srv/shadowgraph
    """
    from site_node.actions import site
    from site_node.cli.words import site as words

    if foreground:
        return Output(site.serve(home, stock=stock), words.stopped)
    return Output(site.start(home, stock=stock), words.status)


@app.command()
def stop(home: Home = Path(".")) -> Output[Any]:
    """Stop the site's processes.

    Example: shadowgraph site stop --home /srv/shadowgraph
    """
    from site_node.actions import site
    from site_node.cli.words import site as words

    return Output(site.stop(home), words.stopped)


@app.command()
def status(home: Home = Path(".")) -> Output[Any]:
    """Show the site's consortium, its processes, and whether the center is reached.

    Example: shadowgraph site status --home /srv/shadowgraph
    """
    from site_node.actions import site
    from site_node.cli.words import site as words

    return Output(site.status(home), words.status)


@app.command("accept-clock")
def accept_clock(home: Home = Path(".")) -> Output[Any]:
    """Go by the present time although a later one was seen; every approval is taken back, to be renewed.

    Example: shadowgraph site accept-clock --home /srv/shadowgraph
    """
    from site_node.actions import site
    from site_node.cli.words import site as words

    return Output(site.accept_clock(home), words.accepted_clock)


@app.command()
def backup(
    place: Annotated[Path, typer.Argument(help="a file to write, or a folder for one named by the time")],
    home: Home = Path("."),
    keep: Annotated[int, typer.Option(min=0, help="how many stay in the folder; 0 keeps all")] = 0,
) -> Output[Any]:
    """Write the site's folder into one file, also while the site works.

    Example: shadowgraph site backup /mnt/safe/oslo.tar --home /srv/shadowgraph
    """
    from site_node.actions import site
    from site_node.cli.words import site as words

    return Output(site.backup(home, place, keep=keep), words.backed_up)


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="the file that `site backup` wrote")],
    home: Home = Path("."),
) -> Output[Any]:
    """Make the site's folder again from a backup. Every approval is taken back, for a person to renew.

    Example: shadowgraph site restore /mnt/safe/oslo.tar --home /srv/shadowgraph
    """
    from site_node.actions import site
    from site_node.cli.words import site as words

    return Output(site.restore(home, archive), words.restored)


@app.command()
def health(home: Home = Path(".")) -> Output[Any]:
    """Say whether the site can work now; exit code 1 where it cannot. For images, units and monitors.

    Example: shadowgraph site health --home /srv/shadowgraph
    """
    from protocols.runtime.health import told
    from site_node.actions import site

    return told(site.health(home))


@app.command()
def notify(
    home: Home = Path("."),
    trial: Annotated[bool, typer.Option(help="send a message that says it is one")] = False,
) -> Output[Any]:
    """Tell people what is new, by mail or webhook, as `notices.toml` in the folder says. For a timer.

    Example: shadowgraph site notify --trial --home /srv/shadowgraph
    """
    from protocols.runtime.notice_words import told
    from site_node.actions import site

    return Output(site.notify(home, is_trial=trial), told)
