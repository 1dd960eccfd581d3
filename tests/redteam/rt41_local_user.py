"""RT41: another user of the center's machine, without any right, submits an app of his own over loopback."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from protocols.runtime.daemons import environment, script
from server.administration.enrolment import make_center
from server.administration.processes import answers, services
from server.home.config import HubConfig
from server.home.store import Store
from tests.redteam.attack import Figure, attack

APP = """
[project]
name = "theirs"
version = "1.0.0"
license = "Apache-2.0"
dependencies = ["flwr>=1.41"]
[tool.flwr.app]
publisher = "somebody"
[tool.flwr.app.components]
serverapp = "theirs.server:app"
clientapp = "theirs.server:app"
"""
CODE = """
from pathlib import Path
from flwr.serverapp import ServerApp
Path({mark!r}).write_text("ran")
app = ServerApp()
"""
AS_OPERATOR = """
import sys
from pathlib import Path
from server.administration.flower_commands import FlowerCommands
from server.home.config import load
FlowerCommands(load(Path(sys.argv[1])))("run", sys.argv[2], "hub")
"""
AS_STRANGER = f"""
import contextlib
from server.administration import flower_commands
flower_commands._as_operator = lambda _: contextlib.nullcontext()
{AS_OPERATOR}
"""
PATIENCE_SECONDS = 120.0


@attack("RT41", "a local user submits an app, whose code runs as the center's user", works_from=1, slow=True)
def code_at_the_center(folder: Path, weakened: bool) -> Figure:
    settings = make_center(folder / "center", "Glioma", port=0)
    with _running(settings, stock=weakened):
        return Figure(int(_runs(settings, folder)), "of 1 app of a stranger run")


@attack("RT41", "the same past a closed path of operators", works_from=1, slow=True)
def code_past_the_path_of_operators(folder: Path, weakened: bool) -> Figure:
    """The run is submitted with the center's own secret: the task runner alone has to refuse its code."""
    settings = make_center(folder / "center", "Glioma", port=0)
    with _running(settings, stock=weakened):
        return Figure(int(_runs(settings, folder, as_stranger=False)), "of 1 app of a stranger run")


def _runs(settings: HubConfig, folder: Path, *, as_stranger: bool = True) -> bool:
    """Whether code of an app that somebody submits is run."""
    app, mark = folder / "app", folder / "mark"
    (app / "theirs").mkdir(parents=True)
    (app / "pyproject.toml").write_text(APP)
    (app / "theirs" / "__init__.py").write_text("")
    (app / "theirs" / "server.py").write_text(CODE.format(mark=str(mark)))
    # In a process of its own: Flower's commands keep the configuration that they first read.
    command = (sys.executable, "-W", "ignore", "-c", AS_STRANGER if as_stranger else AS_OPERATOR)
    submitted = subprocess.run(
        (*command, str(settings.home), str(app)), check=False, capture_output=True, timeout=PATIENCE_SECONDS
    )
    if submitted.returncode:
        return False
    _soon(lambda: mark.exists() or Store(settings.home).leader() is not None)  # what the run has become
    return mark.exists()


@contextlib.contextmanager
def _running(settings: HubConfig, *, stock: bool) -> Iterator[None]:
    """SuperLink and task runner of a center, ours or Flower's own."""
    ours = [one for one in services(settings.home) if one.name in ("superlink", "superexec")]
    commands = [tuple(one.command) for one in ours]
    if stock:
        superlink = (script("flower-superlink"), *commands[0][3:])
        keys = settings.home / "keys"
        superexec = (
            *(script("flower-superexec"), "--runtime-api-address", f"127.0.0.1:{settings.port}"),
            *("--root-certificates", str(keys / "ca.pem")),
            *("--superexec-auth-secret-file", str(keys / "runtime.secret")),
        )
        commands = [superlink, superexec]
    processes = []
    try:
        for one, command in zip(ours, commands, strict=True):
            path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            processes.append(
                subprocess.Popen(
                    command,
                    env=environment(one.environment) | path,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
            assert _soon(lambda: answers(settings))
        yield
    finally:
        for process in reversed(processes):
            os.killpg(process.pid, signal.SIGKILL)  # what Flower's runner started outlives it otherwise
            process.wait(30)


def _soon(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.1)  # another process is awaited
    return holds()
