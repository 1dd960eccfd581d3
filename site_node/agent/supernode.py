"""Flower's own SuperNode, woken when something comes instead of sleeping.

Three of its waits go: the agent's look for a task and the SuperNode's look for the agent's reply are woken
within this process, and after a poll that the SuperLink held back it asks again at once (stock: 0.25, 0.5
and 3 seconds). Against a SuperLink that does not wait, its pauses grow to Flower's 3 seconds.
Private names of flwr (1.41) are met here and in `executor` alone; where one is gone, the SuperNode runs as
shipped.

Run as `python -m site_node.agent.supernode FLAGS`, the flags of flower-supernode.
"""

import importlib
import logging
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from flwr.supernode.cli import flower_supernode

from protocols.runtime.long_polls import App, Bell, LongPolls, Naps

LOOP = "flwr.supernode.start_client_internal"
SERVED = "flwr.supernode.main"
TASK_SECONDS = 20.0
LONGEST_NAP = 3.0
_NOTHING_FOUND, _NO_REPLY = 3, 0.5  # the two pauses of Flower's loop

log = logging.getLogger("shadowgraph.supernode")


class Waking:
    """The waits of one SuperNode: tasks for the agent, replies of the agent, messages of the SuperLink."""

    def __init__(self) -> None:
        self._tasks = Bell()
        self._replies = threading.Event()
        self._naps = Naps(LONGEST_NAP)
        self._nap = 0.0

    def served(self, app: App) -> App:
        """The API that the agent asks: it waits for a task, and its reply wakes the SuperNode."""

        async def noticed(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            if scope.get("path") in {"/v1/runtime/push-messages", "/v1/runtime/push-object"}:
                self._replies.set()

        return LongPolls(noticed, {"/v1/runtime/acquire-task": (self._tasks, TASK_SECONDS)})

    def pulling(self, pull: Callable[..., int | None]) -> Callable[..., int | None]:
        """Flower's pull of one message, after which the agent is told that there is a task."""

        def pulled(**arguments: Any) -> int | None:
            began = time.monotonic()
            run = pull(**arguments)
            self._nap = self._naps.after(time.monotonic() - began, found=run is not None)
            if run is not None:
                self._tasks.ring()
            return run

        return pulled

    def sleep(self, seconds: float) -> None:
        """In place of `time.sleep` in Flower's loop."""
        if seconds == _NOTHING_FOUND:
            time.sleep(self._nap)
        elif self._replies.wait(seconds):
            self._replies.clear()


def wake(loop: Any, served: Any) -> None:
    """Puts a `Waking` into Flower's loop (a module) and around the API that another module of it serves.

    Raises:
        AttributeError: flwr has moved a name.
    """
    waking = Waking()
    pull, create_app, _ = loop._pull_and_store_message, served.create_app, loop.time.sleep
    loop._pull_and_store_message = waking.pulling(pull)
    loop.time = SimpleNamespace(sleep=waking.sleep)
    served.create_app = lambda **arguments: waking.served(create_app(**arguments))


def main() -> None:
    """Becomes a SuperNode."""
    try:
        wake(importlib.import_module(LOOP), importlib.import_module(SERVED))
    except (AttributeError, ImportError) as error:
        log.warning("flwr has moved %s: the SuperNode waits as shipped", error)
    flower_supernode()


if __name__ == "__main__":
    main()
