"""Life tables on a public grid of days: people at risk and events by interval, and the curves they give.

A grid's interval k is (edge k-1, edge k]. A time counts as the end of its interval and an entry as the start
of its own, so a curve on a grid is that of the rounded times: exact for them, and no event time is known more
finely than the grid. With an edge every day and times in whole days it is the curve of the times themselves.

Reference: Kalbfleisch & Prentice, The Statistical Analysis of Failure Time Data (2002), ch. 1; Greenwood
(1926); R `survfit(conf.type = "log-log")`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats

from protocols.core.cells import first_of_runs, gathered
from protocols.core.disclosure import Array
from protocols.core.errors import Code, SpecError
from protocols.core.table import AnalysisTable, Floats, Integers, Mask

FINEST_DAYS = 7
"""The narrowest interval that a study may ask for: daily intervals would give event times back."""


class Grid(BaseModel):
    """A public grid of days from the index date: every `step_days` that covers `until_days`.

    Follow-up beyond the last day is censored there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step_days: int = Field(default=30, ge=FINEST_DAYS)
    until_days: int = Field(default=1800, ge=FINEST_DAYS, le=14_000)

    def bins(self) -> int:
        """How many intervals."""
        return -(-self.until_days // self.step_days)

    def edges(self) -> Floats:
        """The (bins + 1,) days between intervals, from 0."""
        return np.arange(self.bins() + 1, dtype=np.float64) * self.step_days


@dataclass(frozen=True)
class FollowUp:
    """How long people were followed.

    Attributes:
        entry: (n,) day from which they were at risk; None: from the start.
        time: (n,) day of the event or of the last contact.
        event: (n,) true where the time ended in an event.
    """

    entry: Floats | None
    time: Floats
    event: Mask

    def select(self, rows: Mask) -> "FollowUp":
        """The follow-up of the people where the (n,) mask is true."""
        entry = None if self.entry is None else self.entry[rows]
        return FollowUp(entry, self.time[rows], self.event[rows])

    def on(self, edges: Floats) -> "FollowUp":
        """The same in intervals: entry is the last before those at risk in, time the last at risk in.

        Someone who left on day 0 without an event was never at risk; an event then is in the first interval.
        Beyond the last edge everybody is censored.
        """
        last = np.searchsorted(edges, self.time, side="left").astype(np.float64)
        event = self.event & (last < len(edges))
        last = np.where(self.event, np.maximum(last, 1.0), last)
        first = None
        if self.entry is not None:
            first = np.maximum(np.searchsorted(edges, self.entry, side="right") - 1.0, 0.0)
        return FollowUp(first, last, event)

    def ever_at_risk(self) -> Mask:
        """(n,) whether they were at risk in any interval, of a follow-up that is on a grid."""
        risky: Mask = self.time > (0.0 if self.entry is None else self.entry)
        return risky


def known_follow_up(table: AnalysisTable, outcome: str, entry: str | None = None) -> AnalysisTable:
    """The table of the people whose follow-up is known and, with an entry, ends after it."""
    columns = [f"{outcome}.time", f"{outcome}.event", *([entry] if entry else [])]
    table = table.complete(columns)
    if entry is None:
        return table
    later = table.column(f"{outcome}.time") > table.column(entry)
    return table if later.all() else table.select(later)


def follow_up(table: AnalysisTable, outcome: str, entry: str | None = None) -> FollowUp:
    """The follow-up of a survival outcome.

    Raises:
        SpecError: the outcome's columns are not days and 0/1; names the column.
    """
    time, event = table.column(f"{outcome}.time"), table.column(f"{outcome}.event")
    if not np.isin(event, (0.0, 1.0)).all():
        raise SpecError(Code.INVALID_STUDY, f"{outcome}.event is not 0 or 1 everywhere", "code it so")
    if (time < 0).any():
        raise SpecError(
            Code.INVALID_STUDY, f"{outcome}.time is before the index date", "count days from the index date"
        )
    return FollowUp(table.column(entry) if entry else None, time, event == 1)


def counted(people: FollowUp, edges: Floats) -> tuple[Integers, Integers]:
    """The (bins,) people at risk in each interval, and events in it."""
    return _counted(people.on(edges), len(edges) - 1)


def counted_in_runs(people: FollowUp, edges: Floats, last: Integers) -> tuple[Integers, Integers]:
    """The (bins,) people at risk and events in runs of intervals, each in the last interval of its run.

    Who enters inside a run is at risk from the next one on.

    Args:
        last: (bins,) the last interval of the run of each, from 0.

    Raises:
        SpecError: these are no runs.
    """
    ends, number = runs(last, len(edges) - 1)
    found = np.zeros((2, len(edges) - 1), dtype=np.int64)
    found[:, ends] = _counted(on_intervals(people, edges, number), len(ends))
    return found[0], found[1]


def runs(last: Integers, bins: int) -> tuple[Integers, Integers]:
    """The (runs,) last intervals of runs, and the (bins,) number of the run of each interval.

    Raises:
        SpecError: (bins,) `last` does not part the intervals into runs of neighbours.
    """
    ends, number = np.unique(last, return_inverse=True)
    if last.shape != (bins,) or not np.array_equal(last, np.repeat(ends, np.diff(ends, prepend=-1))):
        raise SpecError(Code.INVALID_STUDY, "these intervals are not runs of the study's grid")
    return ends, number.astype(np.int64)


def over_runs(at_end: Integers, last: Integers) -> Integers:
    """The (..., bins) people at risk in every interval of a run, from those in its last one."""
    return np.asarray(np.take_along_axis(at_end, last, axis=-1), dtype=np.int64)


def continued(last: Integers) -> Mask:
    """(..., bins) whether an interval is in the run of the one before."""
    before = np.roll(last, 1, axis=-1)
    found = before == last
    found[..., 0] = False
    return np.asarray(found, dtype=bool)


def in_the_middle(at_end: Array, last: Integers) -> Array:
    """The (..., bins) events of runs in the middle interval of each, from those in its last one.

    When in a run its people had the event is not known; so no event stands further than half a run from where
    it belongs, and late ones make up for early ones.
    """
    bins = np.arange(at_end.shape[-1])
    middle = np.where(last == bins, (first_of_runs(last) + bins + 1) // 2, bins)
    return gathered(at_end, middle)


def changes(people: FollowUp, edges: Floats) -> Integers:
    """The (bins,) people whose leaving or late entry changes who is at risk in each interval.

    Those who are followed beyond the last one are in it.
    """
    on, bins = people.on(edges), len(edges) - 1
    found = ended(people, edges)
    found[-1] += int((on.time > bins).sum())
    if on.entry is not None:
        began = on.entry[(on.entry > 0) & (on.entry < bins)].astype(np.int64)
        found += np.bincount(began, minlength=bins)
    return found


def on_intervals(people: FollowUp, edges: Floats, number: Integers) -> FollowUp:
    """The follow-up in merged intervals: at risk in those after entry, up to the one of time."""
    on = people.on(edges)
    bins = len(number)
    last = np.minimum(on.time, bins).astype(np.int64)
    until = np.where(last > 0, number[last - 1] + 1, 0).astype(np.float64)
    since = None
    if on.entry is not None:
        beyond = np.append(number, number[-1] + 1)
        since = beyond[np.minimum(on.entry, bins).astype(np.int64)].astype(np.float64)
    return FollowUp(since, until, on.event)


def _counted(on: FollowUp, bins: int) -> tuple[Integers, Integers]:
    """Of a follow-up in intervals."""
    last, event = np.minimum(on.time, bins).astype(np.int64), on.event
    at_risk = _from(last, bins)
    if on.entry is not None:
        first = np.minimum(on.entry, last).astype(np.int64)
        at_risk, event = at_risk - _from(first, bins), event & (first < last)
    events = np.bincount(last[event], minlength=bins + 1)[1:]
    return at_risk, events.astype(np.int64)


def ended(people: FollowUp, edges: Floats) -> Integers:
    """The (bins,) people whose follow-up ends in each interval, with the event or without."""
    last = np.minimum(people.on(edges).time, len(edges)).astype(np.int64)
    return np.bincount(last, minlength=len(edges) + 1)[1 : len(edges)].astype(np.int64)


def _from(index: Integers, bins: int) -> Integers:
    """The (bins,) numbers of people whose index is k or more, k from 1."""
    counts = np.bincount(index, minlength=bins + 1)
    return np.cumsum(counts[::-1])[::-1][1:].astype(np.int64)


Interval = Literal["log-log", "log"]
"""On which scale of survival a confidence interval is symmetric."""


@dataclass(frozen=True)
class Curve:
    """Kaplan-Meier and Nelson-Aalen estimates at the end of each of K intervals; NaN beyond where it ends.

    Attributes:
        survival, se: (K,) and Greenwood's standard error.
        lower, upper: (K,) its interval; NaN while survival is 1.
        hazard, hazard_se: (K,) Nelson-Aalen cumulative hazard, and the standard error after Aalen.
    """

    survival: Floats
    se: Floats
    lower: Floats
    upper: Floats
    hazard: Floats
    hazard_se: Floats


def curve(
    at_risk: Integers,
    events: Integers,
    *,
    level: float,
    min_count: int,
    interval: Interval = "log-log",
    noise: Floats | float = 0.0,
) -> Curve:
    """The curve of (K,) counts; it ends where fewer than `min_count` people are at risk.

    Args:
        noise: (K,) variance of what was added to the events.
    """
    n, d = at_risk.astype(np.float64), events.astype(np.float64)
    ended = np.logical_or.accumulate(n < min_count)
    n = np.where(ended, np.nan, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival: Floats = np.asarray(np.cumprod(1 - d / n), dtype=np.float64)
        relative: Floats = np.sqrt(
            np.cumsum(d / (n * (n - d)) + noise / n**2)
        )  # of the logarithm of survival
        log = np.log(survival)
        half = stats.norm.ppf((1 + level) / 2) * relative
        if interval == "log-log":
            lower, upper = (np.exp(log * np.exp(sign * half / np.abs(log))) for sign in (1, -1))
        else:
            lower, upper = survival * np.exp(-half), np.minimum(survival * np.exp(half), 1.0)
    inside = (survival > 0) & (survival < 1)
    return Curve(
        survival,
        np.where(survival > 0, survival * np.where(survival > 0, relative, 0.0), np.nan),
        np.where(inside, lower, np.nan),
        np.where(inside, upper, np.nan),
        np.cumsum(d / n),
        np.sqrt(np.cumsum((d + noise) / n**2)),
    )


def crossing(days: Floats, survival: Floats, share: float) -> float:
    """The day on which a (K,) curve falls to `share`; NaN if it does not.

    Where it lies on the share for a while, the middle of that while, as R's `quantile.survfit`.
    """
    known = ~np.isnan(survival)
    days, survival = days[known], survival[known]
    close = np.sqrt(np.finfo(float).eps)
    at = np.flatnonzero(survival <= share + close)
    if not at.size:
        return float("nan")
    day = float(days[at[0]])
    below = np.flatnonzero(survival < share - close)
    if survival[at[0]] >= share - close and below.size:
        return (day + float(days[below[0]])) / 2
    return day
