"""A site's processes: a stock SuperNode, which meets the network, the agent, which meets data, and the pages.

`python -m site_node.administration.processes --home DIR` supervises all until SIGTERM; with the name of one
it becomes that process, for systemd.
"""

import argparse
import os
import sys
from enum import StrEnum
from pathlib import Path

from protocols.core.errors import Code, InputError, UnreachableError
from protocols.runtime import daemons, notices
from protocols.runtime.daemons import Service, Supervisor, accepts, environment, script
from site_node.administration.enrolment import AGENT_READY, RUNTIME_SECRET
from site_node.governance import audit
from site_node.home.config import SETTINGS, SiteConfig, load
from site_node.home.membership import consortium

RUN, SOCKET = "run", "actions.sock"
PEOPLE = ("actions", "worker", "web", "metrics", "notices")


class Reach(StrEnum):
    """How far a site reaches its center."""

    CONNECTED = "connected"
    CONNECTING = "connecting"
    RETRYING = "retrying"
    NOT_LET_IN = "not-let-in"
    NOT_CONNECTED = "not-connected"


REACHED = {
    Reach.CONNECTED: "connected",
    Reach.CONNECTING: "connecting",
    Reach.RETRYING: "not reached, trying again",
    Reach.NOT_LET_IN: "does not know this site's key (shadowgraph network enrol, at the center), or has not "
    "yet noticed that this site stopped (start again in a minute)",
    Reach.NOT_CONNECTED: "not connected",
}
_QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}


def services(home: Path, *, stock: bool = False) -> list[Service]:
    """The site's processes, in the order in which they start.

    Args:
        home: the site's folder.
        stock: run Flower's own task runner, and the agent behind a socket; slower, no private name of flwr.
    """
    settings = load(home)
    return [*_answering(settings, stock=stock), *_serving(settings)]


def _answering(settings: SiteConfig, *, stock: bool) -> list[Service]:
    """What meets the network, and what meets data."""
    home = settings.home
    agent = (sys.executable, "-m", "site_node.agent.executor", "--home", str(home))
    ready = home / AGENT_READY
    if stock:
        socket = home / RUN / "agent.sock"
        return [
            Service("agent", (*agent, "--socket", str(socket)), _QUIET, marker=ready),
            _supernode(settings, (script("flower-supernode"),), "--node-config", f'socket="{socket}"'),
        ]
    address = f"127.0.0.1:{settings.runtime_port}"
    return [
        _supernode(
            settings,
            (sys.executable, "-m", "site_node.agent.supernode"),
            *("--isolation", "process", "--superexec-auth-secret-file", str(home / RUNTIME_SECRET)),
        ),
        Service("agent", (*agent, "--runtime", address), _QUIET, marker=ready),
    ]


def _supernode(settings: SiteConfig, program: tuple[str, ...], *way: str) -> Service:
    invited = consortium(settings.home)
    root = settings.home / RUN / "root.pem"
    root.parent.mkdir(exist_ok=True, mode=0o700)
    root.write_text(invited.root_certificate)
    command = (
        *program,
        *("--superlink", invited.address),
        *("--root-certificates", str(root)),
        *("--auth-supernode-private-key", str(settings.home / "keys" / "node")),
        *("--port", str(settings.runtime_port)),
        *way,
    )
    return Service(
        "supernode",
        command,
        {**_QUIET, "FLWR_HOME": str(settings.home / RUN / "flwr")},
        lambda: accepts("127.0.0.1", settings.runtime_port),
    )


def _serving(settings: SiteConfig) -> tuple[Service, ...]:
    """What people and monitors ask."""
    web = _web(settings) if settings.web_port else ()
    measured = (_metrics(settings),) if settings.metrics_port else ()
    told = (_notices(settings),) if (settings.home / notices.SETTINGS).is_file() else ()
    return (*web, *measured, *told)


def _metrics(settings: SiteConfig) -> Service:
    command = (sys.executable, "-m", "site_node.administration.metrics", "--home", str(settings.home))
    return Service("metrics", command, _QUIET, lambda: accepts("127.0.0.1", settings.metrics_port))


