"""What the store knows of a submitted study: whole, or as a line of the list."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from protocols.core.errors import Code


class State(StrEnum):
    """Where a submitted study stands."""

    SUBMITTED = "submitted"
    WAITING = "waiting for approvals"
    RUNNING = "running"
    DONE = "done"
    PARTIAL = "done with failures"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


FINISHED = (State.DONE, State.PARTIAL)
"""The states of a study that has a result; in `PARTIAL` at least one of its analyses failed."""


@dataclass(frozen=True)
class Submission:
    """A study on its way, under the name of its run.

    Attributes:
        sealed: the study's canonical form, signed by the coordinator.
        invited: the sites that are asked; empty means all that are enrolled.
        deadline: when it stops waiting for approvals, in seconds since 1970.
        roster: the sites that take part, each with its masking key; fixed when the run begins.
        attempts: how often its rounds were begun.
        deaths: how often the coordinator died while it worked on this run.
        fix: the way out of its failure, where there is one.
        outcome: the record of what it found, as JSON.
    """

    run: str
    study: str
    name: str
    title: str
    sealed: bytes
    invited: tuple[str, ...]
    state: State
    submitted_at: float
    deadline: float
    attempts: int
    deaths: int
    roster: Mapping[str, str] | None
    ended_at: float | None
    code: Code | None
    text: str
    fix: str
    outcome: bytes | None


@dataclass(frozen=True)
class Entry:
    """A submission as a line of the list, without its study and its outcome.

    Attributes:
        sites: those that take part; empty before the run has begun.
        text: why it failed, or which analyses did.
    """

    run: str
    study: str
    name: str
    title: str
    state: State
    submitted_at: float
    sites: tuple[str, ...]
    code: Code | None
    text: str


LISTED = "run, study, name, title, state, submitted_at, roster, code, text"
"""The columns of an entry: all of them stand in the index `submission_listed`."""


def entry(row: sqlite3.Row) -> Entry:
    """The entry in a row of the columns LISTED."""
    return Entry(
        run=row["run"],
        study=row["study"],
        name=row["name"],
        title=row["title"],
        state=State(row["state"]),
        submitted_at=row["submitted_at"],
        sites=tuple(json.loads(row["roster"])) if row["roster"] else (),
        code=Code(row["code"]) if row["code"] else None,
        text=row["text"] or "",
    )


def submission(row: sqlite3.Row) -> Submission:
    """The submission in a whole row."""
    return Submission(
        run=row["run"],
        study=row["study"],
        name=row["name"],
        title=row["title"],
        sealed=row["sealed"],
        invited=tuple(json.loads(row["invited"])),
        state=State(row["state"]),
        submitted_at=row["submitted_at"],
        deadline=row["deadline"],
        attempts=row["attempts"],
        deaths=row["deaths"],
        roster=json.loads(row["roster"]) if row["roster"] else None,
        ended_at=row["ended_at"],
        code=Code(row["code"]) if row["code"] else None,
        text=row["text"] or "",
        fix=row["fix"],
        outcome=row["outcome"],
    )
