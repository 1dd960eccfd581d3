"""The joined answers of a run's rounds, as the center's store keeps them: compressed, or deleted by age."""

import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, closing
from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.runtime.database import insert, open_database
from server.home.schema import FILE, STEPS

_LEVEL = 6  # 1 is twice as fast and leaves a tenth more; a round is written once


class RoundMemory(MutableMapping[int, bytes]):
    """The joined answers of a run's rounds; what is written once is never written over.

    Of a round that was deleted by age the number is left, and its answer is a KeyError.
    """

    def __init__(
        self, open_store: Callable[[], AbstractContextManager[sqlite3.Connection]], run: str
    ) -> None:
        self._open, self._run = open_store, run

    def __getitem__(self, number: int) -> bytes:
        with self._open() as db:
            row = db.execute(
                "SELECT joined, coding FROM round WHERE run = ? AND round = ?", (self._run, number)
            ).fetchone()
        if row is None or row["coding"] == "gone":
            raise KeyError(number)
        if row["coding"] == "plain":  # of a release that did not compress
            return bytes(row["joined"])
        try:
            return zlib.decompress(row["joined"])
        except zlib.error:
            raise InputError(
                Code.TAMPERED, f"run {self._run}: round {number} is not as it was kept"
            ) from None

    def __setitem__(self, number: int, joined: bytes) -> None:
        with self._open() as db:
            kept = compressed(joined)
            insert(db, "round", run=self._run, round=number, joined=kept, coding="zlib", at=time.time())

    def __delitem__(self, number: int) -> None:
        raise TypeError("a round that was joined is not forgotten")

    def __iter__(self) -> Iterator[int]:
        with self._open() as db:
            rows = db.execute("SELECT round FROM round WHERE run = ? ORDER BY round", (self._run,)).fetchall()
        return iter([row["round"] for row in rows])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def is_pruned(self) -> bool:
        """Whether a round of this run was deleted by age."""
        with self._open() as db:
            gone = db.execute("SELECT 1 FROM round WHERE run = ? AND coding = 'gone'", (self._run,))
            return gone.fetchone() is not None


def compressed(joined: bytes) -> bytes:
    """The joined answers of a round as they are kept."""
    return zlib.compress(joined, _LEVEL)


def prune(home: Path, before: float) -> int:
    """How many rounds were deleted, of runs that ended before a time; that there were such rounds stays."""
    with closing(open_database(home / FILE, STEPS)) as db, db:
        changed = db.execute(
            "UPDATE round SET joined = x'', coding = 'gone' WHERE coding <> 'gone'"
            " AND run IN (SELECT run FROM submission WHERE ended_at < ?)",
            (before,),
        )
        return changed.rowcount
