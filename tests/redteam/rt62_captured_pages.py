"""RT62: whoever has captured the process that serves pages, and all words of sessions and tokens in it."""

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from protocols.core.errors import Code, InputError, ShadowgraphError
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES, SITE_ROLES, Actor, Role, Way
from protocols.runtime.action_socket import Actions, ActionServer, Served, Shown, serve
from server.administration.enrolment import make_center
from server.desk.table import ACTIONS, READ
from site_node.administration.setup import make_site
from site_node.desk.table import ACTIONS as AT_A_SITE
from tests.lib.lying_coordinator import weaken
from tests.lib.people_with_accounts import Clock, person
from tests.redteam.attack import Figure, attack

REFUSED = frozenset({Code.NOT_SIGNED_IN, Code.NOT_ALLOWED})
FORGED = ({"by": "root"}, {"home": "/"}, {"actor": "root"}, {"session": "root"}, {"accounts": "root"})


def _whatever_is_asked(self: ActionServer, request: Mapping[str, Any]) -> tuple[Served, Shown]:
    """What a socket would let through that believes the pages' process who is signed in."""
    everything = Actor("root", frozenset(CENTER_ROLES), None)
    return self.actions[str(request["action"])], Shown(everything)


@attack(
    "RT62",
    "a captured web process asks for every action with an auditor's token, an auditor's session, and nothing",
    works_from=20,
)
def beyond_what_was_shown(folder: Path, weakened: bool) -> Figure:
    make_center(folder / "center", "Test", port=0)
    clock = Clock()
    accounts = AccountFile(folder / "center", CENTER_ROLES, clock)
    return _beyond(accounts, clock, ACTIONS, (Role.AUDITOR, Role.MEMBER), weakened)


@attack(
    "RT62",
    "a site's captured web process: approves, changes rules, lets held answers go, reads, as a mere reader",
    works_from=20,
)
def site_pages(folder: Path, weakened: bool) -> Figure:
    make_site(folder / "site", "a", runtime_port=0)
    clock = Clock()
    accounts = AccountFile(folder / "site", SITE_ROLES, clock)
    return _beyond(accounts, clock, AT_A_SITE, (Role.READER, Role.MEMBER), weakened)


def _beyond(
    accounts: AccountFile, clock: Clock, table: Mapping[str, Served], roles: tuple[Role, ...], weakened: bool
) -> Figure:
    """An action is got through to where it is not refused for who asks, whatever comes of it then."""
    arne = person(accounts, "arne", roles[0])
    token, session = arne.token(accounts, READ), arne.signs_in(accounts).word
    clock.on(3600)  # the second factor was given an hour ago
    shown = ((Way.SESSION, "", frozenset()), (Way.TOKEN, token, {READ}), (Way.SESSION, session, None))
    tries = got = 0
    with tempfile.TemporaryDirectory() as short:  # a socket's path has 107 bytes at most
        server = ActionServer(Path(short) / "s", accounts, table)
        serve(server)
        actions = Actions(Path(short) / "s", seconds=20)
        with weaken(ActionServer, "_admitted", _whatever_is_asked, weakened):
            for name, served in table.items():
                for way, word, scopes in shown:
                    if not _is_beyond(served, roles, scopes, is_nobody=not word):
                        continue
                    tries += 1
                    got += _gets_through(actions, way, word, name)
        server.shutdown()
        server.server_close()
    return Figure(got, f"of {tries} actions that nobody who was shown may ask for")


def _is_beyond(
    served: Served, roles: tuple[Role, ...], scopes: frozenset[str] | set[str] | None, *, is_nobody: bool
) -> bool:
    """Whether somebody of these roles and scopes, all in a session, or nobody, may not do this."""
    if served.role is None:
        return False
    if is_nobody or served.fresh:
        return True
    return served.role not in roles or (scopes is not None and served.scope not in scopes)


def _gets_through(actions: Actions, way: Way, word: str, name: str) -> bool:
    try:
        list(actions.stream(way, word, name, nothing="this action takes"))
    except ShadowgraphError as error:
        return error.code not in REFUSED
    return True


@attack(
    "RT62",
    "a captured web process says itself who acts, and in which folder",
    works_from=5,
)
def forged_arguments(folder: Path, weakened: bool) -> Figure:
    make_center(folder / "center", "Test", port=0)
    accounts = AccountFile(folder / "center", CENTER_ROLES, Clock())
    nora = person(accounts, "nora", Role.ANALYST)
    word, got = nora.signs_in(accounts).word, 0
    with tempfile.TemporaryDirectory() as short:
        server = ActionServer(Path(short) / "s", accounts, {"who": Served(_who, Role.MEMBER, READ)})
        serve(server)
        with weaken(Served, "call", _believing, weakened):
            for forged in FORGED:
                with suppress(InputError):
                    Actions(Path(short) / "s", seconds=20).call(Way.SESSION, word, "who", **forged)
                    got += 1
        server.shutdown()
        server.server_close()
    return Figure(got, f"of {len(FORGED)} things said that only the other side knows")


def _who(by: str) -> str:
    return by


def _believing(self: Served, accounts: AccountFile, who: Shown, arguments: Mapping[str, Any]) -> Any:
    """What a socket would do that takes its arguments as they come."""
    return str(next(iter(arguments.values())))
