"""`shadowgraph redteam`: the scoreboard of attacks, which stand in the source checkout alone."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from protocols.core.errors import Code, InputError

app = typer.Typer(add_completion=False)
CHECKOUT = Path(__file__).resolve().parents[2]


@app.command()
def redteam(
    which: Annotated[
        list[str] | None, typer.Argument(help="kinds or attacks by name; all unless given")
    ] = None,
    markdown: Annotated[bool, typer.Option(help="print the table of docs/security.md")] = False,
) -> int:
    """Try every attack on a weakened site, where it works, and on the defaults, where it fails.

    Example: shadowgraph redteam RT01 cox_intervals
    """
    words = [*(which or []), *(["--markdown"] if markdown else [])]
    return subprocess.run([sys.executable, "-m", _attacks(), *words], cwd=CHECKOUT, check=False).returncode


def _attacks() -> str:
    """The module that tries the attacks.

    Raises:
        InputError: not-found; this is an installed package, which has none.
    """
    if not (CHECKOUT / "tests" / "redteam" / "__main__.py").exists():
        raise InputError(
            Code.NOT_FOUND,
            "the attacks are not part of an installed package",
            "run this from a source checkout that is installed with `make`",
        )
    return "tests.redteam"
