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
    bins = len(edges) - 1
    on = people.on(edges)
    last = np.minimum(on.time, bins).astype(np.int64)
    at_risk = _from(last, bins)
    if on.entry is not None:
        at_risk = at_risk - _from(on.entry.astype(np.int64), bins)
    events = np.bincount(last[on.event], minlength=bins + 1)[1:]
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
    at_risk: Integers, events: Integers, *, level: float, min_count: int, interval: Interval = "log-log"
) -> Curve:
    """The curve of (K,) counts; it ends where fewer than `min_count` people are at risk."""
    n, d = at_risk.astype(np.float64), events.astype(np.float64)
    ended = np.logical_or.accumulate(n < min_count)
    n = np.where(ended, np.nan, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival: Floats = np.asarray(np.cumprod(1 - d / n), dtype=np.float64)
        relative: Floats = np.sqrt(np.cumsum(d / (n * (n - d))))  # of the logarithm of survival
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
        np.sqrt(np.cumsum(d / n**2)),
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
