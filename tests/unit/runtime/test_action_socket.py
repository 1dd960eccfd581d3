"""A page's process hands on what a person showed; the other side decides who that is and what they may."""

import logging
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError, ShadowgraphError, UnreachableError
from protocols.runtime.accounts import sessions, tokens
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import (
    CENTER_ROLES,
    Actor,
    NotAllowedError,
    Role,
    Way,
    at_the_command_line,
)
from protocols.runtime.action_socket import Actions, ActionServer, Served, Shown, serve
from tests.lib.people_with_accounts import PASSWORD, Clock, Person, person

CANARY = "Solveig Hansen 4711"


@dataclass(frozen=True)
class Done:
    """What an action of this test returns."""

    home: str
    by: str
    days: int
    schema_version: int = 1


def approve(home: Path, study: str, *, days: int = 90, by: str = "") -> Done:
    """An action that decides."""
    if study == "none":
        raise InputError(Code.NOT_FOUND, "there is no such study", "look at the list")
    if study == "fails":
        raise ValueError(CANARY)
    return Done(home.name, by, days)


def events(home: Path, count: int) -> Iterator[Done]:
    """An action that tells as it goes."""
    yield from (Done(home.name, "", number) for number in range(count))


def whoami(actor: Actor) -> Done:
    """An action that needs to know who acts."""
    return Done("", actor.name, 0)


def sign_in(accounts: AccountFile, name: str, password: str, code: str) -> Done:
    """What is done before signing in."""
    return Done(sessions.sign_in(accounts, name, password, code, address="local").word, name, 0)


ACTIONS = {
    "approve": Served(approve, Role.COORDINATOR, "decide", fresh=True),
    "events": Served(events, Role.ANALYST, "read", stream=True),
    "whoami": Served(whoami, Role.ANALYST, "read"),
    "accounts": Served(whoami, Role.ADMIN),
    "sign_in": Served(sign_in, None),
}


@dataclass
class Side:
    """A served side with one person on it."""

    actions: Actions
    accounts: AccountFile
    clock: Clock
    nora: Person

    def signed_in(self) -> str:
        self.clock.on(30)
        shown = {"name": "nora", "password": PASSWORD, "code": self.nora.code()}
        word: str = self.actions.call(Way.SESSION, "", "sign_in", **shown)["home"]
        return word


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Side]:
    clock = Clock()
    accounts = AccountFile(tmp_path, CENTER_ROLES, clock)
    nora = person(accounts, "nora", Role.COORDINATOR)
    with tempfile.TemporaryDirectory() as short:  # a socket's path has 107 bytes at most
        path = Path(short) / "actions.sock"
        server = ActionServer(path, accounts, ACTIONS)
        thread = serve(server)
        yield Side(Actions(path, seconds=20), accounts, clock, nora)
        server.shutdown()
        server.server_close()
        thread.join()


def refused(code: Code, call: Callable[[], object]) -> ShadowgraphError:
    with pytest.raises(ShadowgraphError) as raised:
        call()
    assert raised.value.code == code
    return raised.value


def test_an_action_is_done_by_whoever_signed_in(side: Side) -> None:
    word = side.signed_in()
    done = side.actions.call(Way.SESSION, word, "approve", study="one", days=7)
    assert done == {"home": side.accounts.home.name, "by": "nora", "days": 7, "schema_version": 1}
    assert side.actions.call(Way.SESSION, word, "approve", study="one")["days"] == 90


def test_nobody_says_who_they_are(side: Side) -> None:
    word = side.signed_in()
    for forged in ({"by": "root"}, {"home": "/"}, {"actor": "root"}, {"schema_version": 2}):
        refused(
            Code.INVALID_INPUT,
            lambda more=forged: side.actions.call(Way.SESSION, word, "approve", study="one", **more),  # type: ignore[misc]
        )
    for way, shown in ((Way.SESSION, ""), (Way.SESSION, "guess"), (Way.TOKEN, word), (Way.UNIX, "root")):
        refused(Code.NOT_SIGNED_IN, lambda w=way, s=shown: side.actions.call(w, s, "whoami"))  # type: ignore[misc]


def test_a_role_that_is_missing_is_refused(side: Side) -> None:
    error = refused(Code.NOT_ALLOWED, lambda: side.actions.call(Way.SESSION, side.signed_in(), "accounts"))
    assert isinstance(error, NotAllowedError)


def test_a_token_reaches_its_scopes_and_nothing_that_needs_a_fresh_code(side: Side) -> None:
    nora = sessions.session_of(side.accounts, side.signed_in())
    assert nora is not None
    reads = tokens.new_token(side.accounts, nora.actor, "notebook", ["read"]).word
    decides = tokens.new_token(side.accounts, nora.actor, "robot", ["read", "decide"]).word
    assert side.actions.call(Way.TOKEN, reads, "whoami")["by"] == "nora"
    refused(Code.NOT_ALLOWED, lambda: side.actions.call(Way.TOKEN, reads, "approve", study="one"))
    refused(Code.NOT_ALLOWED, lambda: side.actions.call(Way.TOKEN, decides, "approve", study="one"))


def test_what_needs_a_fresh_code_asks_for_it(side: Side) -> None:
    word = side.signed_in()
    side.clock.on(sessions.PROOF_SECONDS + 1)
    refused(Code.NOT_SIGNED_IN, lambda: side.actions.call(Way.SESSION, word, "approve", study="one"))
    assert side.actions.call(Way.SESSION, word, "whoami")["by"] == "nora"


def test_a_stream_tells_its_events_one_by_one(side: Side) -> None:
    word = side.signed_in()
    assert [event["days"] for event in side.actions.stream(Way.SESSION, word, "events", count=3)] == [0, 1, 2]
    assert list(side.actions.stream(Way.SESSION, word, "events", count=0)) == []


def test_an_error_keeps_its_code_and_way_out_and_no_other_text_leaves(
    side: Side, caplog: pytest.LogCaptureFixture
) -> None:
    word = side.signed_in()
    error = refused(Code.NOT_FOUND, lambda: side.actions.call(Way.SESSION, word, "approve", study="none"))
    assert (error.text, error.fix) == ("there is no such study", "look at the list")
    with caplog.at_level(logging.ERROR):
        error = refused(
            Code.SITE_FAILED, lambda: side.actions.call(Way.SESSION, word, "approve", study="fails")
        )
    number = error.text.rpartition(" ")[2]
    assert number in caplog.text
    assert "ValueError" in caplog.text
    assert CANARY not in caplog.text + error.text


def test_what_is_no_action_or_no_frame_changes_nothing(side: Side) -> None:
    word = side.signed_in()
    refused(Code.NOT_FOUND, lambda: side.actions.call(Way.SESSION, word, "shutdown"))
    for bytes_ in (b"\xff\xff\xff\xff", b"\0\0\0\2[]", b"\0\0\0\4nope", b"\0"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(side.actions.path))
            connection.sendall(bytes_)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
    assert side.actions.call(Way.SESSION, word, "whoami")["by"] == "nora"


def test_the_socket_is_this_users_alone_and_its_absence_is_said(side: Side, tmp_path: Path) -> None:
    assert side.actions.path.stat().st_mode & 0o077 == 0
    with pytest.raises(UnreachableError):
        Actions(tmp_path / "none.sock").call(Way.SESSION, "", "whoami")


def test_the_unix_user_acts_without_a_socket(tmp_path: Path) -> None:
    actor = at_the_command_line(CENTER_ROLES)
    done = ACTIONS["whoami"].call(AccountFile(tmp_path, CENTER_ROLES), Shown(actor), {})
    assert done.by == actor.name
