"""`shadowgraph network`: a consortium's center, its sites and its processes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from server.cli import account, audit
from server.cli.options import Home

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A consortium's center and its sites.")
app.add_typer(account.app, name="account")
app.add_typer(audit.app, name="audit")


@app.command()
def init(
    name: Annotated[str, typer.Option(help="the consortium's name, as sites read it")],
    home: Home = Path("."),
    address: Annotated[
        str, typer.Option(help="HOST:PORT under which sites reach the center; loopback where it is left out")
    ] = "",
    port: Annotated[int, typer.Option(help="the SuperLink's port on loopback; 0 picks a free one")] = 9443,
    web_port: Annotated[
        int, typer.Option(help="where pages and API are served on loopback; 0 serves none")
    ] = 0,
) -> Output[Any]:
    """Make a center: its folder, certificates, the coordinator's key and an empty store.

    Example: shadowgraph network init --home /srv/center --name Glioma --address hub.example.org:443
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.init(home, name, address=address, port=port, web_port=web_port), words.made)


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
) -> Output[Any]:
    """Write the invitation of a site: a file with public keys only, to be handed over by a person.

    Example: shadowgraph network invite oslo --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    invited = network.invite(home, site, out=out, root_certificate=root_certificate)
    return Output(invited, words.invitation)


@app.command()
def enrol(
    enrolment: Annotated[Path, typer.Argument(help="the file that `site join` wrote")],
    home: Home = Path("."),
    new_keys: Annotated[
        bool, typer.Option(help="the site made new keys; people at two other sites have to confirm them")
    ] = False,
) -> Output[Any]:
    """Enrol a site with its answer to the invitation: from now on its keys are known here.

    Example: shadowgraph network enrol oslo.enrolment.json --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.enrol(home, enrolment, new_keys=new_keys), words.enrolled)


@app.command()
def suspend(
    site: Annotated[str, typer.Argument(help="the site's name")], home: Home = Path(".")
) -> Output[Any]:
    """Ask a site nothing from now on, until `network resume`.

    Example: shadowgraph network suspend oslo --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.suspend(home, site), words.changed)


@app.command()
def resume(
    site: Annotated[str, typer.Argument(help="the site's name")], home: Home = Path(".")
) -> Output[Any]:
    """Ask a suspended site again.

    Example: shadowgraph network resume oslo --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.resume(home, site), words.changed)


@app.command()
def remove(
    site: Annotated[str, typer.Argument(help="the site's name")], home: Home = Path(".")
) -> Output[Any]:
    """Forget a site and its keys; its past answers stay with their studies.

    Example: shadowgraph network remove oslo --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.remove(home, site), words.changed)


@app.command()
def renew(home: Home = Path(".")) -> Output[Any]:
    """Make a new certificate of the center's server, by the same authority; sites notice nothing.

    Example: shadowgraph network renew --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.renew(home), words.renewed)


@app.command()
def members(
    home: Home = Path("."),
    out: Annotated[Path | None, typer.Option(help="where to write it; members.json")] = None,
) -> Output[Any]:
    """Write the keys of all sites and what they said about each other, for people at the sites.

    Example: shadowgraph network members --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.members(home, out=out), words.members)


@app.command()
def confirm(
    files: Annotated[list[Path], typer.Argument(help="files that `site peers confirm` or `remove` wrote")],
    home: Home = Path("."),
) -> Output[Any]:
    """Hand on what sites said about each other; a running site also sends it with its replies.

    Example: shadowgraph network confirm oslo.statements.json --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.confirm(home, *files), words.confirmed)


@app.command()
def sites(home: Home = Path(".")) -> Output[Any]:
    """List the sites: invited or enrolled, online or not, and the fingerprint of each one's key.

    Example: shadowgraph network sites --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.sites(home), words.sites)


@app.command()
def heads(
    site: Annotated[str, typer.Argument(help="the site whose audit is in question")],
    home: Home = Path("."),
    out: Annotated[Path | None, typer.Option(help="where to write them; SITE.heads.json")] = None,
) -> Output[Any]:
    """Write what the center keeps of a site's audit, for `audit verify --heads` there.

    Example: shadowgraph network heads oslo --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.heads(home, site, out=out), words.heads)


@app.command()
def start(
    home: Home = Path("."),
    foreground: Annotated[bool, typer.Option(help="stay, until SIGTERM; for systemd and containers")] = False,
) -> Output[Any]:
    """Start the center's processes; returns when the coordinator is at work.

    Example: shadowgraph network start --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    if foreground:
        return Output(network.serve(home), words.stopped)
    return Output(network.start(home), words.center)


@app.command()
def stop(home: Home = Path(".")) -> Output[Any]:
    """Stop the center's processes. Studies that are under way go on at the next start.

    Example: shadowgraph network stop --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.stop(home), words.stopped)


@app.command()
def status(home: Home = Path(".")) -> Output[Any]:
    """Show the center's processes and sites.

    Example: shadowgraph network status --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.status(home), words.center)


@app.command()
def backup(
    place: Annotated[Path, typer.Argument(help="a file to write, or a folder for one named by the time")],
    home: Home = Path("."),
    keep: Annotated[int, typer.Option(min=0, help="how many stay in the folder; 0 keeps all")] = 0,
) -> Output[Any]:
    """Write the center's folder into one file, while the center works. Guard it like the folder.

    Example: shadowgraph network backup /mnt/safe/center.tar --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.backup(home, place, keep=keep), words.backed_up)


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="the file that `network backup` wrote")],
    home: Home = Path("."),
) -> Output[Any]:
    """Make the center's folder again from a backup. Studies that had not ended go on at the next start.

    Example: shadowgraph network restore /mnt/safe/center.tar --home /srv/center
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.restore(home, archive), words.restored)


@app.command()
def health(home: Home = Path(".")) -> Output[Any]:
    """Say whether the center can work now; exit code 1 where it cannot. For images, units and monitors.

    Example: shadowgraph network health --home /srv/center
    """
    from protocols.runtime.health import told
    from server.actions import network

    return told(network.health(home))


@app.command()
def notify(
    home: Home = Path("."),
    trial: Annotated[bool, typer.Option(help="send a message that says it is one")] = False,
) -> Output[Any]:
    """Tell people what is new, by mail or webhook, as `notices.toml` in the folder says. For a timer.

    Example: shadowgraph network notify --trial --home /srv/center
    """
    from protocols.runtime.notice_words import told
    from server.actions import network

    return Output(network.notify(home, is_trial=trial), told)
