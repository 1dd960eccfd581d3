"""The SQLite file of one side's accounts. It holds hashes: what is in it signs nobody in."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.runtime.accounts.roles import Role
from protocols.runtime.database import open_database, transaction

FILE = "accounts.sqlite"

STEPS = (
    """
    CREATE TABLE account (
        name TEXT PRIMARY KEY,
        roles TEXT NOT NULL,
        password TEXT,
        second_factor TEXT,
        last_step INTEGER NOT NULL DEFAULT 0,
        created_at REAL NOT NULL,
        created_by TEXT NOT NULL,
        disabled_at REAL
    );
    CREATE TABLE invitation (
        digest TEXT PRIMARY KEY,
        account TEXT NOT NULL REFERENCES account (name),
        second_factor TEXT NOT NULL,
        expires_at REAL NOT NULL
    );
    CREATE TABLE recovery_code (
        digest TEXT NOT NULL,
        account TEXT NOT NULL REFERENCES account (name),
        used_at REAL,
        PRIMARY KEY (account, digest)
    );
    CREATE TABLE session (
        digest TEXT PRIMARY KEY,
        number TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL REFERENCES account (name),
        form_secret TEXT NOT NULL,
        address TEXT NOT NULL,
        began_at REAL NOT NULL,
        seen_at REAL NOT NULL,
        proved_at REAL NOT NULL
    );
    CREATE TABLE token (
        number TEXT PRIMARY KEY,
        digest TEXT NOT NULL UNIQUE,
        account TEXT NOT NULL REFERENCES account (name),
        title TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL NOT NULL,
        used_at REAL,
        revoked_at REAL
    );
    CREATE TABLE failure (
        what TEXT NOT NULL,
        at REAL NOT NULL
    );
    CREATE INDEX failure_what ON failure (what, at);
    """,
    """
    CREATE TABLE sign_in_link (
        digest TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES account (name), expires_at REAL NOT NULL
    );
    """,
    """
    ALTER TABLE account ADD COLUMN subject TEXT;
    CREATE UNIQUE INDEX account_subject ON account (subject);
    CREATE TABLE oidc_attempt (
        state TEXT PRIMARY KEY, browser TEXT NOT NULL, nonce TEXT NOT NULL, verifier TEXT NOT NULL,
        expires_at REAL NOT NULL
    );
    """,
)


@dataclass(frozen=True)
class AccountFile:
    """Where one side keeps its accounts.

    Attributes:
        home: the folder of the site or the center.
        roles: those that an account can have here.
        now: seconds since 1970; a test hands in its own clock.
    """

    home: Path
    roles: frozenset[Role]
    now: Callable[[], float] = time.time

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that reads."""
        db = open_database(self.home / FILE, STEPS)
        try:
            yield db
        finally:
            db.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection inside one writing transaction."""
        with self.reading() as db, transaction(db):
            yield db


def roles_of(text: str) -> frozenset[Role]:
    """The roles as they are kept."""
    return frozenset(Role(word) for word in text.split())


def found(row: sqlite3.Row | None, what: str) -> sqlite3.Row:
    """The row.

    Raises:
        InputError: not-found; there is none.
    """
    if row is None:
        raise InputError(Code.NOT_FOUND, f"there is no such {what}")
    return row
