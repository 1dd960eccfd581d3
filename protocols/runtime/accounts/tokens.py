"""Tokens for programs: made in a session, good for some scopes and days, shown once."""

from collections.abc import Iterable
from dataclasses import dataclass

from protocols.core.errors import Code, InputError
from protocols.runtime.accounts import secrets
from protocols.runtime.accounts.file import AccountFile, found, roles_of
from protocols.runtime.accounts.roles import Actor, NotAllowedError, Way, with_implied
from protocols.runtime.database import insert

PREFIX = "sg_"
LONGEST_DAYS = 365.0
DAY = 86_400.0
USED_SECONDS = 60.0


@dataclass(frozen=True)
class Token:
    """A token in the list of its owner.

    Attributes:
        number: names the token where it is revoked; not secret.
        title: what its owner calls it.
        scopes: what it may be used for.
    """

    number: str
    title: str
    scopes: frozenset[str]
    created_at: float
    expires_at: float
    used_at: float | None
    schema_version: int = 1


@dataclass(frozen=True)
class NewToken:
    """A token as it is shown once; `word` is kept nowhere."""

    number: str
    word: str
    expires_at: float
    schema_version: int = 1


def new_token(
    file: AccountFile, actor: Actor, title: str, scopes: Iterable[str], *, days: float = 90.0
) -> NewToken:
    """A token of the account that signed in.

    Raises:
        InputError: invalid-input; no scope, or days that are too many.
        NotAllowedError: not-allowed; a token makes no token.
    """
    if actor.way is Way.TOKEN:
        raise NotAllowedError(Code.NOT_ALLOWED, "a token makes no token", "sign in")
    wanted = frozenset(scopes)
    if not wanted or not 0 < days <= LONGEST_DAYS or not 0 < len(title) <= 100:
        raise InputError(
            Code.INVALID_INPUT, f"a token has a title, a scope and at most {LONGEST_DAYS:.0f} days"
        )
    word, number = PREFIX + secrets.new_word(), secrets.new_word()[:12]
    expires_at = file.now() + days * DAY
    with file.writing() as db:
        insert(
            db,
            "token",
            number=number,
            digest=secrets.digest(word),
            account=actor.name,
            title=title,
            scopes=" ".join(sorted(wanted)),
            created_at=file.now(),
            expires_at=expires_at,
        )
    return NewToken(number, word, expires_at)


def actor_of(file: AccountFile, word: str) -> Actor | None:
    """Whoever a token stands for; None where it is unknown, too old or revoked."""
    now = file.now()
    with file.reading() as db:
        row = db.execute(
            "SELECT token.*, account.roles FROM token JOIN account ON account.name = token.account "
            "WHERE digest = ? AND expires_at > ? AND revoked_at IS NULL AND disabled_at IS NULL",
            (secrets.digest(word), now),
        ).fetchone()
        if row is None:
            return None
        if now - (row["used_at"] or 0.0) > USED_SECONDS:
            db.execute("UPDATE token SET used_at = ? WHERE number = ?", (now, row["number"]))
    roles = with_implied(roles_of(row["roles"]))
    return Actor(row["account"], roles, Way.TOKEN, frozenset(row["scopes"].split()))


def tokens_of(file: AccountFile, account: str) -> tuple[Token, ...]:
    """The tokens of an account that are still good, the latest first."""
    with file.reading() as db:
        rows = db.execute(
            "SELECT * FROM token WHERE account = ? AND revoked_at IS NULL AND expires_at > ? "
            "ORDER BY created_at DESC",
            (account, file.now()),
        ).fetchall()
    return tuple(
        Token(
            row["number"],
            row["title"],
            frozenset(row["scopes"].split()),
            row["created_at"],
            row["expires_at"],
            row["used_at"],
        )
        for row in rows
    )


def revoke_token(file: AccountFile, account: str, number: str) -> None:
    """Ends a token of that account.

    Raises:
        InputError: not-found; the account has no such token.
    """
    with file.writing() as db:
        row = db.execute(
            "UPDATE token SET revoked_at = ? WHERE account = ? AND number = ? AND revoked_at IS NULL "
            "RETURNING number",
            (file.now(), account, number),
        ).fetchone()
    found(row, "token")
