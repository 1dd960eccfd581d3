"""A SQLite file with numbered steps: opened at the newest schema, or refused if a newer release wrote it."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from protocols.core.errors import Code, InputError

Step = str | Callable[[sqlite3.Connection], None]
"""SQL statements, or a function that is given a connection inside the transaction and does not commit."""

BUSY_SECONDS = 30.0


def open_database(path: Path, steps: Sequence[Step]) -> sqlite3.Connection:
    """A connection in autocommit mode to the file at `path`, made (0600) or brought to the newest schema.

    `PRAGMA user_version` counts the steps that the file has seen. The steps that it lacks run in one
    transaction, so that a file has all of them or none; foreign keys are off meanwhile. A step that was
    released is never changed: what changes is a new step.

    Raises:
        InputError: newer-version; the file has seen more steps than this release knows.
    """
    _make_private(path)
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        db.row_factory = sqlite3.Row
        _write_ahead(db)
        if _version(db) != len(steps):
            with transaction(db):  # another process may have been first: ask again under the lock
                _upgrade(db, path, steps)
    except BaseException:
        db.close()
        raise
    return db


def seen_steps(path: Path) -> int:
    """How many steps the file at `path` has seen; 0 where there is none yet. Nothing is changed.

    Raises:
        sqlite3.DatabaseError: it is not a database.
    """
    if not path.is_file():
        return 0
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as db:
        return _version(db)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """The connection inside a writing transaction, which is committed at the end or undone by an error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def insert(
    db: sqlite3.Connection,
    table: str,
    on_conflict: Literal["abort", "ignore", "replace"] = "abort",
    /,
    **row: str | int | float | bytes | None,
) -> bool:
    """Whether a row was written, each value to the column of its name."""
    columns = ", ".join(row)
    values = ", ".join(f":{column}" for column in row)
    sql = f"INSERT OR {on_conflict} INTO {table} ({columns}) VALUES ({values})"  # noqa: S608 names, no values
    return db.execute(sql, row).rowcount > 0


def _make_private(path: Path) -> None:
    try:
        # O_EXCL: opening and closing a database that exists would drop this process's locks on it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def _write_ahead(db: sqlite3.Connection) -> None:
    """Sets the journal that lets readers go on; a file keeps it.

    SQLite does not wait for another connection that is setting it, whatever its timeout, so we ask again.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _upgrade(db: sqlite3.Connection, path: Path, steps: Sequence[Step]) -> None:
    seen = _version(db)
    if seen > len(steps):
        raise InputError(
            Code.NEWER_VERSION,
            f"{path.name} was written by a newer release: version {seen}, this release knows {len(steps)}",
            "install that release again, or restore a backup that was made before the upgrade",
        )
    for step in steps[seen:]:
        if callable(step):
            step(db)
        else:
            for statement in _statements(step):
                db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(steps)}")


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script whose statements end at a line's end (`executescript` would commit)."""
    pending = ""
    for line in sql.strip().splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        raise ValueError("the last statement of a step lacks its semicolon")
