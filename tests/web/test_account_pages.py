"""Signing in, invitations, profile and accounts in a browser, on the pages that both sides share."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from protocols.runtime.accounts import people
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES, Role
from protocols.runtime.action_socket import ActionServer, serve
from server.desk.table import ACTIONS
from server.web.app import make_app
from tests.lib.browser import Browser, chromium, opened
from tests.lib.oidc_provider import CLIENT, SECRET, oidc_provider
from tests.lib.people_with_accounts import PASSWORD, Clock, Person, code_of, person
from tests.lib.served import served


@dataclass
class Side:
    """A center's pages with an admin and an analyst."""

    address: str
    accounts: AccountFile
    clock: Clock
    ada: Person
    nora: Person


@pytest.fixture(scope="module")
def side(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Side]:
    clock = Clock(time.time())
    accounts = AccountFile(tmp_path_factory.mktemp("center"), CENTER_ROLES, clock)
    with tempfile.TemporaryDirectory() as short:
        socket = Path(short) / "actions.sock"
        server = ActionServer(socket, accounts, ACTIONS)
        thread = serve(server)
        ada, nora = person(accounts, "ada", Role.ADMIN), person(accounts, "nora", Role.ANALYST)
        with served(make_app(socket, ("127.0.0.1",), "Nordic glioma")) as port:
            yield Side(f"http://127.0.0.1:{port}", accounts, clock, ada, nora)
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def sign_in(one: Browser, side: Side, who: Person) -> None:
    side.clock.on(30)
    one.open("/sign-in?to=/profile")
    one.fill(name=who.name, password=PASSWORD, code=who.code())
    one.press("Sign in")


@pytest.mark.slow
def test_a_person_opens_an_account_and_signs_in(side: Side, browser: Any) -> None:
    word = people.invite(side.accounts, "tove", [Role.ANALYST], by="ada").word
    with opened(browser, side.address) as one:
        one.open(f"/invitation/{word}")
        assert one.page.locator(".qr svg").count() == 1
        secret = one.page.inner_text(".secret")
        one.fill(password=PASSWORD, again=PASSWORD + "x", code="1")
        one.press("Open the account")
        assert "the two passwords differ" in one.text()
        one.fill(password=PASSWORD, again=PASSWORD, code=code_of(secret, side.clock()))
        one.press("Open the account")
        assert one.page.locator(".codes li").count() == 10
        tove = Person("tove", secret, (), side.clock)
        sign_in(one, side, tove)
        assert one.heading() == "Profile"
        assert one.faults_of_access() == []
        assert one.wrongs == []
        one.press("Sign out")
        one.open("/profile")
        assert one.heading() == "Sign in"
        assert one.faults_of_access() == []


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False])
def test_a_person_signs_in_at_the_hospitals_provider(
    side: Side, browser: Any, scripts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # the provider is on loopback
    back = f"{side.address}/oidc/return"
    settings = side.accounts.home / "oidc.toml"
    with oidc_provider(back) as provider, opened(browser, side.address, scripts=scripts) as one:
        settings.write_text(
            f'issuer = "{provider.address}"\nclient_id = "{CLIENT}"\nclient_secret_file = "oidc.secret"\n'
            f'return_address = "{back}"\nlabel = "Sign in with the account of Oslo University Hospital"\n'
        )
        (side.accounts.home / "oidc.secret").write_text(SECRET)
        name = f"liv{scripts}@example.org"
        provider.person = {"sub": name, "email": name, "email_verified": True}
        one.open("/sign-in")
        assert one.faults_of_access() == [] if scripts else True
        one.page.get_by_role("link", name="Sign in with the account of Oslo University Hospital").click()
        assert "nobody has invited this account here" in one.text()
        people.invite(side.accounts, name, [Role.ANALYST], by="ada")
        one.page.get_by_role("link", name="Sign in with the account of Oslo University Hospital").click()
        one.page.wait_for_url(f"{side.address}/")
        one.open("/profile")
        assert one.heading() == "Profile"
        assert name in one.text()
        assert one.wrongs == []
    settings.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False])
def test_tokens_and_sessions_are_made_and_ended_in_the_profile(
    side: Side, browser: Any, scripts: bool
) -> None:
    with opened(browser, side.address, scripts=scripts) as one:
        sign_in(one, side, side.nora)
        one.fill(title="notebook <b>")
        one.press("Make the token")
        assert one.page.inner_text(".secret").startswith("sg_")
        one.open("/profile")
        assert "notebook <b>" in one.text()
        one.page.locator("tr", has_text="notebook").get_by_role("button").first.click()
        assert "The token was revoked." in one.text()
        one.open("/profile")
        assert "The token was revoked." not in one.text()


@pytest.mark.slow
def test_an_admin_invites_and_disables_with_a_fresh_code(side: Side, browser: Any) -> None:
    with opened(browser, side.address) as one:
        sign_in(one, side, side.ada)
        one.open("/accounts")
        one.fill(name="eva@example.org")
        one.page.locator(".panel [value=auditor]").check()
        one.press("Invite")
        assert "/invitation/" in one.page.inner_text(".secret")
        side.clock.on(400)
        one.open("/accounts")
        assert one.faults_of_access() == []
        one.page.get_by_text("Change eva@example.org").click()
        one.press("Disable")
        assert "this needs a fresh code of your authenticator" in one.text()
        assert one.wrongs == []


