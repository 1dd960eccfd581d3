"""`shadowgraph doctor`: what this machine has, what is missing, and the fix."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    home: Annotated[Path | None, typer.Option(help="check the center or site in this folder too")] = None,
) -> Output[Any]:
    """Check this machine for what a site, a center and the demo need.

    Example: shadowgraph doctor --home /srv/center
    """
    from server.actions import health
    from server.cli.words.health import examined

    return examined(health.check(home))
