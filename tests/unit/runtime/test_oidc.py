"""Signing in at a hospital's provider, over HTTP with Authlib's server: what is taken and what is refused."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from protocols.core.errors import Code, InputError
from protocols.runtime import audit_chain
from protocols.runtime.accounts import oidc, people, sessions
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.provider import provider_config
from protocols.runtime.accounts.roles import CENTER_ROLES, NotAllowedError, Role
from tests.lib.oidc_provider import CLIENT, SECRET, Provider, oidc_provider

RETURN = "https://hub.example.org/oidc/return"
NORA = {"sub": "4711", "email": "nora@example.org", "email_verified": True}


@pytest.fixture(scope="module")
def serving() -> Iterator[Provider]:
    before = os.environ.pop("AUTHLIB_INSECURE_TRANSPORT", None)
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # on loopback
    with oidc_provider(RETURN) as found:
        yield found
    os.environ.pop("AUTHLIB_INSECURE_TRANSPORT")
    if before is not None:
        os.environ["AUTHLIB_INSECURE_TRANSPORT"] = before


@pytest.fixture
def provider(serving: Provider) -> Provider:
    serving.person, serving.wrongs, serving.asked = dict(NORA), {}, []
    return serving


@pytest.fixture
def file(tmp_path: Path, provider: Provider) -> AccountFile:
    lines = [
        f'issuer = "{provider.address}"',
        f'client_id = "{CLIENT}"',
        'client_secret_file = "oidc.secret"',
        f'return_address = "{RETURN}"',
        'second_factor = ["mfa"]',
    ]
    (tmp_path / "oidc.toml").write_text("\n".join(lines))
    (tmp_path / "oidc.secret").write_text(f"{SECRET}\n")
    return AccountFile(tmp_path, CENTER_ROLES)


def gone(file: AccountFile, **how: Any) -> tuple[str, dict[str, str]]:
    """The browser's word, and what it brings back from the provider."""
    begun = oidc.begin(file, **how)
    reply = httpx.get(begun.address, trust_env=False)
    assert reply.status_code == 302, reply.text
    return begun.browser, dict(httpx.URL(reply.headers["location"]).params)


def signed_in(file: AccountFile, **how: Any) -> sessions.NewSession:
    """A whole sign-in."""
    browser, brought = gone(file, **how)
    return oidc.finish(
        file, state=brought["state"], code=brought["code"], browser=browser, address="10.0.0.1"
    )


def refused(file: AccountFile) -> str:
    """The words with which a whole sign-in is refused."""
    with pytest.raises(NotAllowedError) as raised:
        signed_in(file)
    assert raised.value.code == Code.NOT_SIGNED_IN
    return raised.value.text


def test_an_invited_person_signs_in_and_is_known_by_number_afterwards(
    file: AccountFile, provider: Provider
) -> None:
    people.invite(file, "nora@example.org", [Role.ANALYST], by="root")
    first = signed_in(file)
    assert first.actor.may(Role.ANALYST)
    (account,) = people.accounts(file)
    assert account.is_open
    provider.person["email"] = "nora.dahl@example.org"  # another name at the provider, the same person
    assert signed_in(file).actor.name == "nora@example.org"


def test_the_challenge_is_of_this_sign_in_alone(file: AccountFile, provider: Provider) -> None:
    people.invite(file, "nora@example.org", [Role.ANALYST], by="root")
    signed_in(file)
    signed_in(file)
    first, second = provider.asked
    assert first["code_challenge_method"] == "S256"
    for name in ("code_challenge", "state", "nonce"):
        assert len(first[name]) >= 43
        assert first[name] != second[name]


def test_nobody_is_let_in_without_an_invitation_and_an_open_account_is_nobodys_else(
    file: AccountFile, provider: Provider
) -> None:
    assert "invited" in refused(file)
    people.invite(file, "nora@example.org", [Role.ANALYST], by="root")
    signed_in(file)
    provider.person["sub"] = "another person who now has the address"
    assert "invited" in refused(file)


def test_a_disabled_account_signs_nobody_in(file: AccountFile) -> None:
    people.invite(file, "nora@example.org", [Role.ANALYST], by="root")
    signed_in(file)
    people.disable(file, "nora@example.org")
    assert "invited" in refused(file)


