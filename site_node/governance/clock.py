"""The time by which decisions expire: it never goes back, whatever the machine's clock does."""

from datetime import datetime, timedelta
from pathlib import Path
from sqlite3 import Connection

from protocols.core.errors import Code, InputError
from protocols.runtime.database import insert
from site_node.home.register import now, register

TOLERATED = timedelta(days=1)
"""How far a clock may be set back; time servers move it by less."""
_NOTED_EACH = timedelta(minutes=1)


def latest(db: Connection) -> datetime:
    """The time, or the latest one that was seen here if the clock was set back since."""
    at, row = now(), db.execute("SELECT at FROM latest_time").fetchone()
    seen = datetime.fromisoformat(row["at"]) if row else None
    if seen is None or at > seen + _NOTED_EACH:
        insert(db, "latest_time", "replace", one=1, at=at.isoformat())
    return max(at, seen or at)


def refuse_set_back(db: Connection) -> None:
    """Raises if the clock stands before the latest time that was seen: a decision would hold too long.

    Raises:
        InputError: clock-set-back.
    """
    behind = latest(db) - now()
    if behind > TOLERATED:
        raise InputError(
            Code.CLOCK_SET_BACK,
            f"the clock stands {behind.days} days before the latest time that this site has seen",
            "set the clock; if it is right, shadowgraph site accept-clock (which takes all approvals back)",
        )


def accept(home: Path) -> None:
    """Goes by the present time, though a later one was seen; whoever calls it takes approvals back."""
    with register(home) as db:
        insert(db, "latest_time", "replace", one=1, at=now().isoformat())
