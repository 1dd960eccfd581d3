"""`shadowgraph audit`: what this site decided and what left it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from site_node.cli.inbox import Home

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="What this site decided, and what left it."
)


@app.command()
def show(
    home: Home = Path("."), last: Annotated[int, typer.Option(min=1, help="how many lines")] = 20
) -> list[dict[str, Any]]:
    """Show the last lines of the audit.

    Example: shadowgraph audit show --last 50
    """
    from site_node.governance import audit

    shown = []
    for line in list(audit.lines(home))[-last:]:
        facts = {k: v for k, v in line.items() if k not in ("at", "event", "after", "hash")}
        words = json.dumps(facts)
        shown.append({"at": line["at"][:19], "event": line["event"], "facts": words})
    return shown


@app.command()
def verify(home: Home = Path(".")) -> dict[str, Any]:
    """Check that no line was altered, removed or put in another order.

    Example: shadowgraph audit verify
    """
    from site_node.governance import audit

    return {"lines": audit.verify(home), "chain": "whole"}


@app.command()
def releases(home: Home = Path(".")) -> list[dict[str, Any]]:
    """List every answer that left this site, with the digest of its exact bytes.

    Example: shadowgraph audit releases --json
    """
    from site_node.governance import ledger

    return ledger.released(home)


@app.command()
def export(file: Path, home: Home = Path(".")) -> dict[str, Any]:
    """Write the whole audit to a file, after checking its chain.

    Example: shadowgraph audit export audit-2026.jsonl
    """
    from site_node.governance import audit

    count = audit.verify(home)
    file.write_bytes((home / audit.FILE).read_bytes() if count else b"")
    return {"lines": count, "file": str(file)}