@pytest.mark.parametrize(
    ("wrongs", "words"),
    [
        ({"nonce": "of another sign-in"}, "not one for this sign-in"),
        ({"iss": "https://elsewhere.example"}, "not one for this sign-in"),
        ({"aud": ["somebody-else"]}, "not one for this sign-in"),
        ({"aud": [CLIENT, "somebody-else"]}, "for somebody else"),
        ({"exp": -600}, "not one for this sign-in"),
        ({"key": True}, "not one for this sign-in"),
        ({"described": {"issuer": "https://elsewhere.example"}}, "calls itself otherwise"),
        ({"described": {"token_endpoint": "https://elsewhere.example/token"}}, "not at its own address"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    file: AccountFile, provider: Provider, wrongs: dict[str, Any], words: str
) -> None:
    people.invite(file, "nora@example.org", [Role.ANALYST], by="root")
    provider.wrongs = wrongs
    assert words in refused(file)
    provider.wrongs = {}
    assert signed_in(file).actor.name == "nora@example.org"  # the invitation was not used up


def test_an_address_that_the_provider_did_not_verify_names_nobody(
    file: AccountFile, provider: Provider
) -> None:
    people.invite(file, "nora@example.org", [Role.ANALYST], by="root")
    provider.person["email_verified"] = False
    assert "not verified" in refused(file)


def test_a_code_is_taken_once_and_from_the_browser_that_went(file: AccountFile) -> None:
    people.invite(file, "nora@example.org", [Role.ANALYST], by="root")
    browser, brought = gone(file)
    others, _ = gone(file)
    given = {"state": brought["state"], "code": brought["code"], "address": "10.0.0.1"}
    with pytest.raises(NotAllowedError, match="begun elsewhere"):
        oidc.finish(file, browser=others, **given)
    oidc.finish(file, browser=browser, **given)
    with pytest.raises(NotAllowedError, match="begun elsewhere"):
        oidc.finish(file, browser=browser, **given)


ROLES = '[roles]\n"glioma analysts" = ["analyst"]\ncoordinators = ["coordinator"]\n'


def with_roles(file: AccountFile, roles: str = ROLES) -> None:
    with (file.home / "oidc.toml").open("a") as settings:
        settings.write(f"\n{roles}")


def test_groups_of_the_provider_give_the_roles_of_each_sign_in(file: AccountFile, provider: Provider) -> None:
    with_roles(file)
    people.invite(file, "nora@example.org", [Role.AUDITOR], by="root")
    provider.person["groups"] = ["staff", "glioma analysts"]
    first = signed_in(file)
    assert (first.actor.may(Role.ANALYST), first.actor.may(Role.AUDITOR)) == (True, False)
    provider.person["groups"] = ["glioma analysts", "coordinators"]
    assert signed_in(file).actor.may(Role.COORDINATOR)
    assert sessions.session_of(file, first.word) is None  # roles changed: what was signed in before has ended
    lines = [(one.event, one.facts["roles"]) for one in audit_chain.shown(file.home).lines]
    assert lines == [("account-roles", ["analyst"]), ("account-roles", ["analyst", "coordinator"])]


def test_who_left_all_groups_is_not_let_in_and_what_was_open_ends(
    file: AccountFile, provider: Provider
) -> None:
    with_roles(file)
    people.invite(file, "nora@example.org", [Role.ANALYST], by="root")
    provider.person["groups"] = ["glioma analysts"]
    before = signed_in(file)
    for nothing in ([], "glioma analysts", None):  # a text is no list of groups
        provider.person["groups"] = nothing
        assert "no group" in refused(file)
    assert sessions.session_of(file, before.word) is None
    assert [one.roles for one in people.accounts(file)] == [frozenset()]


def test_groups_let_nobody_in_without_an_invitation(file: AccountFile, provider: Provider) -> None:
    with_roles(file)
    provider.person["groups"] = ["coordinators"]
    assert "invited" in refused(file)


def test_a_group_with_a_role_of_the_other_side_is_a_wrong_setting(file: AccountFile) -> None:
    with_roles(file, '[roles]\ndoctors = ["approver"]\n')
    with pytest.raises(InputError, match="cannot have here: approver"):
        oidc.begin(file)


def test_a_second_factor_counts_where_the_provider_says_so(file: AccountFile, provider: Provider) -> None:
    people.invite(file, "nora@example.org", [Role.ADMIN], by="root")
    session = sessions.session_of(file, signed_in(file).word)
    assert session is not None
    with pytest.raises(NotAllowedError, match="fresh code"):
        sessions.need_fresh_proof(file, session)
    provider.person["amr"] = ["pwd", "mfa"]
    session = sessions.session_of(file, signed_in(file, fresh=True).word)
    assert session is not None
    sessions.need_fresh_proof(file, session)
    assert provider.asked[-1]["prompt"] == "login"


def test_five_failures_lock_the_address(file: AccountFile) -> None:
    for _ in range(5):
        refused(file)
    with pytest.raises(NotAllowedError) as raised:
        signed_in(file)
    assert raised.value.code == Code.TOO_MANY_TRIES


def test_a_provider_is_reached_by_https(tmp_path: Path) -> None:
    assert provider_config(tmp_path) is None
    (tmp_path / "oidc.toml").write_text(
        f'issuer = "http://idp.example"\nclient_id = "x"\nreturn_address = "{RETURN}"\n'
    )
    with pytest.raises(InputError, match="https"):
        provider_config(tmp_path)
