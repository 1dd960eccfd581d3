"""`shadowgraph demo`: three hospitals on this machine, from their files to one federated report."""

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    sites: Annotated[int, typer.Option(min=3, max=4, help="how many hospitals")] = 3,
    out: Annotated[Path, typer.Option(help="the folder to work in; an earlier demo's is emptied")] = Path(
        "demo-out"
    ),
    seed: Annotated[int | None, typer.Option(help="of the hospitals; another seed, other patients")] = None,
    stay: Annotated[
        bool,
        typer.Option(help="keep all running after the report, with pages to click through; until Ctrl-C"),
    ] = False,
) -> dict[str, Any]:
    """Play the whole way with real processes and synthetic hospitals.

    Example: shadowgraph demo --out /tmp/demo
    """
    from rich.console import Console

    from server.demo.run import Demo

    return Demo(out.resolve(), sites, seed, Console(stderr=True, highlight=False), stay).play()
