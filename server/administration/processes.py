"""The processes of a center: Flower's SuperLink and a task runner on loopback, and the coordinator's run.

`python -m server.administration.processes --home DIR` supervises all until SIGTERM; with `superlink`,
`superexec` or `run` it becomes that one process, for systemd.
"""

import argparse
import contextlib
import json
import os
import signal
import ssl
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from protocols.core.errors import UnreachableError
from protocols.runtime import notices
from protocols.runtime.daemons import Service, Supervisor, accepts, environment
from server.administration.flower_commands import CONNECTION, FlowerCommands
from server.administration.superlink import CENTER, STARTED, STATE
from server.home.config import HubConfig, load
from server.home.identity import KEYS
from server.home.store import Store

RUN, SOCKET = "run", "actions.sock"
ONLY = ("superlink", "superexec", "run", "actions", "web", "metrics", "notices")
REGISTERED = "registered.json"
APP = Path(__file__).parents[1] / "flower"
FRESH_SECONDS = 12.0
START_SECONDS = 90.0

_QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
}


def services(home: Path) -> list[Service]:
    """The center's processes, in the order in which they start."""
    settings = load(home)
    home, keys = settings.home, settings.home / KEYS
    (home / STATE).mkdir(exist_ok=True, mode=0o700)
    superlink = (
        *(sys.executable, "-m", "server.administration.superlink"),
        *("--host", "127.0.0.1", "--port", str(settings.port)),
        *("--ssl-certfile", str(keys / "server.pem"), "--ssl-keyfile", str(keys / "server.key")),
        *("--ssl-ca-certfile", str(keys / "ca.pem")),
        *("--enable-supernode-auth", "--disable-runtime-dependency-installation"),
        *("--database", ":flwr-in-memory:"),  # half the CPU of a round; what it loses is sent again
        *("--isolation", "process"),
        *("--superexec-auth-secret-file", str(keys / "runtime.secret")),
    )
    superexec = (sys.executable, "-m", "server.coordination.task_runner", "--home", str(home))
    run = (sys.executable, "-m", "server.administration.processes", "--home", str(home), "run")
    quiet = {**_QUIET, CENTER: str(home)}
    return [
        Service(
            "superlink",
            superlink,
            {**quiet, "FLWR_HOME": str(home / STATE)},
            lambda: answers(settings),
        ),
        Service(
            "superexec",
            superexec,
            {**quiet, "FLWR_HOME": str(home / RUN / "superexec")},
        ),
        Service("run", run, quiet, lambda: coordinates(settings)),
        *(_web(settings) if settings.web_port else ()),
        *((_metrics(settings),) if settings.metrics_port else ()),
        *((_notices(settings),) if (home / notices.SETTINGS).is_file() else ()),
    ]


def _web(settings: HubConfig) -> tuple[Service, Service]:
    """What serves people and programs: a process that acts and has no network, one that is asked."""
    socket = settings.home / RUN / SOCKET
    host, _, _ = settings.address.rpartition(":")
    acts = (sys.executable, "-m", "server.desk.process", "--home", str(settings.home))
    asked = (
        sys.executable,
        "-m",
        "server.web.app",
        "--socket",
        str(socket),
        "--port",
        str(settings.web_port),
        "--name",
        settings.consortium,
    )
    names = ("--host", host.strip("[]"), "--host", "127.0.0.1")
    return (
        Service("actions", acts, _QUIET, socket.exists),
        Service("web", (*asked, *names), _QUIET, lambda: accepts("127.0.0.1", settings.web_port)),
    )


def _metrics(settings: HubConfig) -> Service:
    """What a monitor asks."""
    command = (sys.executable, "-m", "server.administration.metrics", "--home", str(settings.home))
    return Service("metrics", command, _QUIET, lambda: accepts("127.0.0.1", settings.metrics_port))


def _notices(settings: HubConfig) -> Service:
    """What tells people."""
    command = (sys.executable, "-m", "server.administration.notices", "--home", str(settings.home))
    return Service("notices", command, _QUIET)


