"""`shadowgraph network`: a consortium's center, its sites and its processes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from server.cli import account
from server.cli.options import Home

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A consortium's center and its sites.")
app.add_typer(account.app, name="account")


@app.command()
def init(
    name: Annotated[str, typer.Option(help="the consortium's name, as sites read it")],
    home: Home = Path("."),
    address: Annotated[
        str, typer.Option(help="HOST:PORT under which sites reach the center; loopback where it is left out")
    ] = "",
    port: Annotated[int, typer.Option(help="the SuperLink's port on loopback; 0 picks a free one")] = 9443,
) -> Output[Any]:
    """Make a center: its folder, certificates, the coordinator's key and an empty store.

    Example: shadowgraph network init --home /srv/center --name Glioma --address hub.example.org:443
    """
    from server.actions import network
    from server.cli.words import network as words

    return Output(network.init(home, name, address=address, port=port), words.made)


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
