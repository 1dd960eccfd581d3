"""A run as it stands: which site answered which round, who is waited for, how long it takes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from protocols.runtime.accounts.roles import Actor
from server.desk.ownership import own
from server.home.store import Store
from server.home.submissions import FINISHED

SHOWN = 20
"""Rounds of the grid: the last ones."""

CellState = Literal["answered", "asked", "silent", "failed", "not asked"]


@dataclass(frozen=True)
class RoundRow:
    """One round: how each site stands to it, in the order of the run's sites, and the bytes of each."""

    number: int
    seconds: float | None
    states: tuple[CellState, ...]
    bytes: tuple[int, ...]


@dataclass(frozen=True)
class RunProgress:
    """How far a run has come.

    Attributes:
        is_over: whether it has ended, however.
        sites: those that take part; empty before it has begun.
        answered: rounds that are over.
        rounds: the last of them, and the one under way.
        waiting_for: the sites that owe an answer.
        seconds: since its rounds began; seconds_left where an earlier run of the same study tells it.
        bytes: that the sites sent in all.
        last_event: its number, after which a stream goes on.
    """

    run: str
    name: str
    state: str
    is_over: bool
    sites: tuple[str, ...]
    answered: int
    rounds: tuple[RoundRow, ...]
    waiting_for: tuple[str, ...]
    seconds: float
    seconds_left: float | None
    bytes: int
    last_event: int
    schema_version: int = 1


def progress(home: Path, actor: Actor, reference: str) -> RunProgress:
    """How far a run of the account's has come.

    Raises:
        InputError: not-found.
    """
    store = Store(home)
    one = store.submission(own(home, actor, reference))
    events = store.events(one.run)
    sites, answers = tuple(sorted(one.roster or ())), store.answers(one.run)
    asked, answered = _times(events, "asked"), _times(events, "answered")
    is_over = one.ended_at is not None
    silent = _silent(events) if not is_over else ()
    rounds = [
        _row(number, asked, answered, sites, answers, silent, is_over) for number in sorted(asked)[-SHOWN:]
    ]
    begun = min(asked.values(), default=0.0)
    now = one.ended_at or time.time()
    last = rounds[-1] if rounds else None
    owing = [
        site
        for site, state in (zip(sites, last.states, strict=True) if last else ())
        if state in ("asked", "silent")
    ]
    seconds = now - begun if begun else 0.0
    return RunProgress(
        run=one.run,
        name=one.name,
        state=str(one.state),
        is_over=is_over,
        sites=sites,
        answered=len(answered),
        rounds=tuple(rounds),
        waiting_for=() if is_over else tuple(owing),
        seconds=round(seconds, 1),
        seconds_left=None if is_over else _left(store, one.study, one.run, len(answered), seconds),
        bytes=sum(answer["bytes"] for answer in answers),
        last_event=max((event["id"] for event in events), default=0),
    )


def _times(events: Sequence[Mapping[str, Any]], what: str) -> dict[int, float]:
    """Round -> when it was first asked, or answered."""
    found: dict[int, float] = {}
    for event in events:
        if event["what"] == what and event["detail"].startswith("round "):
            found.setdefault(int(event["detail"].removeprefix("round ")), event["at"])
    return found


def _silent(events: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The sites of which the last thing noted is that they are waited for."""
    last = next(
        (one for one in reversed(events) if one["what"] in ("waiting for", "answered", "asked")), None
    )
    return tuple(last["detail"].split(", ")) if last is not None and last["what"] == "waiting for" else ()


def _row(
    number: int,
    asked: Mapping[int, float],
    answered: Mapping[int, float],
    sites: tuple[str, ...],
    answers: Sequence[Mapping[str, Any]],
    silent: tuple[str, ...],
    is_over: bool,
) -> RoundRow:
    sent = {answer["site"]: int(answer["bytes"]) for answer in answers if answer["round"] == number}
    took = answered[number] - asked[number] if number in answered else None
    states: list[CellState] = []
    for site in sites:
        if site in sent:
            states.append("answered")
        elif is_over:
            states.append("failed")
        else:
            states.append("silent" if site in silent else "asked")
    return RoundRow(
        number,
        None if took is None else round(took, 2),
        tuple(states),
        tuple(sent.get(site, 0) for site in sites),
    )


def _left(store: Store, study: str, run: str, answered: int, seconds: float) -> float | None:
    """Seconds that are left, if it has as many rounds as the last finished run of the same study had."""
    for earlier in store.entries(study):
        if earlier.run != run and earlier.state in FINISHED and answered:
            rounds = len(store.memory(earlier.run))
            return round(max(rounds - answered, 0) * seconds / answered, 1)
    return None
