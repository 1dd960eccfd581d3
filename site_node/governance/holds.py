"""Answers that wait for people: past the gate, sealed and kept, not yet gone.

Where the policy says `hold`, one or two people look at what would leave before it does. Whatever they decide,
the numbers were computed, so the question counts as answered to the auditor and to every budget; a held
answer leaves byte for byte as it was sealed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any

from protocols.core.disclosure import Array
from protocols.core.errors import Code, InputError, SiteError
from protocols.exchange.envelope import digest, pack, unpack
from protocols.exchange.wire import RoundQuestion
from protocols.runtime.accounts.machine import unix_user
from protocols.runtime.database import insert
from site_node.governance import audit, ledger
from site_node.home.register import now, register

ID = re.compile("H[1-9][0-9]*")
"""What a held answer is called; no study is, for their names and hashes are in small letters."""


class State(StrEnum):
    """How people stand to an answer."""

    HELD = "held"
    RELEASED = "released"
    REFUSED = "refused"


@dataclass(frozen=True)
class HeldArray:
    """An array that would leave: what it holds, in words, and its numbers as the gate left them."""

    name: str
    what: str
    numbers: Array


@dataclass(frozen=True)
class HeldPart:
    """What one question of the round would let out.

    Attributes:
        question: analysis, part and step.
        way: in words: in the clear, masked in a sum, or masked in a basis that only the sites know.
        code: with which this site withholds it; empty where it does not.
    """

    question: str
    way: str
    code: str
    arrays: tuple[HeldArray, ...]


@dataclass(frozen=True)
class HeldAnswer:
    """An answer that was held.

    Attributes:
        study: the study's hash.
        people_needed: how many different people have to let it go.
        released_by: those who have, by name.
        parts: one per question; empty once people have decided.
    """

    id: str
    study: str
    run: str
    round: int
    state: State
    held_at: datetime
    people_needed: int
    released_by: tuple[str, ...]
    parts: tuple[HeldPart, ...]


def keep(
    home: Path,
    question: RoundQuestion,
    asked: str,
    sealed: bytes,
    *,
    parts: Sequence[HeldPart],
    left: Sequence[Mapping[str, Any]],
    people: int,
) -> None:
    """Keeps an answer until so many people let it go; `left` is what the audit then says of it."""
    where: dict[str, Any] = {"study": question.study, "run": question.run, "round": question.round}
    audit.record(home, "answer-held", **where, people=people, sha256=digest(sealed))
    with register(home) as db:
        insert(
            db,
            "held_answer",
            **where,
            question=asked,
            sealed=sealed,
            said=json.dumps(list(left)),
            parts=pack([_as_data(part) for part in parts]),
            people_needed=people,
            held_at=now().isoformat(),
            state=str(State.HELD),
        )


def is_waiting(home: Path, question: RoundQuestion, asked: str) -> bool:
    """Whether this site's answer to the question waits for people.

    Raises:
        SiteError: people refused it, or that round was answered to another question.
    """
    with register(home) as db:
        row = db.execute(
            "SELECT question, state FROM held_answer WHERE study = ? AND run = ? AND round = ?",
            (question.study, question.run, question.round),
        ).fetchone()
    if row is None:
        return False
    ledger.refuse_another(row["question"], asked)
    if row["state"] == State.REFUSED:
        raise SiteError(Code.WITHHELD, "people here refused to let the answer go")
    return True


def waiting(home: Path) -> list[HeldAnswer]:
    """The answers that wait for people, the oldest first."""
    with register(home) as db:
        rows = db.execute("SELECT * FROM held_answer WHERE state = ? ORDER BY id", (State.HELD,)).fetchall()
        return [_held(db, row) for row in rows]


def find(home: Path, name: str) -> HeldAnswer:
    """The held answer of that name.

    Raises:
        InputError: not-found.
    """
    with register(home) as db:
        return _held(db, _row(db, name))


def let_go(home: Path, name: str, *, by: str, note: str = "") -> HeldAnswer:
    """The answer after one person has let it go; with the last of those that are needed it may leave.

    Two people are two names here, and two accounts on a page.

    Raises:
        InputError: not-found; already-exists: the person has said so before, or it is decided.
    """
    found = _undecided(home, name)
    known = {one.casefold() for one in found.released_by}
    if _person(by).casefold() in known and len(known) < found.people_needed:
        raise InputError(
            Code.ALREADY_EXISTS, f"{by} has let it go already", "another person has to look: use --by"
        )
    audit.act(home, "answer-let-go", by, answer=name, study=found.study, round=found.round)
    with register(home) as db:
        _look(db, name, by, State.RELEASED, note)
        row = _row(db, name)
        people = len(_held(db, row).released_by)
    if people >= found.people_needed:
        _send_off(home, row)
    return find(home, name)


def _send_off(home: Path, row: Row) -> None:
    """Lets the agent give the answer when it is asked again.

    The audit comes first: who is killed in between does it again, and no answer leaves unaudited.
    """
    where: dict[str, Any] = {"study": row["study"], "run": row["run"], "round": row["round"]}
    audit.record(home, "answered", **where, left=json.loads(row["said"]), sha256=digest(row["sealed"]))
    with register(home) as db:
        if _decide(db, row["id"], State.RELEASED):
            answer = {"question": row["question"], "sealed": row["sealed"]}
            insert(db, "answer", **where, **answer, answered_at=now().isoformat())


def refuse(home: Path, name: str, *, by: str, note: str = "") -> HeldAnswer:
    """The answer after one person has refused it: it never leaves, and the run ends.

    Raises:
        InputError: not-found; already-exists: it is decided.
    """
    found = _undecided(home, name)
    audit.act(home, "answer-refused", by, answer=name, study=found.study, round=found.round)
    with register(home) as db:
        if _decide(db, int(name[1:]), State.REFUSED):
            _look(db, name, by, State.REFUSED, note)
    return find(home, name)


def _undecided(home: Path, name: str) -> HeldAnswer:
    found = find(home, name)
    if found.state is not State.HELD:
        raise InputError(Code.ALREADY_EXISTS, f"answer {name} was {found.state}", "shadowgraph inbox held")
    return found


def _person(by: str) -> str:
    """A person's name without the spaces that nobody sees."""
    return " ".join(by.split())


