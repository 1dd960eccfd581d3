"""The process that does what pages ask of a site: it has register, accounts and database, and no network.

Run as `python -m site_node.desk.process --home DIR`.
"""

import argparse
import logging
import signal
from pathlib import Path

from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import SITE_ROLES
from protocols.runtime.action_socket import ActionServer
from site_node.administration.processes import RUN, SOCKET
from site_node.desk.table import ACTIONS
from site_node.home.config import load


def action_server(home: Path) -> ActionServer:
    """The server of a site's actions, on the socket in its run folder.

    Raises:
        InputError: there is no site in `home`.
    """
    settings = load(home)
    return ActionServer(settings.home / RUN / SOCKET, AccountFile(settings.home, SITE_ROLES), ACTIONS)


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m site_node.desk.process")
    parser.add_argument("--home", type=Path, required=True, help="the site's folder")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    server = action_server(parser.parse_args().home.resolve())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    with server:
        server.serve_forever()


def _stop(*_: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
