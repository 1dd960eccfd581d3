"""`shadowgraph audit`: what this site decided and what left it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from site_node.cli.inbox import Home

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="What this site decided, and what left it."
)


@app.command()
def show(
    home: Home = Path("."), last: Annotated[int, typer.Option(min=1, help="how many lines")] = 20
) -> Output[Any]:
    """Show the last lines of the audit.

    Example: shadowgraph audit show --last 50
    """
    from protocols.runtime import audit_words as words
    from site_node.actions import audit

    return Output(audit.shown(home, last=last), words.lines)


@app.command()
def verify(
    home: Home = Path("."),
    heads: Annotated[
        Path | None, typer.Option(help="what another site or the center keeps of this audit: SITE.heads.json")
    ] = None,
) -> Output[Any]:
    """Check that no line was altered, removed or put in another order, and that the end is not cut.

    Example: shadowgraph audit verify --heads oslo.heads.json
    """
    from site_node.actions import audit
    from site_node.cli.words import audit as words

    return Output(audit.verify(home, heads), words.chain)


@app.command()
def heads(
    site: Annotated[str, typer.Argument(help="the site whose heads to write into a file")] = "",
    home: Home = Path("."),
    out: Annotated[Path | None, typer.Option(help="where to write them; SITE.heads.json")] = None,
) -> Output[Any]:
    """Show of which sites this one keeps heads of the audit; for one site, write them into a file for it.

    Example: shadowgraph audit heads bergen --out bergen.heads.json
    """
    from site_node.actions import audit
    from site_node.cli.words import audit as words

    return Output(audit.heads(home, site, out), words.heads)


@app.command()
def mend(home: Home = Path(".")) -> Output[Any]:
    """Go on after the audit was damaged: cut it where its chain breaks, and write down what is lost.

    Example: shadowgraph audit mend --home /srv/shadowgraph
    """
    from protocols.runtime import audit_words as words
    from site_node.actions import audit

    return Output(audit.mend(home), words.mended)


@app.command()
def releases(home: Home = Path(".")) -> Output[Any]:
    """List every answer that left this site, with the digest of its exact bytes.

    Example: shadowgraph audit releases --json
    """
    from site_node.actions import audit
    from site_node.cli.words import audit as words

    return Output(audit.releases(home), words.releases)


@app.command()
def export(file: Path, home: Home = Path(".")) -> Output[Any]:
    """Write the whole audit to a file, after checking its chain.

    Example: shadowgraph audit export audit-2026.jsonl
    """
    from site_node.actions import audit
    from site_node.cli.words import audit as words

    return Output(audit.export(home, file), words.exported)
