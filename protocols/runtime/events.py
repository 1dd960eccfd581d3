"""Long work as an iterator of events, which a bar, a page or a notebook can follow."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far long work has come: things done so far, and of how many where that is known."""

    done: int
    total: int | None = None
    schema_version: int = 1


Tell = Callable[[Progress], None]


class _Abandoned(BaseException):
    """Nobody follows any more. Not an Exception, so that no loader mistakes it for a bad record."""


@dataclass(frozen=True)
class _Failed:
    error: BaseException


def as_events(work: Callable[[Tell], T]) -> Iterator[Progress | T]:
    """What `work` tells while it works in its own thread, and at the end what it returns.

    Who closes the iterator, or is interrupted, ends the work at the next thing that it tells.

    Raises:
        Whatever `work` raises.
    """
    events: SimpleQueue[Progress | _Failed | tuple[T]] = SimpleQueue()
    abandoned = Event()

    def tell(progress: Progress) -> None:
        if abandoned.is_set():
            raise _Abandoned
        events.put(progress)

    def run() -> None:
        try:
            events.put((work(tell),))
        except BaseException as error:
            events.put(_Failed(error))

    thread = Thread(target=run, name="work", daemon=True)
    thread.start()
    try:
        while True:
            event = events.get()
            if isinstance(event, _Failed):
                raise event.error
            if isinstance(event, tuple):
                yield event[0]
                return
            yield event
    finally:
        abandoned.set()
        thread.join()


def counted(tell: Tell) -> Callable[[int], None]:
    """A function that is told how many more are done, for work that counts so."""
    done = 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        tell(Progress(done))

    return more
