"""A run's events as a bar: its phase, the rounds that were answered, who is waited for, how long it takes."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_ROUND = ("asked", "answered")


def shown_progress(events: Iterable[Mapping[str, Any]], name: str, console: Console | None = None) -> None:
    """Draws the events until the run ends; whoever interrupts stops the drawing and not the run.

    How many rounds a study needs is not known before its end: the bar moves, and says how many are over.
    """
    shown = console or Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
    )
    try:
        with Progress(*columns, console=shown, transient=False) as bar:
            task, answered = bar.add_task(f"{name}: submitted", total=None), 0
            for event in events:
                answered += event["what"] == "answered"
                bar.update(task, description=f"{name}: {_said(event, answered)}")
            bar.update(task, total=1, completed=1)
    except KeyboardInterrupt:
        shown.print(f"{name} goes on; find it again by its run or name")
        raise


def _said(event: Mapping[str, Any], answered: int) -> str:
    """What happens now, in a few words."""
    if event["what"] in _ROUND:
        return f"{answered} rounds answered"
    return f"{event['what']} {event['detail']}".rstrip()
