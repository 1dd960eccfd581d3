"""What long commands show while they work, and how a load's summary reads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def counted(unit: str) -> Iterator[Callable[[int], None]]:
    """A line on stderr that counts what has been done."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:>12,.0f} " + unit),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda count: shown.advance(task, count)


def by_kind(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary with one line a kind of record, and where to look for what was not loaded."""
    kinds = [
        {"kind": kind, **{**counts, "excluded": counts["excluded"] or 0}}
        for kind, counts in summary["kinds"].items()
    ]
    told = {**summary, "kinds": kinds}
    return (
        {**told, "next": "shadowgraph data status: what was not loaded, and why"}
        if summary["partial"]
        else told
    )
