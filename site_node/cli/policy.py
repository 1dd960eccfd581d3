"""`shadowgraph policy`: what this site is willing to answer."""

from pathlib import Path
from typing import Annotated, Any

import typer

from site_node.cli.inbox import Home, Reference

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What this site is willing to answer.")


@app.command()
def show(home: Home = Path(".")) -> dict[str, Any]:
    """Show the policy in force, defaults included.

    Example: shadowgraph policy show
    """
    from site_node.governance.policy import read_policy

    return read_policy(home).model_dump(mode="json")


@app.command("set")
def set_(
    key: Annotated[
        str, typer.Argument(help="such as thresholds.min_count, min_sites or protocols.survival.cox")
    ],
    value: Annotated[str, typer.Argument(help="the new value; for a protocol its version, or `off`")],
    home: Home = Path("."),
) -> dict[str, Any]:
    """Set one rule. A floor can be raised above the shipped one, never lowered below it.

    Example: shadowgraph policy set thresholds.min_count 20
    """
    from site_node.governance.policy import changed

    return changed(home, key, value).model_dump(mode="json")


@app.command()
def explain(study: Reference, home: Home = Path(".")) -> dict[str, Any]:
    """Say which rules a proposed study breaks, if any.

    Example: shadowgraph policy explain lgg-survival
    """
    from site_node.governance import approvals
    from site_node.governance.policy import read_policy

    found = approvals.find(home, study)
    faults = read_policy(home).faults(found)
    return {"study": found.name, "admitted": not faults, "rules it breaks": faults}
