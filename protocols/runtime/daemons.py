"""The long-lived processes of one side: started in order, watched, restarted, stopped together.

A side is one supervisor, which holds a lock in its run folder for as long as it lives; so a stale file
can never be taken for a running process. Each service leads its own process group, which dies with it.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocols.core.errors import Code, InputError, UnreachableError

GRACE_SECONDS = 15.0
READY_SECONDS = 180.0
_GROUP_GRACE_SECONDS = 3.0
_LOG_BYTES = 20 * 2**20


@dataclass(frozen=True)
class Service:
    """One process.

    Attributes:
        command: what to run.
        environment: what it adds to ours.
        ready: whether it serves.
        marker: a file that the process makes when it serves; removed before each start.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Callable[[], bool] = lambda: True
    marker: Path | None = None

    def serves(self) -> bool:
        """Whether it serves."""
        return (self.marker is None or self.marker.exists()) and self.ready()


def script(name: str) -> str:
    """The path of an installed command of this environment."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def environment(added: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with ours on top: safe imports, own commands first, loopback unproxied."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}
    }
    unproxied = ",".join(filter(None, [inherited.get("NO_PROXY"), "127.0.0.1,localhost"]))
    return {
        **inherited,
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), inherited.get("PATH", os.defpath)]),
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": unproxied,
        "no_proxy": unproxied,
        **added,
    }


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)
    restarts: int = 0
    is_ready: bool = False


class Supervisor:
    """Runs the services of one side until it is told to stop."""

    def __init__(self, run_folder: Path, services: Sequence[Service]) -> None:
        self._folder = run_folder
        self._services = services
        self._children: list[_Child] = []
        self._stopping = False

    def run(self) -> None:
        """Returns after SIGTERM or SIGINT, when all services have stopped.

        Raises:
            InputError: another supervisor runs in this folder.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        with _lock(self._folder):
            try:
                for service in self._services:
                    self._children.append(_Child(service, self._spawn(service)))
                self._report()
                while not self._stopping:
                    self._watch()
                    time.sleep(0.25)
            finally:
                self._end_all()
                (self._folder / "services.json").unlink(missing_ok=True)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _end_all(self) -> None:
        """Ends the first service last: it is the one that the others talk to."""
        first, others = self._children[:1], self._children[1:]
        for some in (others, first):
            for child in some:
                _signal_group(child.process, signal.SIGTERM)
            for child in some:
                _end(child.process)

    def _watch(self) -> None:
        for child in self._children:
            if child.process.poll() is not None:
                # The pause grows, so that a service that cannot start does not eat the machine.
                if time.monotonic() - child.started < min(60.0, 2.0**child.restarts):
                    continue
                _end(child.process)
                child.process = self._spawn(child.service)
                child.started, child.restarts, child.is_ready = time.monotonic(), child.restarts + 1, False
                self._report()
            elif not child.is_ready and child.service.serves():
                child.is_ready = True
                self._report()

    def _spawn(self, service: Service) -> subprocess.Popen[bytes]:
        if service.marker is not None:
            service.marker.unlink(missing_ok=True)
        with open_log(self._folder, service.name) as log:
            return subprocess.Popen(
                service.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(service.environment),
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    def _report(self) -> None:
        services = {
            child.service.name: {
                "pid": child.process.pid,
                "state": "ready"
                if child.is_ready
                else "starting"
                if child.process.poll() is None
                else "failed",
                "restarts": child.restarts,
            }
            for child in self._children
        }
        draft = self._folder / "services.json.new"
        draft.write_text(json.dumps({"expected": len(self._services), "services": services}))
        draft.replace(self._folder / "services.json")


_LAUNCHED: list[subprocess.Popen[bytes]] = []
"""Supervisors that this process has started; they outlive it, so nobody waits for them."""

_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    assert _LIBC is not None
    _LIBC.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: a killed supervisor leaves nothing behind


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and its group: SIGTERM, patience, SIGKILL."""
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    deadline = time.monotonic() + _GROUP_GRACE_SECONDS
    while _group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with open(folder / "supervisor.pid", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(Code.ALREADY_EXISTS, "it is running already") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


def open_log(folder: Path, name: str) -> Any:
    """The log file of a service, open for appending; a large one is put aside first."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{name}.log"
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return open(path, "ab")


def supervisor_pid(run_folder: Path) -> int | None:
    """The process id of the supervisor that runs in this folder, or None."""
    try:
        with open(run_folder / "supervisor.pid") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None


def services(run_folder: Path) -> dict[str, dict[str, Any]]:
    """The services of a running side by name, each with pid, state and restarts; empty where none runs."""
    return _read_state(run_folder).get("services", {}) if supervisor_pid(run_folder) else {}


def start(run_folder: Path, command: Sequence[str], added: Mapping[str, str] | None = None) -> None:
    """Starts a supervisor in the background and returns when all its services serve.

    Raises:
        InputError: it is running already.
        UnreachableError: a service did not come up; the text names it and its log.
    """
    if supervisor_pid(run_folder):
        raise InputError(Code.ALREADY_EXISTS, "it is running already")
    wait_until_ready(run_folder, launch(run_folder, command, added))


def launch(
    run_folder: Path, command: Sequence[str], added: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """The process of a supervisor that was started in the background, its services not yet ready."""
    with open_log(run_folder, "supervisor") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(added or {}),
            start_new_session=True,
        )
    _LAUNCHED.append(process)
    while process.poll() is None and supervisor_pid(run_folder) is None:
        time.sleep(0.02)  # from here on it can be stopped
    return process


def wait_until_ready(run_folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Returns when all services of a launched supervisor serve; otherwise ends it.

    Raises:
        UnreachableError: a service did not come up; the text names it and its log.
    """
    try:
        _wait_for_services(run_folder, process)
    except BaseException:
        # An impatient Ctrl-C must not leave a half-started side behind.
        process.terminate()
        process.wait(GRACE_SECONDS * 4)
        raise


def _wait_for_services(run_folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise UnreachableError(Code.SITE_FAILED, f"it ended at once; see {run_folder / 'supervisor.log'}")
        state = _read_state(run_folder)
        found = state.get("services", {})
        failed = [
            name for name, service in found.items() if service["restarts"] or service["state"] == "failed"
        ]
        if failed:
            raise UnreachableError(
                Code.SITE_FAILED, f"{failed[0]} does not start; see {run_folder / (failed[0] + '.log')}"
            )
        if len(found) == state.get("expected") and all(s["state"] == "ready" for s in found.values()):
            return
        time.sleep(0.1)
    raise UnreachableError(Code.DEADLINE, f"not ready in time; see the logs in {run_folder}")


def stop(run_folder: Path) -> bool:
    """True when a running supervisor and its services have ended, false where none ran."""
    pid = supervisor_pid(run_folder)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 90
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return True


def _lives(pid: int) -> bool:
    for process in _LAUNCHED:
        process.poll()  # reaps it, if it was ours
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _read_state(run_folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((run_folder / "services.json").read_text())
    except FileNotFoundError:
        return {}
    return found


def accepts(host: str, port: int) -> bool:
    """True where something listens at that address."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