@pytest.mark.slow
def test_pages_speak_german(side: Side, browser: Any) -> None:
    with opened(browser, side.address, language="de-DE") as one:
        one.open("/sign-in")
        assert (one.heading(), one.page.get_attribute("html", "lang")) == ("Anmelden", "de")
        one.press("English")
        assert one.heading() == "Sign in"


def test_what_is_wrong_at_signing_in_is_not_told(side: Side) -> None:
    with httpx.Client(base_url=side.address, headers={"Sec-Fetch-Site": "same-origin"}) as client:
        told = []
        for name, password in [("nora", "x" * 12), ("nobody", PASSWORD)]:
            reply = client.post("/sign-in", data={"name": name, "password": password, "code": "000000"})
            assert reply.status_code == 401
            told.append(reply.text.replace(name, ""))
        assert told[0] == told[1]
        assert "set-cookie" not in reply.headers


def test_a_session_that_somebody_set_before_is_not_taken_up(side: Side) -> None:
    """A cookie that was planted stays nobody's: whoever signs in gets a new word."""
    side.clock.on(30)
    cookie = "__Host-shadowgraph"
    shown = {"name": "nora", "password": PASSWORD, "code": side.nora.code()}
    with httpx.Client(base_url=side.address, headers={"Sec-Fetch-Site": "same-origin"}) as client:
        reply = client.post("/sign-in", data=shown, headers={"Cookie": f"{cookie}=planted"})
        assert reply.status_code == 303
        told = reply.headers["set-cookie"]
        assert f"{cookie}=planted" not in told
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=strict"} <= set(told.split("; "))
        planted = client.get("/profile", headers={"Cookie": f"{cookie}=planted"})
        assert planted.headers["location"] == "/sign-in?to=/profile"


@pytest.mark.slow
def test_who_fails_too_often_waits_and_nobody_else(side: Side) -> None:
    side.clock.on(1000)  # what other tests failed is forgotten
    right = {"name": "nora", "password": PASSWORD, "code": side.nora.code()}
    away = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-For": "10.9.9.9"}
    with httpx.Client(base_url=side.address, headers=away) as client:
        told = [client.post("/sign-in", data=right | {"password": "x" * 12}).status_code for _ in range(6)]
        assert told == [401] * 5 + [429]
        assert client.post("/sign-in", data=right).status_code == 429
        side.clock.on(30)
        other = {"name": "ada", "password": PASSWORD, "code": side.ada.code()}
        elsewhere = {"X-Forwarded-For": "10.9.9.10"}
        assert client.post("/sign-in", data=other, headers=elsewhere).status_code == 303
    side.clock.on(1000)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_form_from_elsewhere_is_refused(side: Side, site: str) -> None:
    reply = httpx.post(f"{side.address}/sign-in", data={"name": "nora"}, headers={"Sec-Fetch-Site": site})
    assert reply.status_code == 403
    other = httpx.post(
        f"{side.address}/sign-in", data={"name": "n"}, headers={"Origin": "https://evil.example"}
    )
    assert other.status_code == 403


def test_a_request_for_another_host_or_with_too_much_is_refused(side: Side) -> None:
    assert httpx.get(side.address + "/sign-in", headers={"Host": "evil.example"}).status_code == 400
    headers = {"Sec-Fetch-Site": "same-origin"}
    large = httpx.post(side.address + "/sign-in", content=b"name=" + b"x" * 1_000_001, headers=headers)
    assert large.status_code in (413, 422)
    many = "&".join(f"a{i}=1" for i in range(2000))
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert httpx.post(side.address + "/sign-in", content=many, headers=headers | kind).status_code == 422


def test_a_form_without_the_secret_of_the_session_or_with_one_field_more_does_nothing(side: Side) -> None:
    side.clock.on(30)
    session = side.ada.signs_in(side.accounts)
    headers = {"Sec-Fetch-Site": "same-origin", "Cookie": f"__Host-shadowgraph={session.word}"}
    with httpx.Client(base_url=side.address, headers=headers) as client:
        page = client.get("/accounts").text
        secret = page.partition('name="form_secret" value="')[2].partition('"')[0]
        form = {"name": "mallory", "roles": "admin"}
        assert client.post("/accounts/invite", data=form).status_code == 403
        assert client.post("/accounts/invite", data={**form, "form_secret": "x"}).status_code == 403
        more = {**form, "form_secret": secret, "password": "chosen by the form"}
        assert client.post("/accounts/invite", data=more).status_code == 422
        assert "mallory" not in client.get("/accounts").text


def test_an_account_page_that_is_not_there_is_said_in_a_page(side: Side) -> None:
    reply = httpx.get(side.address + "/nowhere")
    assert reply.status_code == 404
    assert "there is no such page" in reply.text
    assert httpx.get(side.address + "/invitation/unknown").status_code == 404