def answers(settings: HubConfig) -> bool:
    """Whether the SuperLink answers, under the center's own certificate."""
    trust = ssl.create_default_context(cafile=str(settings.home / KEYS / "ca.pem"))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
    try:
        with opener.open(f"https://127.0.0.1:{settings.port}/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def coordinates(settings: HubConfig) -> bool:
    """Whether a Flower run leads, and gave a sign of life lately."""
    leader = Store(settings.home).leader()
    return leader is not None and leader[1] < FRESH_SECONDS


def keep_a_run(settings: HubConfig, stop: threading.Event) -> None:
    """Keeps every enrolled site's key registered, and one Flower run as coordinator."""
    flower = FlowerCommands(settings)
    while not stop.is_set():
        try:
            if answers(settings):
                register_sites(settings, flower)
                if not coordinates(settings):
                    _start_a_run(settings, flower, stop)
        except UnreachableError as error:
            print(error, file=sys.stderr, flush=True)
            stop.wait(5.0)
        stop.wait(0.5)


def register_sites(settings: HubConfig, flower: FlowerCommands) -> None:
    """Lets the SuperLink know the keys of enrolled sites and no others; one starts knowing none."""
    known_file, store = settings.home / STATE / REGISTERED, Store(settings.home)
    started = (settings.home / STATE / STARTED).read_text()
    noted = json.loads(known_file.read_text()) if known_file.exists() else {}
    if noted.get("superlink") != started or "nodes" not in noted:
        store.resign()  # its Flower run is gone with the SuperLink that ran it
        noted = {"superlink": started, "nodes": {}}
        _note(known_file, noted)
    known: dict[str, dict[str, Any]] = noted["nodes"]
    keys = {site.name: site.enrolment.node_key for site in store.sites() if site.enrolment is not None}
    for name in [name for name, one in known.items() if keys.get(name) != one["key"]]:
        _unregister(flower, name, known.pop(name)["node"])
        _note(known_file, noted)
    for name in sorted(keys.keys() - known.keys()):
        path = settings.home / RUN / f"{name}.pub"
        path.write_text(keys[name])
        known[name] = {"key": keys[name], "node": _registered(flower, name, path)}
        _note(known_file, noted)


def _note(file: Path, noted: dict[str, Any]) -> None:
    """Writes the file whole or not at all: a kill in between leaves the one before."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(json.dumps(noted))
    draft.replace(file)


def _registered(flower: FlowerCommands, name: str, key: Path) -> int | None:
    """The number under which the SuperLink knows a site from now on; None where it knew its key before."""
    try:
        node = flower("supernode", "register", str(key), CONNECTION, "--name", name)["node-id"]
    except UnreachableError as error:
        if "already in use" not in error.text:  # registered, and killed before it was noted
            raise
        return None
    print(f"registered site {name}", file=sys.stderr, flush=True)
    return int(node)


def _unregister(flower: FlowerCommands, name: str, node: int | None) -> None:
    """Lets the SuperLink forget the key of a site that was removed or has another one.

    Where it cannot, it forgets the key at its next start; the store's keys admit no answer under it before.
    """
    if node is not None:
        with contextlib.suppress(UnreachableError):
            flower("supernode", "unregister", str(node), CONNECTION)
    print(f"unregistered a key of site {name}", file=sys.stderr, flush=True)


def _start_a_run(settings: HubConfig, flower: FlowerCommands, stop: threading.Event) -> None:
    """Starts a run, after the one that fell silent was told to stop: it may be stuck rather than dead."""
    store = Store(settings.home)
    if silent := store.leader():
        with contextlib.suppress(UnreachableError):
            flower("stop", silent[0], CONNECTION)
        store.resign()
    started = flower("run", str(APP), CONNECTION)
    print(f"started Flower run {started['run-id']}", file=sys.stderr, flush=True)
    deadline = time.monotonic() + START_SECONDS
    while not coordinates(settings) and time.monotonic() < deadline and not stop.wait(0.25):
        pass


def supervisor(home: Path) -> tuple[str, ...]:
    """The command line that supervises a center."""
    return (sys.executable, "-m", "server.administration.processes", "--home", str(home.resolve()))


def supervise(home: Path) -> None:
    """Supervises a center until SIGTERM."""
    settings = load(home)
    Supervisor(settings.home / RUN, services(settings.home)).run()
    Store(settings.home).resign()


def main() -> None:
    """Supervises the center, or becomes one of its processes."""
    parser = argparse.ArgumentParser(prog="python -m server.administration.processes")
    parser.add_argument("--home", type=Path, required=True, help="the center's folder")
    parser.add_argument("only", nargs="?", choices=ONLY)
    arguments = parser.parse_args()
    settings = load(arguments.home)
    if arguments.only is None:
        supervise(settings.home)
    elif arguments.only == "run":
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        keep_a_run(settings, stop)
    else:
        one = next(service for service in services(settings.home) if service.name == arguments.only)
        os.execve(one.command[0], one.command, environment(one.environment))


if __name__ == "__main__":
    main()
