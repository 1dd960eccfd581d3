"""An empty answer waits for the bell, and nothing else about a request changes."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from protocols.runtime.long_polls import Bell, LongPolls, Message, Naps, Receive, Scope, Send

BRIEF = 0.05
LONG = 30.0


def app(status: int = 200, body: bytes = b"") -> Callable[[Scope, Receive, Send], Any]:
    """An application that answers everything alike, in several parts as Starlette's middleware does."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return answered


async def asked(served: LongPolls, path: str, hangs_up: asyncio.Event | None = None) -> list[Message]:
    """What comes back from one request."""
    came: list[Message] = []
    read = False

    async def receive() -> Message:
        nonlocal read
        if not read:
            read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await (hangs_up or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        came.append(message)

    await served({"type": "http", "path": path}, receive, send)
    return came


def held(inner: Callable[..., Any], bell: Bell, seconds: float = LONG) -> LongPolls:
    return LongPolls(inner, polls={"/poll": (bell, seconds)}, rings={"/push": bell})


def test_an_empty_answer_comes_whole_after_its_time() -> None:
    came = asyncio.run(asyncio.wait_for(asked(held(app(), Bell(), BRIEF), "/poll"), LONG))
    assert [one["type"] for one in came] == ["http.response.start", *2 * ["http.response.body"]]


def test_what_holds_something_or_failed_is_not_held() -> None:
    for inner in (app(body=b"task"), app(status=401)):
        came = asyncio.run(asyncio.wait_for(asked(held(inner, Bell()), "/poll"), BRIEF * 20))
        assert len(came) == 3


def test_a_request_rings_for_those_who_wait() -> None:
    async def both() -> list[list[Message]]:
        served = held(app(), Bell())
        waiting = [asyncio.create_task(asked(served, "/poll")) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(one.done() for one in waiting)
        await asked(served, "/push")
        return await asyncio.wait_for(asyncio.gather(*waiting), LONG / 3)

    assert [len(came) for came in asyncio.run(both())] == [3, 3, 3]


def test_a_bell_that_rang_while_the_application_answered_is_heard() -> None:
    bell = Bell()

    async def rung(scope: Scope, receive: Receive, send: Send) -> None:
        await app()(scope, receive, send)
        bell.ring()

    assert len(asyncio.run(asyncio.wait_for(asked(held(rung, bell), "/poll"), LONG / 3))) == 3


def test_a_bell_is_rung_from_another_thread() -> None:
    bell = Bell()

    async def waited() -> None:
        thread = threading.Thread(target=bell.ring)
        waiting = asyncio.create_task(bell.wait(bell.rung))
        await asyncio.sleep(0)
        thread.start()
        await asyncio.wait_for(waiting, LONG / 3)
        thread.join()

    asyncio.run(waited())
    assert bell.rung == 1


def test_who_hangs_up_is_waited_for_no_longer() -> None:
    async def hung_up() -> None:
        gone = asyncio.Event()
        asking = asyncio.create_task(asked(held(app(), Bell()), "/poll", gone))
        await asyncio.sleep(0)
        gone.set()
        await asyncio.wait_for(asking, LONG / 3)

    asyncio.run(hung_up())


def test_naps_grow_where_nobody_waits_and_vanish_where_somebody_does() -> None:
    naps = Naps(longest=0.3)
    assert [naps.after(0.01, found=False) for _ in range(5)] == [0.05, 0.1, 0.2, 0.3, 0.3]
    assert naps.after(20.0, found=False) == 0
    assert naps.after(0.01, found=False) == 0.05
    assert naps.after(0.01, found=True) == 0
