"""The memory of what this site answered: a repeat gets the same bytes, and nothing else is answered twice.

It also remembers about whom: the difference of two answers about nearly the same people would be an answer
about the few by whom they differ (RT01, RT42). Their identifiers stay in the site's register.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import numpy as np

from protocols.core.errors import Code, SiteError
from protocols.core.protocol import Ask
from protocols.core.table import EVERYBODY, Integers
from protocols.exchange.envelope import digest, pack, unpack
from protocols.exchange.start import StartMessage
from protocols.exchange.wire import RoundQuestion
from protocols.runtime.database import insert
from site_node.governance.approvals import Approval
from site_node.home.register import now, register

FEWEST_SITES_APART = 3
"""Two runs of one study have the same sites, or differ in as many as hide each other in a sum."""


@dataclass(frozen=True)
class ReleasedAnswer:
    """An answer that was given: the study's hash, the run, the round, size and digest of the exact bytes."""

    study: str
    run: str
    round: int
    bytes: int
    sha256: str
    answered_at: datetime


def earlier(home: Path, question: RoundQuestion, asked: str) -> bytes | None:
    """The sealed answer that was given to this very question, or None if it is new.

    Raises:
        SiteError: that round was answered before, to another question.
    """
    with register(home) as db:
        row = db.execute(
            "SELECT question, sealed FROM answer WHERE study = ? AND run = ? AND round = ?",
            (question.study, question.run, question.round),
        ).fetchone()
    if row is None:
        return None
    refuse_another(row["question"], asked)
    return bytes(row["sealed"])


def refuse_another(known: str, asked: str) -> None:
    """Raises unless a round is asked the question that it was asked before.

    Raises:
        SiteError: already-answered.
    """
    if known != asked:
        raise SiteError(Code.ALREADY_ANSWERED, "that round was answered to another question")


def admit_run(home: Path, message: StartMessage, approval: Approval) -> None:
    """Lets a run open over its roster, which it keeps from then on; runs of a study are few.

    Raises:
        SiteError: another roster, nearly that of an earlier run, or the budget of runs is spent.
    """
    roster = json.dumps(list(message.roster))
    with register(home) as db:
        row = db.execute(
            "SELECT roster FROM run WHERE study = ? AND run = ?", (message.study, message.run)
        ).fetchone()
        if row is None:
            runs = db.execute("SELECT count(*) AS n FROM run WHERE study = ?", (message.study,)).fetchone()
            if runs["n"] >= approval.max_runs:
                raise SiteError(Code.BUDGET_SPENT, f"this study was run here {approval.max_runs} times")
            _refuse_nearly_the_same_sites(db, message)
            insert(
                db,
                "run",
                study=message.study,
                run=message.run,
                roster=roster,
                started_at=now().isoformat(),
                standing=int(approval.standing),
            )
        elif row["roster"] != roster:
            raise SiteError(Code.ALREADY_ANSWERED, "that run has another roster")


def admit_round(home: Path, question: RoundQuestion) -> None:
    """Lets a round into its run: a run keeps its roster, and its rounds come in order.

    Raises:
        SiteError: the run has not started here, has another roster, or the round is out of order.
    """
    where = (question.study, question.run)
    with register(home) as db:
        row = db.execute("SELECT roster FROM run WHERE study = ? AND run = ?", where).fetchone()
        answered = db.execute(
            "SELECT count(*) AS n FROM answer WHERE study = ? AND run = ?", where
        ).fetchone()
    if row is None:
        raise SiteError(Code.ALREADY_ANSWERED, "a run that has not started here")
    if row["roster"] != json.dumps(list(question.roster)):
        raise SiteError(Code.ALREADY_ANSWERED, "that run has another roster")
    if question.round != answered["n"]:
        raise SiteError(Code.ALREADY_ANSWERED, "that round is out of order")


def _refuse_nearly_the_same_sites(db: Connection, message: StartMessage) -> None:
    """Raises if the difference of this run's sums and an earlier one's would be of few sites.

    Raises:
        SiteError: already-answered; a run that was answered has one or two sites more, less, or others.
    """
    earlier = db.execute(
        "SELECT roster FROM run WHERE study = ? AND EXISTS"
        " (SELECT 1 FROM answer WHERE answer.study = run.study AND answer.run = run.run)",
        (message.study,),
    ).fetchall()
    for row in earlier:
        if 0 < len(set(message.roster) ^ set(json.loads(row["roster"]))) < FEWEST_SITES_APART:
            raise SiteError(
                Code.ALREADY_ANSWERED,
                "the study was answered for nearly the same sites",
            )


def remember(home: Path, question: RoundQuestion, asked: str, sealed: bytes) -> None:
    """Keeps an answer before it leaves."""
    with register(home) as db:
        insert(
            db,
            "answer",
            study=question.study,
            run=question.run,
            round=question.round,
            question=asked,
            sealed=sealed,
            answered_at=now().isoformat(),
        )


