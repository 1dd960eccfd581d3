"""Who fails too often waits: five failures in a quarter of an hour, by account and by address."""

import sqlite3

from protocols.core.errors import Code
from protocols.runtime.accounts.roles import NotAllowedError
from protocols.runtime.database import insert

TRIES, SECONDS = 5, 900.0


def refuse_if_often(db: sqlite3.Connection, now: float, *whats: str) -> None:
    """Returns if none of these failed too often lately.

    Raises:
        NotAllowedError: too-many-tries.
    """
    for what in whats:
        (count,) = db.execute(
            "SELECT count(*) FROM failure WHERE what = ? AND at > ?", (what, now - SECONDS)
        ).fetchone()
        if count >= TRIES:
            raise NotAllowedError(
                Code.TOO_MANY_TRIES, "too many failures", "wait a quarter of an hour, then try again"
            )


def note_failure(db: sqlite3.Connection, now: float, *whats: str) -> None:
    """Notes a failure of each of these; what is too old to count is forgotten."""
    db.execute("DELETE FROM failure WHERE at <= ?", (now - SECONDS,))
    for what in whats:
        insert(db, "failure", what=what, at=now)
