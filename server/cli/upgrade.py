"""`shadowgraph upgrade`: bring a site's or a center's folder to the release that is installed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output

app = typer.Typer(add_completion=False)


@app.command()
def to_this_release(
    home: Annotated[Path, typer.Option(help="the folder of a center or a site")] = Path("."),
    dry_run: Annotated[bool, typer.Option(help="say what would change, and change nothing")] = False,
    backup: Annotated[
        Path | None, typer.Option(help="where to write the folder as it is; beside it, if left out")
    ] = None,
) -> Output[Any]:
    """Bring the stores of a folder to the release that is installed: a backup first, then all or nothing.

    Example: shadowgraph upgrade --home /srv/shadowgraph --dry-run
    """
    from server.actions import upgrade
    from server.cli.words.upgrade import upgraded

    return upgraded(upgrade.plan(home) if dry_run else upgrade.upgrade(home, backup=backup))
