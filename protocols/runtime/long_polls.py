"""Polls that wait on the other side: an empty answer is held back until there is something to ask for.

Flower's parts ask each other every few tenths of a second, or sleep for seconds between. Around an ASGI
application that answers such polls, `LongPolls` delays the empty answers alone: the poll ends when a bell
rings or after its time, and whoever polled asks again. The application sees every request as it came, and
who does not know of the wait is answered later, never otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SETTLE_SECONDS = 0.02
"""How long a bell is silent before those who wait are answered: many messages come as one."""


class Bell:
    """Rung from any thread when something has come; awaited by requests of any event loop."""

    def __init__(self) -> None:
        self._rung = 0
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def rung(self) -> int:
        """How often it rang so far."""
        return self._rung

    def ring(self) -> None:
        """Wakes all who wait."""
        self._rung += 1
        for loop, event in tuple(self._waiting):
            loop.call_soon_threadsafe(event.set)

    async def wait(self, heard: int) -> None:
        """Returns once it rang more often than `heard`, and then was silent for a moment."""
        event = asyncio.Event()
        mine = (asyncio.get_running_loop(), event)
        self._waiting.add(mine)
        try:
            if self._rung == heard:
                await event.wait()
            while heard != self._rung:
                heard = self._rung
                await asyncio.sleep(SETTLE_SECONDS)
        finally:
            self._waiting.discard(mine)


class LongPolls:
    """An ASGI application whose empty answers to polls are held back.

    Args:
        app: the application.
        polls: path -> the bell that ends the wait of an empty answer, and the seconds after which it ends.
        rings: path -> the bell that a request to it rings, once it was answered.
    """

    def __init__(
        self, app: App, polls: Mapping[str, tuple[Bell, float]], rings: Mapping[str, Bell] | None = None
    ) -> None:
        self._app = app
        self._polls = polls
        self._rings = rings or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        path: str = scope["path"] if scope["type"] == "http" else ""
        if path in self._polls:
            await self._held(scope, receive, send, *self._polls[path])
            return
        await self._app(scope, receive, send)
        if path in self._rings:
            self._rings[path].ring()

    async def _held(self, scope: Scope, receive: Receive, send: Send, bell: Bell, seconds: float) -> None:
        heard = bell.rung
        kept: list[Message] = []
        empty = True

        async def keep_while_empty(message: Message) -> None:
            nonlocal empty
            failed = message["type"] == "http.response.start" and message["status"] != 200
            if failed or message.get("body"):
                empty = False
            kept.append(message)
            if not empty:
                while kept:
                    await send(kept.pop(0))

        await self._app(scope, receive, keep_while_empty)
        if kept:
            await _first_of(seconds, bell.wait(heard), _gone(receive))
            for message in kept:
                await send(message)


async def _gone(receive: Receive) -> None:
    """Returns when whoever asked has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _first_of(seconds: float, *waits: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


class Naps:
    """How long to sleep after a poll: not at all where the other side waits, longer and longer elsewhere.

    Example: `naps.after(0.01, found=False)` is 0.05 at first, then 0.1, up to `longest`.
    """

    def __init__(self, longest: float, shortest: float = 0.05, held: float = 1.0) -> None:
        self._longest = longest
        self._shortest = shortest
        self._held = held
        self._next = shortest

    def after(self, seconds: float, *, found: bool) -> float:
        """Seconds to sleep after a poll that took `seconds`, and found something or not."""
        if found or seconds >= self._held:
            self._next = self._shortest
            return 0.0
        nap, self._next = self._next, min(2 * self._next, self._longest)
        return nap
