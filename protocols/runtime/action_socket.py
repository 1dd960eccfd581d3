"""Actions over a Unix socket: a page's process asks, the process that holds the keys decides and acts.

Whoever asks hands on what a person showed, the word of a session or of a token, and never who that is: this
side looks it up, checks role, scope and, where the action wants it, a fresh second factor. A process that
serves pages thus holds no path to a database and no right of its own.

A request and each reply is one frame: its length in four bytes, then JSON. A call has one reply; a stream has
one frame per event and a last one. An error has a code, a text and a way out, and never the text of another
exception: that has a number to quote, under which the log has its kind.

A request may bear a word of its own, `once`: the same request with the same word, as a double click sends it,
is done once and has one reply.
"""

import contextlib
import hashlib
import inspect
import json
import logging
import os
import secrets
import signal
import socket
import socketserver
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from protocols.core.errors import Code, InputError, ShadowgraphError, UnreachableError
from protocols.runtime.accounts import sessions, tokens
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import Actor, NotAllowedError, Role, Way
from protocols.runtime.output import plain

LARGEST_FRAME = 64 * 1024 * 1024
REMEMBERED = 512
NO_ANSWER = "the process behind these pages does not answer"
START_IT = "try again in a moment; if it stays so, an administrator starts it on its machine"
FILLED = frozenset({"home", "actor", "by", "accounts", "session"})
_LENGTH = struct.Struct(">I")

log = logging.getLogger("shadowgraph.actions")


@dataclass(frozen=True)
class Shown:
    """Who asks, by what was shown: nobody, a session's account, or a token's."""

    actor: Actor | None = None
    session: sessions.Session | None = None


@dataclass(frozen=True)
class Served:
    """An action as it is served.

    Attributes:
        function: the action. Of its arguments `home`, `actor`, `by` (the actor's name), `session` and
            `accounts` are filled in here, where it has them; the others come from the request, checked by
            their types.
        role: who may; None for what is done before signing in.
        scope: the scope that a token needs; "" where only a session will do.
        fresh: the second factor must have been given lately.
        stream: the action returns an iterator of events.
    """

    function: Callable[..., Any]
    role: Role | None
    scope: str = ""
    fresh: bool = False
    stream: bool = False

    @cached_property
    def arguments(self) -> TypeAdapter[Any]:
        """What a request may give, checked as pydantic does; nothing else is admitted."""
        given = {
            name: (one.annotation, ... if one.default is one.empty else one.default)
            for name, one in inspect.signature(self.function, eval_str=True).parameters.items()
            if name not in FILLED
        }
        model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **given)  # type: ignore[call-overload]
        return TypeAdapter(model)

    def call(self, accounts: AccountFile, who: Shown, arguments: Mapping[str, Any]) -> Any:
        """What the action returns.

        Raises:
            InputError: invalid-input; the arguments are not the action's.
        """
        try:
            checked = self.arguments.validate_python(arguments)
        except ValidationError as error:
            places = ", ".join(".".join(map(str, one["loc"])) or "arguments" for one in error.errors())
            raise InputError(Code.INVALID_INPUT, f"not what this action takes: {places}") from None
        filled: dict[str, Any] = {"home": accounts.home, "accounts": accounts, **vars(who)}
        filled["by"] = who.actor.name if who.actor else ""
        wanted = inspect.signature(self.function).parameters
        mine = {name: value for name, value in filled.items() if name in wanted}
        return self.function(**mine, **dict(checked))


class ActionServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves actions on a Unix socket that this user alone can open."""

    daemon_threads = True

    def __init__(self, path: Path, accounts: AccountFile, actions: Mapping[str, Served]) -> None:
        """Listens at `path`; `serve_forever` answers, `shutdown` ends it."""
        self.accounts, self.actions = accounts, actions
        self._replies: OrderedDict[str, Future[tuple[Mapping[str, Any], ...]]] = OrderedDict()
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.unlink(missing_ok=True)
        mask = os.umask(0o077)
        try:
            super().__init__(str(path), _Request)
        finally:
            os.umask(mask)

    def answer(self, request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The frames of one request; a request that was sent twice has the first one's."""
        if not request.get("once"):
            yield from self._answer(request)
            return
        key = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        with self._lock:
            is_first = key not in self._replies
            reply = self._replies.setdefault(key, Future())
            if len(self._replies) > REMEMBERED:
                self._replies.popitem(last=False)
        if is_first:
            frames = tuple(self._answer(request))
            if "error" in frames[-1]:  # the next request with this word tries again
                with self._lock:
                    self._replies.pop(key, None)
            reply.set_result(frames)
        yield from reply.result()

    def _answer(self, request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        try:
            served, who = self._admitted(request)
            result = served.call(self.accounts, who, request.get("arguments") or {})
            if not served.stream:
                yield {"value": plain(result)}
                return
            for event in result:
                yield {"event": plain(event)}
            yield {"end": True}
        except ShadowgraphError as error:
            yield {"error": {"code": error.code, "text": error.text, "fix": error.fix}}
        except Exception as error:
            number = secrets.token_hex(4)
            log.error("%s: an action ended with a %s", number, type(error).__name__)
            text = f"this did not work; the log has the reason under {number}"
            yield {"error": {"code": Code.SITE_FAILED, "text": text, "fix": ""}}

    def _admitted(self, request: Mapping[str, Any]) -> tuple[Served, Shown]:
        """The action, and who asks for it.

        Raises:
            NotAllowedError: not-signed-in, or not-allowed.
            InputError: not-found; there is no such action.
        """
        served = self.actions.get(str(request.get("action", "")))
        if served is not None and served.role is None:
            return served, Shown()
        who = self._shown(str(request.get("way", "")), str(request.get("word", "")))
        if who.actor is None:
            raise NotAllowedError(Code.NOT_SIGNED_IN, "nobody is signed in", "sign in")
        if served is None or served.role is None:
            raise InputError(Code.NOT_FOUND, "there is no such action")
        who.actor.need(served.role, served.scope)
        if served.fresh:
            if who.session is None:
                raise NotAllowedError(Code.NOT_ALLOWED, "this is done in a browser, with a fresh code")
            sessions.need_fresh_proof(self.accounts, who.session)
        return served, who

    def _shown(self, way: str, word: str) -> Shown:
        if way == Way.SESSION and (session := sessions.session_of(self.accounts, word)):
            return Shown(session.actor, session)
        return Shown(tokens.actor_of(self.accounts, word)) if way == Way.TOKEN else Shown()


class _Request(socketserver.BaseRequestHandler):
    """One connection: one request, its frames."""

    server: ActionServer

    def handle(self) -> None:
        """Answers until whoever asked hangs up."""
        with contextlib.suppress(OSError, ValueError):
            for frame in self.server.answer(_read(self.request)):
                _write(self.request, frame)


@dataclass(frozen=True)
class Actions:
    """The actions behind a socket, as a page's process sees them.

    Attributes:
        path: the socket.
        seconds: how long one frame may be awaited.
        once: a word under which each call is done once; "" where a call that is sent twice is done twice.
    """

    path: Path
    seconds: float = 120.0
    once: str = ""

    def call(self, way: Way, word: str, action: str, /, **arguments: Any) -> Any:
        """The action's value as JSON's own types.

        Raises:
            ShadowgraphError: as the action raised it, or not-signed-in, not-allowed.
            UnreachableError: nobody serves the socket.
        """
        (frame,) = self._frames(way, word, action, arguments)
        return frame["value"]

    def stream(self, way: Way, word: str, action: str, /, **arguments: Any) -> Iterator[Any]:
        """The action's events, each as JSON's own types.

        Raises:
            ShadowgraphError: as the action raised it. UnreachableError: nobody serves the socket.
        """
        for frame in self._frames(way, word, action, arguments):
            if "event" in frame:
                yield frame["event"]

    def _frames(
        self, way: Way, word: str, action: str, arguments: Mapping[str, Any]
    ) -> Iterable[Mapping[str, Any]]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(self.seconds)
            try:
                connection.connect(str(self.path))
                asked = {"way": way, "word": word, "action": action, "arguments": arguments}
                _write(connection, asked | ({"once": self.once} if self.once else {}))
                while True:
                    frame = _read(connection)
                    if "error" in frame:
                        raise _error(frame["error"])
                    yield frame
                    if "event" not in frame:
                        return
            except (OSError, ValueError) as error:
                log.error("nobody answers on the socket of actions: %s", type(error).__name__)
                raise UnreachableError(Code.CENTER_FAILED, NO_ANSWER, START_IT) from None


def serve(server: ActionServer) -> threading.Thread:
    """The thread in which a server answers, until its `shutdown`."""
    thread = threading.Thread(target=server.serve_forever, name="actions", daemon=True)
    thread.start()
    return thread


def serve_until_stopped(server: ActionServer) -> None:
    """Answers in this process until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    with server:
        server.serve_forever()


def _stop(*_: object) -> None:
    raise SystemExit(0)


def _error(said: Mapping[str, str]) -> ShadowgraphError:
    code = Code(said["code"])
    kinds = {
        Code.NOT_SIGNED_IN: NotAllowedError,
        Code.NOT_ALLOWED: NotAllowedError,
        Code.TOO_MANY_TRIES: NotAllowedError,
    }
    return kinds.get(code, InputError)(code, said["text"], said["fix"])


def _read(connection: socket.socket) -> dict[str, Any]:
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > LARGEST_FRAME:
        raise ValueError("a frame is too long")
    found = json.loads(_exactly(connection, length))
    if not isinstance(found, dict):
        raise ValueError("a frame is an object")
    return found


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 20))
        if not part:
            raise ValueError("hung up")
        parts += part
    return bytes(parts)


def _write(connection: socket.socket, frame: Mapping[str, Any]) -> None:
    body = json.dumps(frame).encode()
    connection.sendall(_LENGTH.pack(len(body)) + body)
