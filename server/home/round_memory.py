"""The joined answers of a run's rounds, as the center's store keeps them."""

import sqlite3
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager

from protocols.runtime.database import insert


class RoundMemory(MutableMapping[int, bytes]):
    """The joined answers of a run's rounds; what is written once is never written over."""

    def __init__(
        self, open_store: Callable[[], AbstractContextManager[sqlite3.Connection]], run: str
    ) -> None:
        self._open, self._run = open_store, run

    def __getitem__(self, number: int) -> bytes:
        with self._open() as db:
            row = db.execute(
                "SELECT joined FROM round WHERE run = ? AND round = ?", (self._run, number)
            ).fetchone()
        if row is None:
            raise KeyError(number)
        return bytes(row["joined"])

    def __setitem__(self, number: int, joined: bytes) -> None:
        with self._open() as db:
            insert(db, "round", run=self._run, round=number, joined=joined, at=time.time())

    def __delitem__(self, number: int) -> None:
        raise TypeError("a round that was joined is not forgotten")

    def __iter__(self) -> Iterator[int]:
        with self._open() as db:
            rows = db.execute("SELECT round FROM round WHERE run = ? ORDER BY round", (self._run,)).fetchall()
        return iter([row["round"] for row in rows])

    def __len__(self) -> int:
        return len(list(iter(self)))
