"""The center's web process: pages, the API, and what holds for every request. It can be killed at any time.

Run as `python -m server.web.app --socket PATH --port N --host NAME`.
"""

import argparse
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from protocols.runtime.action_socket import Actions
from protocols.runtime.web.application import make_application
from protocols.runtime.web.side import Web
from server.web import api, model_pages, network_pages, study_pages
from server.web.side import center_side


def make_app(socket: Path, hosts: tuple[str, ...], name: str = "Shadowgraph") -> FastAPI:
    """The application of one center.

    Args:
        socket: where its actions are served.
        hosts: the names under which it is reached; a request for another name is refused.
        name: the consortium's.
    """
    web = Web(center_side(name), Actions(socket))
    return make_application(
        web, [api.router, study_pages.router, network_pages.router, model_pages.router], hosts
    )


def main() -> None:
    """Serves on loopback until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m server.web.app")
    parser.add_argument("--socket", type=Path, required=True, help="where the center's actions are served")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", action="append", required=True, help="a name under which it is reached")
    parser.add_argument("--name", default="Shadowgraph", help="the consortium's name")
    arguments = parser.parse_args()
    app = make_app(arguments.socket, tuple(arguments.host), arguments.name)
    uvicorn.run(
        app, host="127.0.0.1", port=arguments.port, access_log=False, ws="none", timeout_graceful_shutdown=1
    )


if __name__ == "__main__":
    main()
