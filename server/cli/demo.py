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
    study: Annotated[
        Path | None, typer.Option(help="another study over the same hospitals, such as an example's")
    ] = None,
    variants: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="of an array with which patients are genotyped too")
    ] = 0,
) -> dict[str, Any]:
    """Play the whole way with real processes and synthetic hospitals.

    Example: shadowgraph demo --out /tmp/demo

    """
    from rich.console import Console

    from server.demo.run import Demo

    console = Console(stderr=True, highlight=False)
    return Demo(out.resolve(), sites, seed, console, stay, study, variants).play()
