"""The center's task runner: whatever run somebody submits, it starts the installed coordinator alone.

Flower's own imports the app that came with a run, and shows the task's token to every user of the machine in
its command line. This one does not read the app, and starts no second coordinator while one leads. Private
names of flwr (1.41) are met here, in `flower_app`,
`server.administration.superlink` and `server.administration.flower_commands` alone
(tests/federation/test_flwr_contract.py).

Run as `python -m server.coordination.task_runner --home DIR`; with `--task` it becomes one coordinator, whose
task's token it reads from its standard input, where no other user sees it.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
from flwr.common.constant import SubStatus
from flwr.common.serde import run_from_proto
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullTaskInputRequest,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.run import RunNotRunningException
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid import HttpGrid

from protocols.runtime.logs import write_log
from protocols.runtime.long_polls import Naps
from server.administration.processes import coordinates
from server.coordination.flower_app import coordinate
from server.home.config import HubConfig, load
from server.home.identity import KEYS

ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
LONGEST_NAP = 0.5
HEARTBEAT_SECONDS = 15.0
_PASSING = (httpx.HTTPError, RunNotRunningException)

log = logging.getLogger("shadowgraph.runner")


def serve(settings: HubConfig, stop: threading.Event) -> None:
    """Starts a coordinator for each run that is handed out, until `stop`; survives a SuperLink's restart."""
    client = _client(settings)
    naps = Naps(LONGEST_NAP)
    while not stop.is_set():
        began, found = time.monotonic(), False
        try:
            task = client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))
            found = task.HasField("task") and bool(task.token)
            if found:
                start(settings, task.token)
        except _PASSING as error:
            log.warning("SuperLink not reached: %s", type(error).__name__)
        stop.wait(naps.after(time.monotonic() - began, found=found))


def start(settings: HubConfig, token: str) -> subprocess.Popen[bytes]:
    """The process of a new coordinator; it ends with this one, which holds the other end of its input."""
    command = (
        sys.executable,
        "-m",
        "server.coordination.task_runner",
        "--home",
        str(settings.home),
        "--task",
    )
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(token.encode() + b"\n")
    process.stdin.flush()
    threading.Thread(target=process.wait, daemon=True).start()  # so that none is left as a zombie
    return process


def run_task(settings: HubConfig, token: str) -> None:
    """Coordinates until the run has to be renewed; a run that somebody starts beside it fails at once."""
    grid = HttpGrid(_address(settings), False, _root(settings), token=token)
    client: RuntimeHttpClient = grid._runtime_client
    given = client.PullTaskInput(PullTaskInputRequest())  # of `given.fab`, the app, not a byte is read
    TaskIdentity.task_id = given.task_id
    TaskIdentity.run_id = given.run.run_id
    TaskIdentity.node_id = given.context.node_id
    grid.set_run(run_from_proto(given.run))
    ended = SubStatus.FAILED
    if coordinates(settings):
        log.warning("a run that was started beside the coordinator's is refused")
    else:
        threading.Thread(target=_heartbeat, args=(client,), daemon=True).start()
        coordinate(grid, settings.home, str(given.run.run_id))
        ended = SubStatus.COMPLETED
    client.PushTaskOutput(PushTaskOutputRequest(context=given.context, sub_status=ended, details=""))
    grid.close()


def _client(settings: HubConfig) -> RuntimeHttpClient:
    secret = (settings.home / KEYS / "runtime.secret").read_bytes()
    return RuntimeHttpClient.from_server_address(
        server_address=_address(settings),
        insecure=False,
        root_certificates=_root(settings),
        interceptors=[
            RuntimeVersionHttpInterceptor(component_name="SuperExec"),
            SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=frozenset({ACQUIRE})),
        ],
    )


def _address(settings: HubConfig) -> str:
    return f"127.0.0.1:{settings.port}"


def _root(settings: HubConfig) -> bytes:
    return (settings.home / KEYS / "ca.pem").read_bytes()


def _heartbeat(client: RuntimeHttpClient) -> None:
    """Tells the SuperLink that the run is still worked on."""
    while True:
        time.sleep(HEARTBEAT_SECONDS)
        try:
            client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
        except _PASSING:
            continue


def _end_with_the_runner() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Becomes the runner, or one coordinator."""
    parser = argparse.ArgumentParser(prog="python -m server.coordination.task_runner")
    parser.add_argument("--home", type=Path, required=True, help="the center's folder")
    parser.add_argument("--task", action="store_true", help="one coordinator; its token is read from stdin")
    arguments = parser.parse_args()
    write_log()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = load(arguments.home)
    if arguments.task:
        token = sys.stdin.readline().strip()
        threading.Thread(target=_end_with_the_runner, daemon=True).start()
        run_task(settings, token)
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    serve(settings, stop)


if __name__ == "__main__":
    main()
