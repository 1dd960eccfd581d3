"""Accounts: no default, invited once, signed in by two factors, throttled, ended at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from protocols.runtime.accounts import people, secrets, sessions, tokens
from protocols.runtime.accounts.file import FILE, AccountFile
from protocols.runtime.accounts.roles import (
    CENTER_ROLES,
    Actor,
    NotAllowedError,
    Role,
    Way,
    at_the_command_line,
    with_implied,
)
from protocols.runtime.accounts.throttle import SECONDS as THROTTLED
from protocols.runtime.accounts.throttle import TRIES
from tests.lib.people_with_accounts import PASSWORD, Clock, Person, code_of, person


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path, clock: Clock) -> AccountFile:
    return AccountFile(tmp_path, CENTER_ROLES, clock)


@pytest.fixture
def make(file: AccountFile) -> Callable[..., Person]:
    return lambda name, *roles: person(file, name, *roles)


def refused(code: Code, call: Callable[[], object]) -> str:
    with pytest.raises((NotAllowedError, InputError)) as raised:
        call()
    assert raised.value.code == code
    return raised.value.text


def test_no_account_is_there_by_default_and_the_file_is_private(file: AccountFile) -> None:
    assert people.accounts(file) == ()
    assert (file.home / FILE).stat().st_mode & 0o077 == 0


def test_an_invitation_opens_one_account_once(file: AccountFile, clock: Clock) -> None:
    invited = people.invite(file, "nora", [Role.ANALYST], by="root")
    assert [(one.name, one.is_open) for one in people.accounts(file)] == [("nora", False)]
    secret = people.opening(file, invited.word).second_factor
    code = code_of(secret, clock.time)
    refused(Code.INVALID_INPUT, lambda: people.open_account(file, invited.word, "too short", code))
    refused(Code.INVALID_INPUT, lambda: people.open_account(file, invited.word, PASSWORD, "000000"))
    assert len(people.open_account(file, invited.word, PASSWORD, code)) == secrets.RECOVERY_CODES
    assert people.accounts(file)[0].is_open
    refused(Code.NOT_FOUND, lambda: people.open_account(file, invited.word, PASSWORD, code))


def test_an_invitation_ends_after_a_week_and_with_the_next(file: AccountFile, clock: Clock) -> None:
    first = people.invite(file, "nora", [Role.ANALYST], by="root")
    second = people.invite(file, "nora", [Role.ANALYST], by="root")
    refused(Code.NOT_FOUND, lambda: people.opening(file, first.word))
    clock.on(people.INVITATION_DAYS * people.DAY + 1)
    refused(Code.NOT_FOUND, lambda: people.opening(file, second.word))


def test_a_role_of_the_other_side_is_none_here(file: AccountFile) -> None:
    refused(Code.INVALID_INPUT, lambda: people.invite(file, "nora", [Role.APPROVER], by="root"))
    refused(Code.INVALID_INPUT, lambda: people.invite(file, "nora", [], by="root"))
    refused(Code.INVALID_INPUT, lambda: people.invite(file, "nora; --", [Role.ANALYST], by="root"))


def test_password_and_code_sign_in_and_nothing_less(file: AccountFile, make: Callable[..., Person]) -> None:
    nora = make("nora", Role.COORDINATOR)
    new = nora.signs_in(file)
    assert new.actor == Actor("nora", with_implied([Role.COORDINATOR]), Way.SESSION)
    found = sessions.session_of(file, new.word)
    assert found is not None
    assert found.actor == new.actor
    assert sessions.session_of(file, secrets.new_word()) is None
    wrong = {
        refused(Code.NOT_SIGNED_IN, lambda: sessions.sign_in(file, "nora", PASSWORD, "000000", address="1")),
        refused(Code.NOT_SIGNED_IN, lambda: sessions.sign_in(file, "nora", "x", nora.code(), address="2")),
        refused(
            Code.NOT_SIGNED_IN, lambda: sessions.sign_in(file, "nobody", PASSWORD, "000000", address="3")
        ),
    }
    assert len(wrong) == 1  # the same words, so that nobody learns who has an account


def test_a_code_works_once(file: AccountFile, make: Callable[..., Person]) -> None:
    nora = make("nora", Role.ANALYST)
    nora.signs_in(file)
    refused(
        Code.NOT_SIGNED_IN, lambda: sessions.sign_in(file, "nora", PASSWORD, nora.code(), address="10.0.0.2")
    )


def test_a_recovery_code_stands_in_once(file: AccountFile, make: Callable[..., Person]) -> None:
    nora = make("nora", Role.ANALYST)
    assert nora.signs_in(file, code=nora.recovery[0]).actor.name == "nora"
    refused(Code.NOT_SIGNED_IN, lambda: nora.signs_in(file, code=nora.recovery[0]))
    assert nora.signs_in(file, code=nora.recovery[1]).actor.name == "nora"


def test_whoever_fails_five_times_waits_also_with_the_right_password(
    file: AccountFile, make: Callable[..., Person], clock: Clock
) -> None:
    nora, tove = make("nora", Role.ANALYST), make("tove", Role.ANALYST)
    for number in range(TRIES):
        nora.password = "not the password"
        refused(Code.NOT_SIGNED_IN, lambda n=number: nora.signs_in(file, address=f"10.0.1.{n}"))  # type: ignore[misc]
    nora.password = PASSWORD
    refused(Code.TOO_MANY_TRIES, lambda: nora.signs_in(file, address="10.0.2.1"))
    assert tove.signs_in(file).actor.name == "tove"
    clock.on(THROTTLED)
    assert nora.signs_in(file).actor.name == "nora"


def test_an_address_that_tries_many_names_waits_too(file: AccountFile, make: Callable[..., Person]) -> None:
    nora = make("nora", Role.ANALYST)
    for number in range(TRIES):
        refused(
            Code.NOT_SIGNED_IN,
            lambda n=number: sessions.sign_in(file, f"guess{n}", "x", "000000", address="10.6.6.6"),  # type: ignore[misc]
        )
    refused(Code.TOO_MANY_TRIES, lambda: nora.signs_in(file, address="10.6.6.6"))
    assert nora.signs_in(file, address="10.0.0.1").actor.name == "nora"


@pytest.mark.parametrize("seconds", [sessions.IDLE_SECONDS, sessions.WHOLE_SECONDS])
def test_a_session_ends_by_itself(
    file: AccountFile, make: Callable[..., Person], clock: Clock, seconds: float
) -> None:
    word = make("nora", Role.ANALYST).signs_in(file).word
    pause = sessions.IDLE_SECONDS * 0.9
    waited = 0.0
    while seconds == sessions.WHOLE_SECONDS and waited + pause < seconds:
        clock.on(pause)
        waited += pause
        assert sessions.session_of(file, word) is not None
    clock.on(seconds - waited)
    assert sessions.session_of(file, word) is None


def test_a_session_is_ended_by_its_owner_alone(file: AccountFile, make: Callable[..., Person]) -> None:
    nora, tove = make("nora", Role.ANALYST), make("tove", Role.ADMIN)
    word = nora.signs_in(file).word
    tove.signs_in(file)
    (line,) = sessions.sessions_of(file, "nora")
    refused(Code.NOT_FOUND, lambda: sessions.end_session(file, "tove", line.number))
    assert sessions.session_of(file, word) is not None
    sessions.end_session(file, "nora", line.number)
    assert sessions.session_of(file, word) is None


def test_what_needs_a_fresh_code_asks_again(
    file: AccountFile, make: Callable[..., Person], clock: Clock
) -> None:
    nora = make("nora", Role.ANALYST)
    word = nora.signs_in(file).word

    def session() -> sessions.Session:
        found = sessions.session_of(file, word)
        assert found is not None
        return found

    sessions.need_fresh_proof(file, session())
    clock.on(sessions.PROOF_SECONDS + 1)
    refused(Code.NOT_SIGNED_IN, lambda: sessions.need_fresh_proof(file, session()))
    refused(Code.NOT_SIGNED_IN, lambda: sessions.prove_again(file, session(), "000000"))
    sessions.prove_again(file, session(), nora.code())
    sessions.need_fresh_proof(file, session())


@pytest.mark.parametrize(
    "end",
    [
        lambda file: people.disable(file, "nora"),
        lambda file: people.give_roles(file, "nora", [Role.AUDITOR]),
        lambda file: people.invite(file, "nora", [Role.ANALYST], by="root"),
    ],
    ids=["disabled", "other roles", "invited anew"],
)
def test_what_changes_an_account_ends_its_sessions_and_tokens(
    file: AccountFile, make: Callable[..., Person], end: Callable[[AccountFile], object]
) -> None:
    new = make("nora", Role.ANALYST).signs_in(file)
    token = tokens.new_token(file, new.actor, "notebook", ["read"])
    end(file)
    assert sessions.session_of(file, new.word) is None
    assert tokens.actor_of(file, token.word) is None


def test_a_token_does_what_its_scopes_say_until_it_ends(
    file: AccountFile, make: Callable[..., Person], clock: Clock
) -> None:
    nora = make("nora", Role.ANALYST).signs_in(file).actor
    new = tokens.new_token(file, nora, "notebook", ["read", "submit"], days=10)
    actor = tokens.actor_of(file, new.word)
    assert actor is not None
    actor.need(Role.ANALYST, "submit")
    refused(Code.NOT_ALLOWED, lambda: actor.need(Role.ANALYST, "coordinate"))
    refused(Code.NOT_ALLOWED, lambda: actor.need(Role.ANALYST))
    refused(Code.NOT_ALLOWED, lambda: actor.need(Role.ADMIN, "submit"))
    refused(Code.NOT_ALLOWED, lambda: tokens.new_token(file, actor, "another", ["read"]))
    assert [one.used_at for one in tokens.tokens_of(file, "nora")] == [clock.time]
    clock.on(10 * people.DAY)
    assert tokens.actor_of(file, new.word) is None
    assert tokens.tokens_of(file, "nora") == ()


def test_a_token_is_revoked_by_its_owner_alone(file: AccountFile, make: Callable[..., Person]) -> None:
    nora, tove = make("nora", Role.ANALYST), make("tove", Role.ADMIN)
    new = tokens.new_token(file, nora.signs_in(file).actor, "notebook", ["read"])
    refused(Code.NOT_FOUND, lambda: tokens.revoke_token(file, tove.name, new.number))
    tokens.revoke_token(file, "nora", new.number)
    assert tokens.actor_of(file, new.word) is None
    refused(Code.NOT_FOUND, lambda: tokens.revoke_token(file, "nora", new.number))


def test_nothing_in_the_file_signs_anybody_in(file: AccountFile, make: Callable[..., Person]) -> None:
    nora = make("nora", Role.ANALYST)
    new = nora.signs_in(file)
    token = tokens.new_token(file, new.actor, "notebook", ["read"])
    kept = b"".join(path.read_bytes() for path in file.home.iterdir())
    for word in (PASSWORD, new.word, token.word, *nora.recovery):
        assert word.encode() not in kept


def test_the_unix_user_may_do_what_the_folder_allows() -> None:
    actor = at_the_command_line(CENTER_ROLES)
    actor.need(Role.ADMIN)
    assert actor.way is Way.UNIX


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR, Role.COORDINATOR])
def test_no_role_implies_to_see_patients_or_to_approve(role: Role) -> None:
    assert not with_implied([role]) & {Role.CLINICIAN, Role.APPROVER, Role.STEWARD}
