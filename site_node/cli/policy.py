"""`shadowgraph policy`: what this site is willing to answer."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from site_node.cli.inbox import Home, Reference

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What this site is willing to answer.")


@app.command()
def show(home: Home = Path(".")) -> Output[Any]:
    """Show the policy in force, defaults included.

    Example: shadowgraph policy show
    """
    from site_node.actions import policy
    from site_node.cli.words import policy as words

    return Output(policy.shown(home), words.policy)


@app.command("set")
def set_(
    key: Annotated[
        str, typer.Argument(help="such as thresholds.min_count, min_sites or protocols.survival.cox")
    ],
    value: Annotated[str, typer.Argument(help="the new value; for a protocol its version, or `off`")],
    home: Home = Path("."),
    by: Annotated[str, typer.Option(help="who decides; your Unix user is kept beside the name")] = "",
) -> Output[Any]:
    """Set one rule. A floor can be raised above the shipped one, never lowered below it.

    Example: shadowgraph policy set thresholds.min_count 20
    """
    from site_node.actions import policy
    from site_node.cli.words import policy as words

    return Output(policy.set_rule(home, key, value, by=by), words.policy)


@app.command()
def explain(study: Reference, home: Home = Path(".")) -> Output[Any]:
    """Say which rules a proposed study breaks, if any.

    Example: shadowgraph policy explain lgg-survival
    """
    from site_node.actions import policy
    from site_node.cli.words import policy as words

    return Output(policy.explain(home, study), words.verdict)