def _look(db: Connection, name: str, by: str, state: State, note: str) -> None:
    """Keeps what a person said about an answer, once."""
    person, at = _person(by), now().isoformat()
    insert(
        db,
        "held_answer_look",
        "ignore",
        held=int(name[1:]),
        key=person.casefold(),
        by=person,
        unix_user=unix_user(),
        decision=str(state),
        note=note,
        at=at,
    )


def _decide(db: Connection, number: int, state: State) -> bool:
    """Whether the decision is new; the site's own numbers are then needed no longer."""
    sql = "UPDATE held_answer SET state = ?, sealed = x'', parts = x'' WHERE id = ? AND state = ?"
    return db.execute(sql, (state, number, State.HELD)).rowcount > 0


def _row(db: Connection, name: str) -> Row:
    row = None
    if ID.fullmatch(name):
        row = db.execute("SELECT * FROM held_answer WHERE id = ?", (int(name[1:]),)).fetchone()
    if row is None:
        raise InputError(Code.NOT_FOUND, f"no answer is held as {name!r}", "shadowgraph inbox held")
    found: Row = row
    return found


def _held(db: Connection, row: Row) -> HeldAnswer:
    looks = db.execute(
        "SELECT by FROM held_answer_look WHERE held = ? AND decision = ? ORDER BY at",
        (row["id"], State.RELEASED),
    ).fetchall()
    return HeldAnswer(
        id=f"H{row['id']}",
        study=row["study"],
        run=row["run"],
        round=row["round"],
        state=State(row["state"]),
        held_at=datetime.fromisoformat(row["held_at"]),
        people_needed=row["people_needed"],
        released_by=tuple(look["by"] for look in looks),
        parts=tuple(_of_data(part) for part in unpack(row["parts"])) if row["parts"] else (),
    )


def _as_data(part: HeldPart) -> dict[str, object]:
    arrays = [{"name": one.name, "what": one.what, "numbers": one.numbers} for one in part.arrays]
    return {"question": part.question, "way": part.way, "code": part.code, "arrays": arrays}


def _of_data(data: Mapping[str, Any]) -> HeldPart:
    arrays = tuple(HeldArray(one["name"], one["what"], one["numbers"]) for one in data["arrays"])
    return HeldPart(data["question"], data["way"], data["code"], arrays)
