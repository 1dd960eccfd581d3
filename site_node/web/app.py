"""The site's web process: its pages, on loopback. It can be killed at any time.

Run as `python -m site_node.web.app --name SITE --socket PATH --port N`.
"""

import argparse
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from protocols.runtime.action_socket import Actions
from protocols.runtime.web.application import make_application
from protocols.runtime.web.side import Web
from site_node.web import data, governance, inbox, overview
from site_node.web.side import site_side

ROUTERS = (overview.router, inbox.router, data.router, governance.router)
LOOPBACK = ("127.0.0.1", "localhost")


def make_app(name: str, socket: Path, hosts: tuple[str, ...] = ()) -> FastAPI:
    """The application of one site.

    Args:
        name: the site's.
        socket: where its actions are served.
        hosts: the names under which people reach it, beside those of loopback.
    """
    return make_application(Web(site_side(name), Actions(socket)), ROUTERS, (*LOOPBACK, *hosts))


def main() -> None:
    """Serves on loopback until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m site_node.web.app")
    parser.add_argument("--name", required=True, help="the site's name")
    parser.add_argument("--socket", type=Path, required=True, help="where the site's actions are served")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", action="append", default=[], help="a name under which people reach it")
    arguments = parser.parse_args()
    app = make_app(arguments.name, arguments.socket, tuple(arguments.host))
    uvicorn.run(
        app, host="127.0.0.1", port=arguments.port, access_log=False, ws="none", timeout_graceful_shutdown=1
    )


if __name__ == "__main__":
    main()
