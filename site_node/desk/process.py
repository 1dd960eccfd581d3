"""The process that does what pages ask of a site: it has register, accounts and database, and no network.

Run as `python -m site_node.desk.process --home DIR`.
"""

import argparse
from pathlib import Path

from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import SITE_ROLES
from protocols.runtime.action_socket import ActionServer, serve_until_stopped
from protocols.runtime.logs import write_log
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
    write_log()
    serve_until_stopped(action_server(parser.parse_args().home.resolve()))


if __name__ == "__main__":
    main()
