"""Work spread over processes, one item at a time, where an item that kills its process costs only itself."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 16  # items a process may be ahead of the consumer: bounds the results that wait for a slow one


def run_each(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int
) -> Iterator[tuple[Item, Result | None]]:
    """Each item with its result, in order; None where the item killed its process (memory, a crash).

    With one job all runs in this process. `function` and the items go to fresh processes, so they must be
    importable and picklable; `function` itself handles what it can.
    """
    waiting = iter(items)
    if jobs == 1:
        yield from ((item, function(item)) for item in waiting)
        return
    while batch := list(islice(waiting, jobs * AHEAD)):
        yield from _in_one_pool(function, batch, waiting, jobs)


def _in_one_pool(
    function: Callable[[Item], Result], first: list[Item], waiting: Iterator[Item], jobs: int
) -> Iterator[tuple[Item, Result | None]]:
    """Results until the items end or a process dies; then what was under way is run again, one by one."""
    with ProcessPoolExecutor(jobs, mp_context=_fresh(function)) as pool:
        running: deque[tuple[Item, Future[Result]]] = deque(
            (item, _submitted(pool, function, item)) for item in first
        )
        while running and not _was_lost(running[0][1]):
            item, future = running.popleft()
            yield item, future.result()
            for following in islice(waiting, 1):
                running.append((following, _submitted(pool, function, following)))
    for item, future in running:
        yield item, _alone(function, item) if _was_lost(future) else future.result()


def _submitted(pool: ProcessPoolExecutor, function: Callable[[Item], Result], item: Item) -> Future[Result]:
    """The future result; lost at once where the pool has lost a process already."""
    try:
        return pool.submit(function, item)
    except BrokenProcessPool as error:
        lost: Future[Result] = Future()
        lost.set_exception(error)
        return lost


def _was_lost(future: Future[Result]) -> bool:
    """Whether the item was under way, or waited, when a process ended; known when its turn has come."""
    return isinstance(future.exception(), BrokenProcessPool)


def _fresh(function: Callable[..., object]) -> BaseContext:
    """Processes without this one's threads and locks; what they import is imported once, where possible."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([function.__module__])
    return context


def _alone(function: Callable[[Item], Result], item: Item) -> Result | None:
    with ProcessPoolExecutor(1, mp_context=_fresh(function)) as pool:
        try:
            return pool.submit(function, item).result()
        except BrokenProcessPool:
            return None
