"""Whose a submitted study is, and which requests to submit were done already."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from protocols.runtime import audit_chain
from protocols.runtime.database import insert, open_database, transaction
from server.home.schema import FILE, STEPS


class Owners:
    """The part of a center's store that says whose a study is."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = open_database(self._path, STEPS)
        try:
            yield db
        finally:
            db.close()

    def owns(self, account: str, run: str) -> bool:
        """Whether the run is that account's."""
        with self._open() as db:
            row = db.execute("SELECT 1 FROM owner WHERE account = ? AND run = ?", (account, run)).fetchone()
        return row is not None

    def runs_of(self, account: str) -> frozenset[str]:
        """The runs of an account."""
        with self._open() as db:
            return frozenset(
                row["run"] for row in db.execute("SELECT run FROM owner WHERE account = ?", (account,))
            )

    def note(self, run: str, account: str, once: str = "") -> None:
        """Notes whose a run is; an account that asks the same twice is the first to have asked it.

        Args:
            once: the word under which the request will be known if it comes again.
        """
        with self._open() as db, transaction(db):
            is_new = insert(db, "owner", "ignore", run=run, account=account)
            if once:
                insert(db, "done_once", "ignore", account=account, word=once, run=run)
        if is_new:
            audit_chain.act(self._path.parent, "study-submitted", account, run=run)

    def done(self, account: str, once: str) -> str | None:
        """The run that a request with this word submitted before; None where none did."""
        with self._open() as db:
            row = db.execute(
                "SELECT run FROM done_once WHERE account = ? AND word = ?", (account, once)
            ).fetchone()
        return None if row is None else str(row["run"])
