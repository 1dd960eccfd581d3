"""The site's own register: studies that were proposed, approvals, who is in them, peers, every answer.

A SQLite file in the site's folder, apart from the CDM. Nobody outside the site writes to it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

FILE = "register.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS study (
    hash TEXT PRIMARY KEY, canonical BLOB NOT NULL, received_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS approval (
    hash TEXT PRIMARY KEY REFERENCES study (hash),
    decision TEXT NOT NULL CHECK (decision IN ('approved', 'refused', 'revoked')),
    decided_by TEXT NOT NULL, decided_at TEXT NOT NULL, expires_at TEXT NOT NULL,
    max_runs INTEGER NOT NULL, note TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sealed_cohort (
    study TEXT PRIMARY KEY REFERENCES study (hash), people TEXT NOT NULL, attrition TEXT NOT NULL,
    sealed_at TEXT NOT NULL, sha256 TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS standing_approval (
    protocol TEXT PRIMARY KEY, max_studies INTEGER NOT NULL, max_variables INTEGER NOT NULL,
    decided_by TEXT NOT NULL, decided_at TEXT NOT NULL, expires_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS run (
    study TEXT NOT NULL, run TEXT NOT NULL, roster TEXT NOT NULL, started_at TEXT NOT NULL,
    standing INTEGER NOT NULL, PRIMARY KEY (study, run)
);
CREATE TABLE IF NOT EXISTS answer (
    study TEXT NOT NULL, run TEXT NOT NULL, round INTEGER NOT NULL,
    question TEXT NOT NULL, sealed BLOB NOT NULL, answered_at TEXT NOT NULL,
    PRIMARY KEY (study, run, round)
);
CREATE TABLE IF NOT EXISTS answered_people (
    sha256 TEXT PRIMARY KEY, sketch BLOB NOT NULL, people BLOB NOT NULL, answered_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS answered_once (
    study TEXT NOT NULL, place TEXT NOT NULL, question TEXT NOT NULL, answered_at TEXT NOT NULL,
    PRIMARY KEY (study, place)
);
CREATE TABLE IF NOT EXISTS peer (
    site TEXT PRIMARY KEY, signing_key TEXT NOT NULL, masking_key TEXT NOT NULL, pinned_at TEXT NOT NULL
);
"""


@contextmanager
def register(home: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the register of the site in `home`; one transaction, committed at the end."""
    if not (home / FILE).exists():
        (home / FILE).touch(mode=0o600)
    connection = sqlite3.connect(home / FILE, timeout=30, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.close()


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)
