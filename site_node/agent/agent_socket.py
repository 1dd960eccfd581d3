"""The agent behind a Unix socket: `Answer(bytes) -> bytes` over gRPC, for the stock Flower runner.

The first byte of a request is the length of its kind, then the kind, then the sealed message. Whoever may
open the socket may ask; it lies in the site's run folder, which only its owner enters.
"""

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from protocols.core.errors import Code, InputError

Handle = Callable[[str, bytes], bytes]

_SERVICE, _METHOD = "shadowgraph.Agent", "Answer"
_OPTIONS = [("grpc.max_receive_message_length", 256 * 2**20), ("grpc.max_send_message_length", 256 * 2**20)]
_LONGEST_PATH = 100  # the kernel's limit is 108 bytes with the closing NUL

log = logging.getLogger("shadowgraph.executor")


def serve_socket(path: Path, handle: Handle, stop: threading.Event) -> None:
    """Answers on the socket until `stop`."""
    server = grpc.server(ThreadPoolExecutor(max_workers=1), options=_OPTIONS)

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            return handle(*_parted(request))
        except Exception as error:
            log.error("a message was not answered: %s", type(error).__name__)
            context.abort(grpc.StatusCode.INTERNAL, str(Code.SITE_FAILED))
            raise  # abort has raised already

    method = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: method}),))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    mask = os.umask(0o077)
    try:
        server.add_insecure_port(_target(path))
    finally:
        os.umask(mask)
    server.start()
    stop.wait()
    server.stop(grace=5).wait()
    path.unlink(missing_ok=True)


def ask_socket(path: Path, kind: str, sealed: bytes, timeout: float = 600.0) -> bytes:
    """The agent's answer to a sealed message."""
    with grpc.insecure_channel(_target(path), options=_OPTIONS) as channel:
        call = channel.unary_unary(f"/{_SERVICE}/{_METHOD}")
        name = kind.encode()
        answer: bytes = call(bytes([len(name)]) + name + sealed, timeout=timeout, wait_for_ready=True)
        return answer


def _parted(request: bytes) -> tuple[str, bytes]:
    length = request[0]
    return request[1 : 1 + length].decode(), request[1 + length :]


def _target(path: Path) -> str:
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise InputError(
            Code.INVALID_INPUT,
            f"the path of the agent's socket is longer than {_LONGEST_PATH} bytes",
            "move the site folder to a shorter path",
        )
    return f"unix:{path}"
