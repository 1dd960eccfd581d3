"""What long commands show while they work."""

from collections.abc import Iterator
from typing import TypeVar

from protocols.runtime.events import Progress

T = TypeVar("T")


def followed(events: Iterator[Progress | T], unit: str) -> T:
    """The last event, which is the result, after a line on stderr has counted what was done."""
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    count = TextColumn("{task.completed:>12,.0f} " + unit)
    columns = (SpinnerColumn(), count, BarColumn(), TimeElapsedColumn())
    result: T | None = None
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        for event in events:
            if isinstance(event, Progress):
                bar.update(task, completed=event.done, total=event.total)
            else:
                result = event
    assert result is not None  # an iterator of events ends with its result
    return result


def heard(events: Iterator[Progress | T], title: str) -> T:
    """The result of a listener; says on stderr where it listens, so that a script can wait for it."""
    import sys

    from site_node.actions.loads import Listening

    def said() -> Iterator[Progress | T]:
        for event in events:
            if isinstance(event, Listening):
                print(f"{event.title} listens on {event.bind}:{event.port}", file=sys.stderr, flush=True)
            else:
                yield event

    return followed(said(), title)
