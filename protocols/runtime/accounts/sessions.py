"""Signing in with a password and a second factor, and what lasts after it: a session in a browser."""

import sqlite3
from dataclasses import dataclass

from protocols.core.errors import Code
from protocols.runtime.accounts import secrets
from protocols.runtime.accounts.file import AccountFile, found, roles_of
from protocols.runtime.accounts.roles import Actor, NotAllowedError, Way, with_implied
from protocols.runtime.accounts.throttle import note_failure, refuse_if_often
from protocols.runtime.database import insert

IDLE_SECONDS, WHOLE_SECONDS = 1800.0, 43_200.0
SEEN_SECONDS = 60.0
"""A session notes that it was used once a minute, not at each request."""
PROOF_SECONDS = 300.0


@dataclass(frozen=True)
class NewSession:
    """What a browser gets.

    Attributes:
        word: for its cookie; kept nowhere.
    """

    word: str
    actor: Actor


@dataclass(frozen=True)
class Session:
    """A session as its request finds it.

    Attributes:
        form_secret: hidden in each form of the session's pages, so that no other page sends one.
        proved_at: when the second factor was last given; what needs it fresh asks again.
        by_provider: whether the account signs in at the side's provider, and has no second factor here.
    """

    number: str
    actor: Actor
    form_secret: str
    proved_at: float
    by_provider: bool = False


@dataclass(frozen=True)
class SessionLine:
    """A session in the list of one's own."""

    number: str
    address: str
    began_at: float
    seen_at: float
    schema_version: int = 1


def sign_in(file: AccountFile, name: str, password: str, code: str, *, address: str) -> NewSession:
    """A new session for whoever knows an account's password and a code of its authenticator.

    Args:
        code: of the authenticator, or a recovery code, which is then used up.
        address: where the request came from; for throttling and the list of sessions.

    Raises:
        NotAllowedError: not-signed-in; any of the three is wrong, in the same words and time.
            too-many-tries; the account or the address failed too often.
    """
    with file.writing() as db:
        refuse_if_often(db, file.now(), f"account {name}", f"address {address}")
        row = db.execute("SELECT * FROM account WHERE name = ? AND disabled_at IS NULL", (name,)).fetchone()
    # Outside the transaction: Argon2 takes its time, and others sign in meanwhile.
    is_right = secrets.is_password(password, None if row is None else row["password"])
    with file.writing() as db:
        if not (is_right and _proves(file, db, name, code)):
            note_failure(db, file.now(), f"account {name}", f"address {address}")
            new = None
        else:
            new = new_session(file, db, row, address, proved_at=file.now())
    if new is None:  # raised after the commit: the failure counts
        raise NotAllowedError(Code.NOT_SIGNED_IN, "name, password or code is not right")
    return new


def session_of(file: AccountFile, word: str) -> Session | None:
    """The session of a cookie; None where it ended, lay idle for half an hour or is half a day old."""
    now = file.now()
    with file.reading() as db:
        row = db.execute(
            "SELECT session.*, account.roles, account.subject "
            "FROM session JOIN account ON account.name = session.account "
            "WHERE digest = ? AND seen_at > ? AND began_at > ? AND disabled_at IS NULL",
            (secrets.digest(word), now - IDLE_SECONDS, now - WHOLE_SECONDS),
        ).fetchone()
        if row is None:
            return None
        if now - row["seen_at"] > SEEN_SECONDS:
            db.execute("UPDATE session SET seen_at = ? WHERE digest = ?", (now, row["digest"]))
    actor = Actor(row["account"], with_implied(roles_of(row["roles"])), Way.SESSION)
    by_provider = row["subject"] is not None
    return Session(row["number"], actor, row["form_secret"], row["proved_at"], by_provider)


def prove_again(file: AccountFile, session: Session, code: str) -> None:
    """Notes that the second factor was given anew, for what needs it fresh.

    Raises:
        NotAllowedError: not-signed-in; the code is not right. too-many-tries; too many were not.
    """
    name = session.actor.name
    with file.writing() as db:
        refuse_if_often(db, file.now(), f"account {name}")
        proved = _proves(file, db, name, code)
        if proved:
            db.execute("UPDATE session SET proved_at = ? WHERE number = ?", (file.now(), session.number))
        else:
            note_failure(db, file.now(), f"account {name}")
    if not proved:
        raise NotAllowedError(Code.NOT_SIGNED_IN, "the code is not right")


def need_fresh_proof(file: AccountFile, session: Session) -> None:
    """Returns if the second factor was given in the last five minutes.

    Raises:
        NotAllowedError: not-signed-in, else.
    """
    if file.now() - session.proved_at > PROOF_SECONDS:
        raise NotAllowedError(Code.NOT_SIGNED_IN, "this needs a fresh code of your authenticator")


def sessions_of(file: AccountFile, account: str) -> tuple[SessionLine, ...]:
    """The sessions of an account, the latest first."""
    with file.reading() as db:
        rows = db.execute("SELECT * FROM session WHERE account = ? ORDER BY began_at DESC", (account,))
        return tuple(SessionLine(r["number"], r["address"], r["began_at"], r["seen_at"]) for r in rows)


def end_session(file: AccountFile, account: str, number: str) -> None:
    """Ends one session of that account.

    Raises:
        InputError: not-found; the account has no such session.
    """
    with file.writing() as db:
        row = db.execute(
            "DELETE FROM session WHERE account = ? AND number = ? RETURNING number", (account, number)
        ).fetchone()
    found(row, "session")


def _proves(file: AccountFile, db: sqlite3.Connection, name: str, code: str) -> bool:
    row = db.execute("SELECT second_factor, last_step FROM account WHERE name = ?", (name,)).fetchone()
    if row is None or row["second_factor"] is None:
        return False
    step = secrets.step_of_code(row["second_factor"], code, file.now(), row["last_step"])
    if step is not None:
        db.execute("UPDATE account SET last_step = ? WHERE name = ?", (step, name))
        return True
    used = db.execute(
        "UPDATE recovery_code SET used_at = ? WHERE account = ? AND digest = ? AND used_at IS NULL",
        (file.now(), name, secrets.digest(code.strip())),
    )
    return used.rowcount == 1


def new_session(
    file: AccountFile, db: sqlite3.Connection, row: sqlite3.Row, address: str, *, proved_at: float
) -> NewSession:
    """A session of an account's row; `proved_at` is when a second factor was given, 0.0 if none was."""
    word, now = secrets.new_word(), file.now()
    insert(
        db,
        "session",
        digest=secrets.digest(word),
        number=secrets.new_word()[:12],
        account=row["name"],
        form_secret=secrets.new_word(),
        address=address,
        began_at=now,
        seen_at=now,
        proved_at=proved_at,
    )
    return NewSession(word, Actor(row["name"], with_implied(roles_of(row["roles"])), Way.SESSION))
