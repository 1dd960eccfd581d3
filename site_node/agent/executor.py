"""The agent as the task runner of its SuperNode: pulls messages over loopback, answers with local code.

Stock Flower starts a process for each message and imports the app that the center shipped. This runner does
neither: it stays warm, and of the app it reads not one byte. It and
`supernode` are the files of a site that use private names of flwr (1.41);
tests/federation/test_flwr_contract.py holds them to what is expected here.

Run as `python -m site_node.agent.executor --home DIR --runtime HOST:PORT`, or with `--socket PATH` behind the
stock runner (site_node/agent/flower_app.py).
"""

import argparse
import fcntl
import logging
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import httpx
from flwr.common.constant import SubStatus
from flwr.proto.message_pb2 import PullObjectRequest, PullObjectResponse
from flwr.proto.runtime_pb2 import AcquireTaskRequest, SendTaskHeartbeatRequest
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.run import RunNotRunningException
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

from protocols.core.errors import Code, InputError
from protocols.runtime.logs import write_log
from protocols.runtime.long_polls import Naps
from site_node.administration.enrolment import AGENT_READY, RUNTIME_SECRET
from site_node.agent.agent import Agent
from site_node.agent.agent_socket import serve_socket
from site_node.agent.flower_app import Handle, reply_to

LOCK = "run/agent.lock"
LONGEST_NAP = 0.25
HEARTBEAT_SECONDS = 15.0
ARRIVAL_SECONDS = 20.0

_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
# What a loopback call can fail with while the SuperNode restarts, or when a run ended under a task.
_PASSING = (httpx.HTTPError, RunNotRunningException)

log = logging.getLogger("shadowgraph.executor")


class Stop(threading.Event):
    """Set by SIGTERM: ends the process between two tasks at once, and within one after its reply."""

    def __init__(self) -> None:
        super().__init__()
        self.at_work = threading.Lock()

    def asked(self, *_: object) -> None:
        """What a signal calls, in the main thread.

        Raises:
            SystemExit: no task is worked on; a poll that is held back would last on.
        """
        self.set()
        if not self.at_work.locked():
            raise SystemExit(0)


def serve_runtime(address: str, secret: bytes, handle: Handle, stop: Stop) -> None:
    """Answers the messages of the SuperNode at `address` until `stop`; survives its restarts."""
    acquire = _client(
        address, SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods=frozenset({_ACQUIRE}))
    )
    reachable, naps = False, Naps(LONGEST_NAP)
    while not stop.is_set():
        began = time.monotonic()
        try:
            task = acquire.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-clientapp"]))
            if not reachable:
                log.info("SuperNode reached")
            reachable = True
            if task.HasField("task") and task.token:
                with stop.at_work:
                    _run_task(_client(address, RuntimeTokenHttpInterceptor(task.token)), handle)
                continue
        except _PASSING as error:
            if reachable:
                log.warning("SuperNode lost: %s", type(error).__name__)
            reachable = False
        stop.wait(naps.after(time.monotonic() - began, found=False))
    acquire.close()


class _Client(RuntimeHttpClient):  # type: ignore[misc]
    """Flower's client, which waits for an object in its own way.

    A task may be handed out before its message has arrived at the SuperNode. Flower then sleeps for a second
    and more, and waits for two hours for what a stopped run will never send.
    """

    def PullObject(self, request: PullObjectRequest) -> PullObjectResponse:  # noqa: N802
        """The object, or that there is none."""
        give_up = time.monotonic() + ARRIVAL_SECONDS
        while True:
            response: PullObjectResponse = super().PullObject(request)
            if response.object_available or not response.object_found:
                return response
            if time.monotonic() > give_up:
                return PullObjectResponse(object_found=False)
            time.sleep(0.1)


def _client(address: str, authentication: object) -> RuntimeHttpClient:
    # Without Flower's retry invoker: it ends the process on a 401, which a restarted SuperNode gives.
    return _Client.from_server_address(
        server_address=address,
        insecure=True,  # loopback, inside the site
        root_certificates=None,
        interceptors=[RuntimeVersionHttpInterceptor(component_name="SuperExec"), authentication],
    )


def _run_task(client: RuntimeHttpClient, handle: Handle) -> None:
    done = threading.Event()
    beat = threading.Thread(target=_heartbeat, args=(client, done), daemon=True)
    beat.start()
    try:
        message, context, _run, _app = pull_task_input(client)
        push_message(client, reply_to(message, handle), context)
        push_task_output(client, context, SubStatus.COMPLETED, "")
    except (Exception, RunNotRunningException) as error:
        log.warning("a task was given up: %s", type(error).__name__)
        push_task_output(client, None, SubStatus.FAILED, str(Code.SITE_FAILED))
    finally:
        done.set()
        beat.join()
        client.close()


def _heartbeat(client: RuntimeHttpClient, done: threading.Event) -> None:
    """Tells the SuperNode that the task is still worked on."""
    while not done.wait(HEARTBEAT_SECONDS):
        try:
            client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
        except _PASSING:
            continue


def only_agent(home: Path) -> IO[bytes]:
    """The lock of the home's agent, held while it stays open: two agents would answer past one ledger.

    Raises:
        InputError: already-exists; another agent works on this home.
    """
    (home / LOCK).parent.mkdir(exist_ok=True, mode=0o700)
    lock = (home / LOCK).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise InputError(
            Code.ALREADY_EXISTS, "another agent works on this site's folder", "shadowgraph site stop"
        ) from None
    return lock


def run(agent_of: Callable[[Path], Handle]) -> None:
    """Serves the agent of the site that the command line names, until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m site_node.agent.executor")
    parser.add_argument("--home", type=Path, required=True, help="the site's folder")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--runtime", help="HOST:PORT of the SuperNode's runtime API")
    way.add_argument("--socket", type=Path, help="Unix socket to serve behind the stock ClientApp")
    arguments = parser.parse_args()
    write_log()
    # httpx logs the address of every poll.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.asked)
    home = arguments.home.resolve()
    lock = only_agent(home)
    handle = agent_of(home)
    log.info("agent ready")
    (home / AGENT_READY).touch()
    if arguments.socket is not None:
        with stop.at_work:
            serve_socket(arguments.socket, handle, stop)
    else:
        serve_runtime(arguments.runtime, (home / RUNTIME_SECRET).read_bytes(), handle, stop)
    lock.close()


if __name__ == "__main__":
    run(lambda home: Agent(home).handle)
