"""Work spread over processes, one item at a time, where an item that kills its process costs only itself."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4  # items a process may be ahead of the consumer: bounds the results that wait


def run_each(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int
) -> Iterator[tuple[Item, Result | None]]:
    """Each item with its result, in order; None where the item killed its process (memory, a crash).

    With one job all runs in this process. `function` and the items go to fresh processes, so they must be
    importable and picklable; `function` itself handles what it can.
    """
    if jobs == 1:
        yield from ((item, function(item)) for item in items)
        return
    waiting = iter(items)
    while batch := list(islice(waiting, jobs * AHEAD)):
        yield from _in_one_pool(function, batch, waiting, jobs)


def _in_one_pool(
    function: Callable[[Item], Result], first: list[Item], waiting: Iterator[Item], jobs: int
) -> Iterator[tuple[Item, Result | None]]:
    """Results until the items end or a process dies; then what was under way is run again, one by one."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running: deque[tuple[Item, Future[Result]]] = deque(
            (item, pool.submit(function, item)) for item in first
        )
        while running:
            item, future = running.popleft()
            try:
                yield item, future.result()
            except BrokenProcessPool:
                suspects = [item, *(other for other, _ in running)]
                break
            for following in islice(waiting, 1):
                running.append((following, pool.submit(function, following)))
        else:
            return
    for item in suspects:
        yield item, _alone(function, item)


def _alone(function: Callable[[Item], Result], item: Item) -> Result | None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(function, item).result()
        except BrokenProcessPool:
            return None
