"""`shadowgraph network audit`: who did what at this center."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from server.cli.options import Home

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Who did what at this center.")


@app.command()
def show(
    home: Home = Path("."), last: Annotated[int, typer.Option(min=1, help="how many lines")] = 20
) -> Output[Any]:
    """Show the last lines of the audit: what was done, under which account, by which Unix user.

    Example: shadowgraph network audit show --last 50
    """
    from protocols.runtime import audit_words as words
    from server.actions import audit

    return Output(audit.shown(home, last=last), words.lines)


@app.command()
def verify(home: Home = Path(".")) -> Output[Any]:
    """Check that no line was altered, removed or put in another order.

    Example: shadowgraph network audit verify --home /srv/center
    """
    from server.actions import audit
    from server.cli.words import network as words

    return Output(audit.verify(home), words.chain)


@app.command()
def mend(home: Home = Path(".")) -> Output[Any]:
    """Go on after the audit was damaged: cut it where its chain breaks, and write down what is lost.

    Example: shadowgraph network audit mend --home /srv/center
    """
    from protocols.runtime import audit_words as words
    from server.actions import audit

    return Output(audit.mend(home), words.mended)
