"""`shadowgraph doctor`: what this machine has, what is missing, and the fix."""

from typing import Any

import typer

app = typer.Typer(invoke_without_command=True, add_completion=False)


@app.callback()
def doctor() -> list[dict[str, Any]]:
    """Check this machine for what a site, a center and the demo need.

    Example: shadowgraph doctor
    """
    from server.administration.doctor import checks

    return [check.as_row() for check in checks()]
