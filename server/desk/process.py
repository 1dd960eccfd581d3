"""The process that does what pages and programs ask of a center: it has store and key, and no network.

Run as `python -m server.desk.process --home DIR`.
"""

import argparse
from pathlib import Path

from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES
from protocols.runtime.action_socket import ActionServer, serve_until_stopped
from protocols.runtime.logs import write_log
from server.administration.processes import RUN, SOCKET
from server.desk.table import ACTIONS
from server.home.config import load


def action_server(home: Path) -> ActionServer:
    """The server of a center's actions, on the socket in its run folder.

    Raises:
        InputError: there is no center in `home`.
    """
    settings = load(home)
    return ActionServer(settings.home / RUN / SOCKET, AccountFile(settings.home, CENTER_ROLES), ACTIONS)


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m server.desk.process")
    parser.add_argument("--home", type=Path, required=True, help="the center's folder")
    write_log()
    serve_until_stopped(action_server(parser.parse_args().home.resolve()))


if __name__ == "__main__":
    main()
