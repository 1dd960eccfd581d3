"""A link that signs in once, for whoever sits at the machine; it decides nothing by itself."""

import tempfile
from pathlib import Path

import httpx
import pytest

from protocols.core.errors import Code, InputError
from protocols.runtime.accounts import people, sessions, sign_in_links
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES, NotAllowedError, Role
from protocols.runtime.action_socket import ActionServer, serve
from server.demo.people import AT_CENTER, GUEST, guest
from server.desk.table import ACTIONS
from server.web.app import make_app
from tests.lib.people_with_accounts import Clock, person
from tests.lib.served import served


@pytest.fixture
def accounts(tmp_path: Path) -> AccountFile:
    return AccountFile(tmp_path, CENTER_ROLES, Clock())


def test_a_link_signs_its_owner_in_once_and_without_a_second_factor(accounts: AccountFile) -> None:
    person(accounts, "nora", Role.ANALYST)
    word = sign_in_links.sign_in_link(accounts, "nora")
    assert sign_in_links.owner(accounts, word) == sign_in_links.owner(accounts, word) == "nora"
    new = sign_in_links.enter(accounts, word, address="10.0.0.1")
    session = sessions.session_of(accounts, new.word)
    assert session is not None
    assert session.actor.name == "nora"
    with pytest.raises(NotAllowedError, match="fresh code"):
        sessions.need_fresh_proof(accounts, session)
    with pytest.raises(InputError) as raised:
        sign_in_links.enter(accounts, word, address="10.0.0.1")
    assert raised.value.code is Code.NOT_FOUND


def test_a_link_ends_after_an_hour_and_with_its_account(accounts: AccountFile) -> None:
    person(accounts, "nora", Role.ANALYST)
    old = sign_in_links.sign_in_link(accounts, "nora")
    accounts.now.on(3601)  # type: ignore[attr-defined]
    new = sign_in_links.sign_in_link(accounts, "nora")
    people.disable(accounts, "nora")
    for word in (old, new):
        with pytest.raises(InputError):
            sign_in_links.enter(accounts, word, address="10.0.0.1")
    with pytest.raises(InputError, match="open account"):
        sign_in_links.sign_in_link(accounts, "nora")


def test_the_guest_of_a_demo_enters_by_a_button_and_proves_by_a_code(tmp_path: Path) -> None:
    accounts = AccountFile(tmp_path, CENTER_ROLES)
    with tempfile.TemporaryDirectory() as short:
        socket = Path(short) / "actions.sock"
        server = ActionServer(socket, accounts, ACTIONS)
        thread = serve(server)
        with served(make_app(socket, ("127.0.0.1",), "Demo")) as port:
            address = f"http://127.0.0.1:{port}"
            one = guest(tmp_path, address, at_center=True)
            headers = {"Sec-Fetch-Site": "same-origin"}
            with httpx.Client(headers=headers, trust_env=False) as client:
                for _ in range(2):  # whoever only looks at a link does not use it up
                    assert f"Sign in as {GUEST}" in client.get(one.link).text
                entered = client.post(one.link, data={"once": "first"})
                assert entered.status_code == 303
                assert client.post(one.link, data={"once": "second"}).status_code == 404
                word = entered.headers["set-cookie"].partition(";")[0].partition("=")[2]
        server.shutdown()
        server.server_close()
        thread.join()
    session = sessions.session_of(accounts, word)
    assert session is not None
    assert set(AT_CENTER) <= session.actor.roles
    sessions.prove_again(accounts, session, one.codes[0])