def _notices(settings: SiteConfig) -> Service:
    command = (sys.executable, "-m", "site_node.administration.notices", "--home", str(settings.home))
    return Service("notices", command, _QUIET)


def _web(settings: SiteConfig) -> tuple[Service, ...]:
    """What serves people: a process that acts, one for long work, and the pages, which know the first."""
    socket = settings.home / RUN / SOCKET
    acts = (sys.executable, "-m", "site_node.desk.process", "--home", str(settings.home))
    works = (sys.executable, "-m", "site_node.desk.worker", "--home", str(settings.home))
    asked = (sys.executable, "-m", "site_node.web.app", "--name", settings.name, "--socket", str(socket))
    names = [word for host in settings.web_hosts for word in ("--host", host)]
    return (
        Service("actions", acts, _QUIET, socket.exists),
        Service("worker", works, _QUIET),
        Service(
            "web",
            (*asked, "--port", str(settings.web_port), *names),
            _QUIET,
            lambda: accepts("127.0.0.1", settings.web_port),
        ),
    )


def supervisor(home: Path, *, stock: bool = False) -> tuple[str, ...]:
    """The command line that supervises a site."""
    words = (sys.executable, "-m", "site_node.administration.processes", "--home", str(home.resolve()))
    return (*words, "--stock") if stock else words


def supervise(home: Path, *, stock: bool = False) -> None:
    """Supervises a site until SIGTERM."""
    known = services(home.resolve(), stock=stock)
    Supervisor(home.resolve() / RUN, known).run()


def start(home: Path, *, stock: bool = False) -> None:
    """Starts a site in the background and returns when both its processes serve.

    Raises:
        InputError: the port on which they meet is taken.
        UnreachableError: one did not come up; the text says what the center answered.
    """
    settings = load(home)
    run = settings.home / RUN
    if not daemons.services(run) and accepts("127.0.0.1", settings.runtime_port):
        raise InputError(
            Code.ALREADY_EXISTS,
            f"something else listens on port {settings.runtime_port} of this machine",
            f"choose another `runtime_port` in {settings.home / SETTINGS}",
        )
    try:
        daemons.start(run, supervisor(home, stock=stock))
    except UnreachableError as error:
        center = REACHED[reached(settings)]
        raise UnreachableError(error.code, error.text, f"the center: {center}") from None


def reached(settings: SiteConfig) -> Reach:
    """What the SuperNode's log says last of its connection; Flower has no other word for it."""
    said = {
        "SuperNode ID:": Reach.CONNECTED,
        "Connection successful": Reach.CONNECTED,
        "retrying in": Reach.RETRYING,
        "[code: 2004]": Reach.NOT_LET_IN,
        "Exit Code: 305": Reach.NOT_LET_IN,
        "Starting Flower SuperNode": Reach.CONNECTING,
    }
    with open(settings.home / RUN / "supernode.log", "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 65536))
        lines = file.read().decode(errors="replace").splitlines()
    for line in reversed(lines):
        for words, meaning in said.items():
            if words in line:
                return meaning
    return Reach.CONNECTED


def main() -> None:
    """Supervises the site, or becomes one of its processes."""
    parser = argparse.ArgumentParser(prog="python -m site_node.administration.processes")
    parser.add_argument("--home", type=Path, required=True, help="the site's folder")
    parser.add_argument("--stock", action="store_true", help="Flower's own task runner")
    parser.add_argument("only", nargs="?", choices=["supernode", "agent", *PEOPLE])
    arguments = parser.parse_args()
    if arguments.only is None:
        supervise(arguments.home, stock=arguments.stock)
        return
    settings = load(arguments.home.resolve())
    # what serves people starts before the site has joined, and its units see no file of the others
    served = arguments.only in PEOPLE
    known = (
        (*_web(settings), _metrics(settings), _notices(settings))
        if served
        else _answering(settings, stock=arguments.stock)
    )
    if arguments.only == "agent":
        audit.act(arguments.home, "started")
    one = next(service for service in known if service.name == arguments.only)
    os.execve(one.command[0], one.command, environment(one.environment))


if __name__ == "__main__":
    main()
