"""Flower's own SuperLink, whose empty answers wait until there is something.

A SuperNode's and a coordinator's poll of a stock SuperLink is answered at once, so that both ask again and
again, or sleep. Here the SuperNode's is held for 20 seconds (a message of the coordinator ends it), the
coordinator's for one (an answer of a site ends it), and that of whoever starts runs for 20.
Its state lies in memory: after a restart it knows no site and no run. It leaves a new name in `STARTED` at
each start, by which the center sees that all are to be registered again; the coordinator sends anew what was
lost.
The path of operators (`/v1/control/`), for which Flower asks no account, is closed to whoever does not show
the center's secret: another user of this machine would start and stop runs, or register a site of his own.
The one private name of flwr (1.41) is where its command finds `uvicorn`; where it is gone, nothing starts.

Run as `python -m server.administration.superlink FLAGS`, the flags of flower-superlink.
"""

import hmac
import importlib
import os
import re
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from protocols.runtime.long_polls import App, Bell, LongPolls, Receive, Scope, Send
from server.home.identity import KEYS

CENTER = "SHADOWGRAPH_HUB"
"""The variable of the environment that names the center's folder."""
OPERATORS, HEADER = "/v1/control/", b"x-shadowgraph-operator"
STATE, STARTED = "state", "superlink.started"
COMMAND = "flwr.superlink.cli.flower_superlink"
NODE_SECONDS = 20.0
COORDINATOR_SECONDS = 1.0  # a study that is submitted meanwhile is seen after it
STOP_SECONDS = 1


def for_operators(app: App, secret: bytes) -> App:
    """The SuperLink's API, whose path of operators is closed to whoever does not show the secret."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _path(scope).startswith(OPERATORS):
            shown = dict(scope["headers"]).get(HEADER, b"")
            if not hmac.compare_digest(shown, secret.hex().encode()):
                await send({"type": "http.response.start", "status": 403, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        await app(scope, receive, send)

    return guarded


def _path(scope: Scope) -> str:
    """The path as it is routed, with its slashes as one."""
    return re.sub("/+", "/", str(scope["path"]))


def waiting(app: App) -> App:
    """The SuperLink's API, which holds back its empty answers."""
    messages, replies, runs = Bell(), Bell(), Bell()
    return LongPolls(
        app,
        polls={
            "/v1/fleet/pull-messages": (messages, NODE_SECONDS),
            "/v1/runtime/pull-messages": (replies, COORDINATOR_SECONDS),
            "/v1/runtime/acquire-task": (runs, NODE_SECONDS),
        },
        rings={
            "/v1/runtime/push-object": messages,
            "/v1/fleet/push-messages": replies,
            "/v1/fleet/push-object": replies,
            "/v1/control/start-run": runs,
        },
    )


def serve_ours(command: Any, secret: bytes) -> None:
    """Makes the module of Flower's command serve the API that waits, and lets operators in by the secret.

    Raises:
        AttributeError: flwr has moved a name.
    """
    run = command.uvicorn.run

    def served(app: App, **settings: Any) -> None:
        # A poll that is held must not hold up the end.
        run(for_operators(waiting(app), secret), timeout_graceful_shutdown=STOP_SECONDS, **settings)

    command.uvicorn = SimpleNamespace(run=served)


def main() -> None:
    """Becomes a SuperLink."""
    home = Path(os.environ[CENTER])
    # Where flwr has moved the name this fails: as shipped, any user of this machine would be an operator.
    serve_ours(importlib.import_module(COMMAND), (home / KEYS / "runtime.secret").read_bytes())
    from flwr.superlink.cli import flower_superlink  # a second of imports, which who reads the names need not

    (home / STATE / STARTED).write_text(uuid.uuid4().hex)
    flower_superlink()


if __name__ == "__main__":
    main()
