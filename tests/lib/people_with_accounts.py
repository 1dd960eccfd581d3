"""People with passwords and authenticators, for tests of whatever asks for an account."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from protocols.runtime.accounts import people, secrets, sessions, tokens
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import Role
from protocols.runtime.accounts.sessions import NewSession

PASSWORD = "a long enough password"
BEGIN = 1_800_000_000.0


@dataclass
class Clock:
    """A clock that a test moves."""

    time: float = BEGIN

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.time

    def on(self, seconds: float) -> None:
        """Moves it on."""
        self.time += seconds


@dataclass
class Person:
    """Somebody with a password and an authenticator.

    Attributes:
        recovery: the codes that stand in for the authenticator, each once.
        now: the clock that the authenticator shows.
    """

    name: str
    second_factor: str
    recovery: tuple[str, ...]
    now: Callable[[], float]
    password: str = PASSWORD

    def code(self) -> str:
        """What the authenticator shows."""
        return code_of(self.second_factor, self.now())

    def signs_in(self, file: AccountFile, address: str = "10.0.0.1", code: str | None = None) -> NewSession:
        """A session of theirs; a code works once, so the clock moves on first, where it can."""
        if isinstance(self.now, Clock):
            self.now.on(secrets.STEP_SECONDS)
        return sessions.sign_in(file, self.name, self.password, code or self.code(), address=address)

    def token(self, file: AccountFile, *scopes: str) -> str:
        """A token of theirs, made in a session that a recovery code opened."""
        codes = iter(self.recovery)
        actor = self.signs_in(file, code=next(codes)).actor
        self.recovery = tuple(codes)
        return tokens.new_token(file, actor, "test", scopes).word


def code_of(second_factor: str, time: float) -> str:
    """What an authenticator with this secret shows then."""
    return TOTP(base64.b32decode(second_factor), 6, SHA1(), 30).generate(int(time)).decode()


def person(file: AccountFile, name: str, *roles: Role) -> Person:
    """Somebody whose account was invited and opened."""
    invited = people.invite(file, name, roles, by="root")
    opening = people.opening(file, invited.word)
    codes = people.open_account(file, invited.word, PASSWORD, code_of(opening.second_factor, file.now()))
    return Person(name, opening.second_factor, codes, file.now)
