"""The auditor's count: how many numbers were published about each person here, over all studies.

Every result about a set of people is so many equations about them together. Numbers over the people whom they
are about is what each of these bears, and what several results come to adds up, by whatever title they were
asked. An analysis with which somebody would bear more than the policy's `numbers_per_person` is not answered:
this site takes no part in it, as one that has too few people.

The same result of the same people over the same sites counts once. How many people the other sites have is
not known here: they are taken to be as many at each as here, so that the smallest site is the strictest.
"""

from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection

import numpy as np

from protocols.core.table import Floats, Integers
from protocols.exchange.envelope import digest
from site_node.governance.auditor import keep_set
from site_node.home.register import now, register


@dataclass(frozen=True)
class Published:
    """What an analysis publishes.

    Attributes:
        what: the analysis and its sites, by a digest that is the same whatever the study is called.
        people: (k,) those of this site whom it is about.
        numbers: how many it publishes about them and the people of the other sites together.
        over: how many people that is.
    """

    what: str
    people: Integers
    numbers: int
    over: int

    @property
    def each(self) -> float:
        """Numbers for each person."""
        return self.numbers / self.over if self.over else 0.0


def admit(home: Path, result: Published, most: float) -> bool:
    """Whether a result may be published beside all earlier ones; if so, it is noted.

    It may not where one of the people here would bear more than `most` numbers.
    """
    if not result.numbers or not len(result.people):
        return True
    with register(home) as db:
        known = db.execute(
            "SELECT max(1.0 * numbers / over) AS each FROM published WHERE what = ?", (result.what,)
        ).fetchone()
        if known["each"] is not None and known["each"] >= result.each:
            return True
        if borne(db, result.people, but=result.what).max(initial=0.0) + result.each > most:
            return False
        db.execute(
            "INSERT OR REPLACE INTO published (what, sha256, numbers, over, noted_at) VALUES (?, ?, ?, ?, ?)",
            (result.what, keep_set(db, result.people), result.numbers, result.over, now().isoformat()),
        )
    return True


def borne(db: Connection, people: Integers, *, but: str = "") -> Floats:
    """(k,) numbers that were published about each of these people, of results but the one named."""
    found = np.zeros(len(people))
    rows = db.execute(
        "SELECT audited_set.people AS people, sum(1.0 * numbers / over) AS each FROM published"
        " JOIN audited_set USING (sha256) WHERE what <> ? GROUP BY sha256",
        (but,),
    )
    for row in rows:
        found[np.isin(people, np.frombuffer(row["people"], dtype="<i8"))] += row["each"]
    return found


def name_of(content: bytes, people: Integers, roster: tuple[str, ...]) -> str:
    """The name of a result: what is asked, of whom here, and over which sites."""
    canonical = np.sort(people).astype("<i8").tobytes()
    return digest(content + canonical + "\n".join(sorted(roster)).encode())
