"""The accounts of one side: invited by an admin, made by their owner, changed and ended by an admin.

No account is there by default. Whoever can open the folder invites the first admin, at the command line.
"""

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from protocols.core.errors import Code, InputError
from protocols.runtime.accounts import secrets
from protocols.runtime.accounts.file import AccountFile, found, roles_of
from protocols.runtime.accounts.roles import Role
from protocols.runtime.database import insert

INVITATION_DAYS = 7.0
DAY = 86_400.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True)
class Account:
    """One person's account.

    Attributes:
        roles: those that it was given; what they imply is not listed.
        is_open: its owner has opened it, here or at the side's sign-in provider, and it is not disabled.
    """

    name: str
    roles: frozenset[Role]
    is_open: bool
    created_at: float
    created_by: str
    disabled_at: float | None = None
    schema_version: int = 1


@dataclass(frozen=True)
class Invitation:
    """What an admin hands to a person: the word signs nobody in, and makes one account once.

    Attributes:
        word: of the link `…/invitation/WORD`; kept nowhere.
    """

    account: str
    word: str
    expires_at: float
    schema_version: int = 1


@dataclass(frozen=True)
class Opening:
    """What the owner of an invitation sees: the secret for an authenticator, to be proved by a code of it."""

    account: str
    second_factor: str


def invite(file: AccountFile, name: str, roles: Iterable[Role], *, by: str) -> Invitation:
    """An invitation to an account of that name, new or to be opened anew; older invitations to it end.

    To invite a person whose account is open takes away password, second factor, sessions and tokens: this is
    how an admin helps somebody who lost both.

    Raises:
        InputError: invalid-input; the name or a role is not one.
    """
    wanted = frozenset(roles)
    if not _NAME.fullmatch(name):
        raise InputError(Code.INVALID_INPUT, "a name has letters, digits and . _ @ -, up to 64")
    if not wanted or wanted - file.roles:
        known = ", ".join(sorted(file.roles))
        raise InputError(Code.INVALID_INPUT, "an account has one role or more", f"the roles here: {known}")
    word, expires_at = secrets.new_word(), file.now() + INVITATION_DAYS * DAY
    with file.writing() as db:
        insert(db, "account", "ignore", name=name, roles="", created_at=file.now(), created_by=by)
        db.execute(
            "UPDATE account SET roles = ?, password = NULL, second_factor = NULL, subject = NULL, "
            "disabled_at = NULL WHERE name = ?",
            (" ".join(sorted(wanted)), name),
        )
        _end_all(db, name)
        insert(
            db,
            "invitation",
            digest=secrets.digest(word),
            account=name,
            second_factor=secrets.new_second_factor(),
            expires_at=expires_at,
        )
    return Invitation(name, word, expires_at)


def opening(file: AccountFile, word: str) -> Opening:
    """What the owner of an invitation needs to open the account.

    Raises:
        InputError: not-found; the invitation is unknown, used or too old.
    """
    with file.reading() as db:
        row = _invitation(file, db, word)
    return Opening(row["account"], row["second_factor"])


def open_account(file: AccountFile, word: str, password: str, code: str) -> tuple[str, ...]:
    """Opens the account of an invitation; its recovery codes, shown this once.

    Args:
        word: of the invitation.
        password: chosen by the owner.
        code: of the authenticator, which shows that its secret arrived.

    Raises:
        InputError: not-found; the invitation is unknown, used or too old.
            invalid-input; the password is too short, or the code is not the authenticator's.
    """
    kept = secrets.hash_password(password)
    codes = secrets.recovery_codes()
    with file.writing() as db:
        row = _invitation(file, db, word)
        step = secrets.step_of_code(row["second_factor"], code, file.now(), 0)
        if step is None:
            raise InputError(
                Code.INVALID_INPUT,
                "this is not the code that the authenticator shows now",
                "see that the clocks of the phone and of this machine are right",
            )
        db.execute(
            "UPDATE account SET password = ?, second_factor = ?, last_step = ? WHERE name = ?",
            (kept, row["second_factor"], step, row["account"]),
        )
        db.execute("DELETE FROM invitation WHERE account = ?", (row["account"],))
        for one in codes:
            insert(db, "recovery_code", digest=secrets.digest(one), account=row["account"])
    return codes


def accounts(file: AccountFile) -> tuple[Account, ...]:
    """All accounts, by name."""
    with file.reading() as db:
        return tuple(_account(row) for row in db.execute("SELECT * FROM account ORDER BY name"))


def give_roles(file: AccountFile, name: str, roles: Iterable[Role]) -> Account:
    """The account with these roles and no others; its sessions and tokens end.

    Raises:
        InputError: not-found; there is no such account. invalid-input; a role is not one here.
    """
    wanted = frozenset(roles)
    if not wanted or wanted - file.roles:
        raise InputError(Code.INVALID_INPUT, "an account has one role or more of this side's")
    with file.writing() as db:
        _named(db, name)
        return _account(set_roles(db, name, wanted))


def set_roles(db: sqlite3.Connection, name: str, roles: Iterable[Role]) -> sqlite3.Row:
    """The row of an account with these roles and no others; its sessions and tokens end."""
    db.execute("UPDATE account SET roles = ? WHERE name = ?", (" ".join(sorted(roles)), name))
    _end_all(db, name)
    return _named(db, name)


def disable(file: AccountFile, name: str) -> Account:
    """The account, which signs nobody in any more; its sessions and tokens end.

    Raises:
        InputError: not-found; there is no such account.
    """
    with file.writing() as db:
        _named(db, name)
        db.execute("UPDATE account SET disabled_at = ? WHERE name = ?", (file.now(), name))
        _end_all(db, name)
        return _account(_named(db, name))


def _named(db: sqlite3.Connection, name: str) -> sqlite3.Row:
    return found(db.execute("SELECT * FROM account WHERE name = ?", (name,)).fetchone(), "account")


def _invitation(file: AccountFile, db: sqlite3.Connection, word: str) -> sqlite3.Row:
    row = db.execute(
        "SELECT invitation.* FROM invitation JOIN account ON account.name = invitation.account "
        "WHERE digest = ? AND expires_at > ? AND disabled_at IS NULL",
        (secrets.digest(word), file.now()),
    ).fetchone()
    return found(row, "invitation: it was used, or is older than a week; ask for another")


def _end_all(db: sqlite3.Connection, name: str) -> None:
    for table in ("invitation", "recovery_code", "session", "token", "sign_in_link"):
        db.execute(f"DELETE FROM {table} WHERE account = ?", (name,))  # noqa: S608 names of ours


def _account(row: sqlite3.Row) -> Account:
    is_open = (row["password"] or row["subject"]) is not None and row["disabled_at"] is None
    created = (row["created_at"], row["created_by"])
    return Account(row["name"], roles_of(row["roles"]), is_open, *created, row["disabled_at"])