def question_of(home: Path, before: RoundQuestion) -> str:
    """The digest of the question that this site answered in a round.

    Raises:
        SiteError: it answered none.
    """
    with register(home) as db:
        row = db.execute(
            "SELECT question FROM answer WHERE study = ? AND run = ? AND round = ?",
            (before.study, before.run, before.round),
        ).fetchone()
    if row is None:
        raise SiteError(Code.ALREADY_ANSWERED, "that round is out of order")
    return str(row["question"])


def keep_joined(home: Path, question: RoundQuestion, joined: list[dict[str, Any]]) -> None:
    """Keeps the joined answers to the round before a question, so that a restart does not end its run.

    Those of earlier runs of the study are erased.
    """
    with register(home) as db:
        db.execute("DELETE FROM joined_round WHERE study = ? AND run <> ?", (question.study, question.run))
        db.execute(
            "INSERT OR REPLACE INTO joined_round (study, run, round, joined) VALUES (?, ?, ?, ?)",
            (question.study, question.run, question.round - 1, pack(joined)),
        )


def joined_rounds(home: Path, question: RoundQuestion) -> list[list[dict[str, Any]]]:
    """The joined answers that are kept of the question's run, of the rounds before the last, in order."""
    with register(home) as db:
        rows = db.execute(
            "SELECT joined FROM joined_round WHERE study = ? AND run = ? AND round < ? ORDER BY round",
            (question.study, question.run, question.round - 1),
        ).fetchall()
    return [unpack(row["joined"]) for row in rows]


def admit_once(home: Path, study: str, ask: Ask, people: Integers, number: int) -> None:
    """Lets a question that spends a budget through once; the same question may come again, in any run.

    The place of a question is its analysis, part, step, number, and the (n,) people whom it is about,
    however its row filter is written.

    Raises:
        SiteError: budget-spent; that place was answered to other arrays.
    """
    place = json.dumps([ask.analysis, *ask.part, ask.step, number, digest(_canonical(people))])
    asked = digest(RoundQuestion(study, "", 0, (), (replace(ask, rows=EVERYBODY),)).encode())
    with register(home) as db:
        at = now().isoformat()
        insert(db, "answered_once", "ignore", study=study, place=place, question=asked, answered_at=at)
        row = db.execute(
            "SELECT question FROM answered_once WHERE study = ? AND place = ?", (study, place)
        ).fetchone()
    if row["question"] != asked:
        raise SiteError(Code.BUDGET_SPENT, "that part of the plan was answered to another question")


def keep_people(home: Path, people: Integers) -> None:
    """Keeps the (n,) identifiers of the people behind an answer, before it leaves."""
    if not len(people):
        return
    data = _canonical(people)
    sketch, at = _sketch(people).tobytes(), now().isoformat()
    with register(home) as db:
        insert(
            db, "answered_people", "ignore", sha256=digest(data), sketch=sketch, people=data, answered_at=at
        )


def refuse_few_apart(home: Path, people: Integers, min_count: int) -> None:
    """Raises unless the (n,) people are those of an earlier answer, or `min_count` apart from each.

    Raises:
        SiteError: withheld; the text does not say from which answer, nor how far.
    """
    if not len(people):
        return
    data, sketch = _canonical(people), _sketch(people)
    with register(home) as db:
        kept = db.execute("SELECT sha256, sketch FROM answered_people WHERE sha256 <> ?", (digest(data),))
        near = [row["sha256"] for row in kept.fetchall() if _apart(sketch, row["sketch"]) < min_count]
        for sha256 in near:
            row = db.execute("SELECT people FROM answered_people WHERE sha256 = ?", (sha256,)).fetchone()
            others = np.frombuffer(row["people"], dtype="<i8")
            if len(np.setxor1d(people, others, assume_unique=True)) < min_count:
                raise SiteError(Code.WITHHELD, "an earlier answer was about nearly the same people")


def _canonical(people: Integers) -> bytes:
    return np.sort(people).astype("<i8").tobytes()


def _sketch(people: Integers) -> Integers:
    """How many people fall into each of 1,024 places; people are as far apart as their sketches, or more."""
    places = people.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(54)
    return np.bincount(places.astype(np.int64), minlength=1024).astype("<i4")


def _apart(sketch: Integers, other: bytes) -> int:
    return int(np.abs(sketch - np.frombuffer(other, dtype="<i4")).sum())


def released(home: Path) -> list[ReleasedAnswer]:
    """Every answer that was given, the oldest first."""
    with register(home) as db:
        rows = db.execute("SELECT * FROM answer ORDER BY answered_at").fetchall()
    return [
        ReleasedAnswer(
            study=row["study"],
            run=row["run"],
            round=row["round"],
            bytes=len(row["sealed"]),
            sha256=digest(row["sealed"]),
            answered_at=datetime.fromisoformat(row["answered_at"]),
        )
        for row in rows
    ]
