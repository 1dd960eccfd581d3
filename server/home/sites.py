"""The sites that a center knows: invited, enrolled, suspended for a time, or removed."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.exchange.enrolment import Enrolment
from protocols.runtime.database import open_database, transaction
from server.home.schema import FILE, STEPS

SITES = "SELECT name, enrolment, seen_at, suspended_at FROM site ORDER BY name"


@dataclass(frozen=True)
class Site:
    """A site of the consortium; without an enrolment it is only invited."""

    name: str
    enrolment: Enrolment | None
    seen_at: float | None
    suspended_at: float | None = None

    @property
    def takes_part(self) -> bool:
        """Whether it is asked anything: it is enrolled, and not suspended."""
        return self.enrolment is not None and self.suspended_at is None


def site_of(row: sqlite3.Row) -> Site:
    """The site in a row of `SITES`."""
    enrolled = Enrolment.model_validate_json(row["enrolment"]) if row["enrolment"] else None
    return Site(row["name"], enrolled, row["seen_at"], row["suspended_at"])


@dataclass(frozen=True)
class SiteBook:
    """The part of a center's store that lets sites go, for a time or for good.

    Attributes:
        home: the center's folder.
    """

    home: Path

    def suspend(self, name: str, *, is_suspended: bool) -> None:
        """Asks a site nothing from now on, or asks it again.

        Raises:
            InputError: not-found; already-exists: it is as it was asked to be.
        """
        at = time.time() if is_suspended else None
        if self._changed(
            "UPDATE site SET suspended_at = ? WHERE name = ? AND (suspended_at IS NULL) = ?",
            (at, name, is_suspended),
        ):
            return
        self._known(name)
        state = "is suspended already" if is_suspended else "is not suspended"
        raise InputError(Code.ALREADY_EXISTS, f"site {name!r} {state}", "shadowgraph network sites")

    def remove(self, name: str) -> None:
        """Forgets a site and its keys; what it answered stays with the studies.

        Raises:
            InputError: not-found.
        """
        if not self._changed("DELETE FROM site WHERE name = ?", (name,)):
            self._known(name)

    def _known(self, name: str) -> None:
        with closing(open_database(self.home / FILE, STEPS)) as db:
            if db.execute("SELECT 1 FROM site WHERE name = ?", (name,)).fetchone() is None:
                raise InputError(Code.NOT_FOUND, f"there is no site {name!r}", "shadowgraph network sites")

    def _changed(self, sql: str, values: tuple[object, ...]) -> bool:
        with closing(open_database(self.home / FILE, STEPS)) as db, transaction(db):
            return db.execute(sql, values).rowcount > 0
