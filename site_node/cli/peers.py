"""`shadowgraph site peers`: the other sites, and what people here say about their keys."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.core.errors import Code, InputError
from protocols.runtime.output import Output
from site_node.cli.home import Home

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The other sites, and who of them is a member."
)

FromCenter = Annotated[Path | None, typer.Option("--list", help="what `network members` wrote at the center")]
Out = Annotated[Path | None, typer.Option(help="where to write what this site said; SITE.statements.json")]


@app.command("list")
def list_peers(home: Home = Path("."), list_file: FromCenter = None) -> Output[Any]:
    """List the other sites, the fingerprints of their keys, and who confirmed them.

    Example: shadowgraph site peers list --home /srv/shadowgraph
    """
    from site_node.actions import peers
    from site_node.cli.words import peers as words

    return Output(peers.listed(home, list_file), words.peers)


@app.command()
def confirm(
    sites: Annotated[
        list[str], typer.Argument(help="SITE=FINGERPRINT, as a person there reads it out by telephone")
    ],
    home: Home = Path("."),
    list_file: FromCenter = None,
    out: Out = None,
) -> Output[Any]:
    """Confirm other sites whose fingerprints you compared. A site is a member when two members confirmed it.

    Example: shadowgraph site peers confirm bergen="1f0c 22aa 9d31 07be 5c44 e1f0 83a2 6b19"
    """
    from site_node.actions import peers
    from site_node.cli.words import peers as words

    pairs = [one.partition("=") for one in sites]
    if not all(fingerprint for _, _, fingerprint in pairs):
        raise InputError(Code.INVALID_INPUT, "a site without its fingerprint", 'write SITE="1f0c 22aa ..."')
    fingerprints = {site: fingerprint for site, _, fingerprint in pairs}
    return Output(peers.confirm(home, fingerprints, file=list_file, out=out), words.told)


@app.command()
def remove(
    site: Annotated[str, typer.Argument(help="the site whose key no longer counts")],
    home: Home = Path("."),
    out: Out = None,
) -> Output[Any]:
    """Remove a site: here at once, at the other sites when a second member says it too.

    Example: shadowgraph site peers remove bergen --home /srv/shadowgraph
    """
    from site_node.actions import peers
    from site_node.cli.words import peers as words

    return Output(peers.remove(home, site, out=out), words.told)
