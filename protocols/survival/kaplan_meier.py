"""Kaplan-Meier survival and Nelson-Aalen hazard by group, with log-log intervals and medians.

Exact for times rounded up to a public grid of days: people at risk and events by interval are sums over
sites. Neighbouring intervals are joined until at least the study's `min_count` people leave in each: whole
floors of people who leave, asked before, say where. When in such a run the events were is not known, and the
curve steps in its middle. It ends where fewer people are at risk, and no event time is known more finely than
the grid, which is a week or wider.

Reference: Kaplan & Meier, J Am Stat Assoc 53 (1958) 457; Aalen, Ann Stat 6 (1978) 701; R
`survfit(conf.type = "log-log")`, `quantile.survfit`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from protocols.core.cells import last_of_runs, parts, parts_of
from protocols.core.disclosure import Array, Band, Count
from protocols.core.errors import Code, SpecError, StudyError
from protocols.core.figure import Figure
from protocols.core.privacy import MayBeNoised, MayBePrivate, Noised, Rows
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, ask, site_step
from protocols.core.spec import WantedKind, by_group
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.estimation.noisy import in_cells, level_of, noisy_sums
from protocols.results.survival_figures import survival_panel
from protocols.survival.life_table import (
    Curve,
    FollowUp,
    Grid,
    Interval,
    changes,
    continued,
    counted_in_runs,
    crossing,
    curve,
    follow_up,
    in_the_middle,
    known_follow_up,
    over_runs,
)

_FEWEST_NOISED = 10  # people at risk, noise among them, below which a curve with noise ends
_FEIGNED = 3.0  # standard deviations of noise that a run of intervals must exceed


class KaplanMeierSpec(MayBePrivate):
    """A survival outcome by groups.

    Attributes:
        outcome: a survival variable; its columns are `outcome.time` and `outcome.event`.
        by: a variable that makes the groups; people without a value are left out.
        levels: the values of `by`, one per group.
        entry: a variable, the day from which a person was at risk (delayed entry).
        grid: of days.
        quantiles: shares of people with the event whose day is asked for; 0.5 is the median.
        level: of the confidence intervals.
        interval: the scale of survival on which they are symmetric.
    """

    protocol: Literal["kaplan_meier"] = "kaplan_meier"
    outcome: Name
    by: Name | None = None
    levels: tuple[float, ...] = Field(default=(0.0, 1.0), min_length=1, max_length=20)
    entry: Name | None = None
    grid: Grid = Grid()
    quantiles: tuple[float, ...] = (0.25, 0.5, 0.75)
    level: float = Field(default=0.95, gt=0, lt=1)
    interval: Interval = "log-log"

    @field_validator("quantiles")
    @classmethod
    def _are_shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < share < 1 for share in value):
            raise ValueError("quantiles lie between 0 and 1")
        return value

    def wanted(self) -> Mapping[str, WantedKind]:
        return {self.outcome: "survival"}

    def variables(self) -> tuple[str, ...]:
        return (self.outcome, *((self.by,) if self.by else ()), *((self.entry,) if self.entry else ()))

    def stands_on(self) -> tuple[str, ...]:
        return ()  # every entry has a count of its own

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        yield from by_group(table, self.by, super().sets_of_people(table))

    def cells_published(self) -> int:
        return len(self.levels) * self.grid.bins() if self.by else 0

    def not_private(self) -> str:
        return "delayed entry has no form with noise: leave `entry` out" if self.entry else ""

    def private_size(self, arrays: Mapping[str, Array]) -> int:
        return len(self.groups()) * 2 * (self.grid.bins() + 1)

    def private_rows(self, table: AnalysisTable, **arrays: Array) -> Rows:
        """Each person in the interval of leaving, by group and event; the last is beyond the grid."""
        table, bins = known_follow_up(table, self.outcome), self.grid.bins()
        on = follow_up(table, self.outcome).on(self.grid.edges())
        group = level_of(table.column(self.by), self.levels) if self.by else np.zeros(len(table), np.int64)
        interval = np.minimum(on.time, bins + 1).astype(np.int64) - 1
        cell = (group * 2 + on.event) * (bins + 1) + interval
        return in_cells(np.where((group < 0) | (interval < 0), -1, cell), self.private_size({}))

    def groups(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(f"{self.by}={level:g}" for level in self.levels) if self.by else ("all",)


@dataclass(frozen=True)
class KaplanMeierResult(MayBeNoised, Result):
    """Survival curves of G groups at the K days that end the grid's intervals.

    Attributes:
        groups: (G,) names; a group of fewer than `min_count` people has no curve.
        days: (K,) since the index date.
        n: (G,) people.
        at_risk, events: (G, K) in each interval; -1 beyond the curve's end.
        joined: (G, K) whether it belongs to those before it: `at_risk` is that where these begin.
        survival, se, lower, upper: (G, K) with Greenwood's standard error and its interval.
        hazard, hazard_se: (G, K) Nelson-Aalen.
        quantiles: (Q,) shares with the event; quantile_days, quantile_lower, quantile_upper: (G, Q) when.
        level: of the intervals.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="kaplan_meier", outcome="os", by="idh1", quantiles=[0.5])
    >>> found.summary()[["n", "n_events", "day_0.5"]]
              n  n_events  day_0.5
    idh1=0  175       129    510.0
    idh1=1  165        64   1590.0
    """

    groups: tuple[str, ...]
    days: Floats
    n: Integers
    at_risk: Integers
    events: Integers
    joined: Mask
    survival: Floats
    se: Floats
    lower: Floats
    upper: Floats
    hazard: Floats
    hazard_se: Floats
    quantiles: tuple[float, ...]
    quantile_days: Floats
    quantile_lower: Floats
    quantile_upper: Floats
    level: float

    def summary(self) -> pd.DataFrame:
        """One row per group: people, events until the curve ends, and the days of the quantiles."""
        frame = pd.DataFrame({"n": self.n}, index=list(self.groups))
        frame["n_events"] = np.where(self.events >= 0, self.events, 0).sum(axis=1)
        for j, share in enumerate(self.quantiles):
            frame[f"day_{share:g}"] = self.quantile_days[:, j]
            frame[f"lower_{share:g}"] = self.quantile_lower[:, j]
            frame[f"upper_{share:g}"] = self.quantile_upper[:, j]
        return frame

    def figure(self) -> Figure:
        at_risk = np.where(self.joined, -1, self.at_risk)
        curves = (self.survival, self.lower, self.upper, at_risk)
        return Figure(
            (survival_panel(self.groups, self.days, *curves),),
            f"Kaplan-Meier curves with {self.level:.0%} intervals, in steps of the study's grid of days; a "
            "curve ends where too few people are at risk.",
        )


class KaplanMeier(FederatedProtocol[KaplanMeierSpec, KaplanMeierResult]):
    """Survival curves by group."""

    name = "kaplan_meier"
    version = "2"
    spec_type = KaplanMeierSpec

    @site_step(
        refines=True,
        enough=Band("group", "part", what="people who leave or enter, in whole floors"),
    )
    def leaving(spec: KaplanMeierSpec, table: AnalysisTable) -> Arrays:
        """In which parts of the grid enough people leave or enter, by group."""
        edges = spec.grid.edges()
        return {"enough": parts_of(np.array([changes(group, edges) for group in grouped(table, spec)]))}

    @site_step(
        n=Count(),
        people=Count("group", of="n"),
        at_risk=Count("group", "interval", of="n", what="people at risk"),
        events=Count("group", "interval", of="n", what="people with the event"),
    )
    def life_table(spec: KaplanMeierSpec, table: AnalysisTable, last: Integers) -> Arrays:
        """People at risk and events by group, in runs of intervals with these (group, interval) last ones."""
        groups, edges = grouped(table, spec), spec.grid.edges()
        counts = [counted_in_runs(group, edges, end) for group, end in zip(groups, last, strict=True)]
        people = np.array([len(group.time) for group in groups])
        return {
            "n": np.array(people.sum()),
            "people": people,
            "at_risk": np.array([at_risk for at_risk, _ in counts]),
            "events": np.array([events for _, events in counts]),
        }

    def axes(self, spec: KaplanMeierSpec) -> dict[str, int]:
        bins = spec.grid.bins()
        return {"group": len(spec.groups()), "interval": bins, "part": parts(bins)}

    def coordinate(self, spec: KaplanMeierSpec) -> Coordination[KaplanMeierResult]:
        if spec.privacy:
            return noisy_result(spec, *(yield from noisy_sums(spec)))
        found = yield ask("leaving")
        last = last_of_runs(found["enough"], found.over_all)
        total = yield ask("life_table", last=last)
        placed = {
            "at_risk": over_runs(total["at_risk"], last),
            "events": in_the_middle(total["events"], last),
        }
        return result(spec, {**total.arrays, **placed}, total.min_count, last)

    def fitter(self, spec: KaplanMeierSpec, result: KaplanMeierResult, group: str | None = None) -> Any:
        """A KaplanMeierFitter of one group, which is named where there are several."""
        from protocols.results import fitters  # lifelines loads with it

        group = result.groups[0] if group is None and len(result.groups) == 1 else group
        if group not in result.groups:
            known = ", ".join(result.groups)
            raise SpecError(Code.INVALID_STUDY, f"the curves have no group {group!r}", f"known: {known}")
        g = result.groups.index(group)
        shown = result.at_risk[g] >= 0
        if not shown.any():
            raise SpecError(Code.INVALID_STUDY, f"{group} has too few people for a curve")
        table = fitters.LifeTable(
            days=result.days[shown],
            at_risk=result.at_risk[g, shown],
            events=result.events[g, shown],
            lower=result.lower[g, shown],
            upper=result.upper[g, shown],
            level=result.level,
        )
        return fitters.kaplan_meier(table, group)

    def method(self, spec: KaplanMeierSpec) -> str:
        by = f" by {spec.by}" if spec.by else ""
        return (
            f"Kaplan-Meier curves of {spec.outcome}{by} on a grid of {spec.grid.step_days} days up to day "
            f"{spec.grid.until_days}; intervals in which few people leave are joined, with their events in "
            f"the middle; {spec.interval} intervals (Greenwood's variance)."
        )

    def about(self, spec: KaplanMeierSpec) -> str:
        return f"Kaplan-Meier curves of {spec.outcome}{f' by {spec.by}' if spec.by else ''}."

    def notes(self, spec: KaplanMeierSpec) -> Sequence[str]:
        return [
            f"Intervals are of {spec.grid.step_days} days up to day {spec.grid.until_days}, and longer where "
            "few people leave; no time is known more finely than that, and a curve ends where few are left."
        ]


def noisy_result(spec: KaplanMeierSpec, sums: Floats, noised: Noised) -> KaplanMeierResult:
    """The curves of noisy numbers of people who leave, with the event or without, by group and interval.

    Neighbouring intervals are joined until more people leave in each than noise would feign; the standard
    errors know of the noise in the events.
    """
    bins, variance = spec.grid.bins(), noised.deviation**2
    by_group = sums.reshape(len(spec.groups()), 2, bins + 1)
    people, at_risk, events, noise, ended = [], [], [], [], []
    for censored, with_event in by_group:
        left = censored + with_event
        ends = _ends_above_noise(left, noised.deviation)
        parts = np.split(np.arange(bins), ends[:-1] + 1)
        d = np.array([max(with_event[part].sum(), 0.0) for part in parts])
        at_start = np.array([left[part[0] :].sum() for part in parts])
        at_start = np.maximum(np.minimum.accumulate(at_start), 0.0)
        d = np.minimum(d, at_start)
        last = np.repeat(ends, [len(part) for part in parts])
        spread = np.zeros((3, bins))
        spread[:, ends] = at_start, d, [variance * len(part) for part in parts]
        whole = np.rint(spread[:2]).astype(np.int64)
        people.append(round(max(left.sum(), 0.0)))
        at_risk.append(over_runs(whole[0], last))
        events.append(in_the_middle(whole[1], last))
        noise.append(in_the_middle(spread[2], last))
        ended.append(last)
    arrays = {"people": np.array(people), "at_risk": np.array(at_risk), "events": np.array(events)}
    found = result(spec, arrays, _FEWEST_NOISED, np.array(ended), np.array(noise))
    return replace(found, noised=noised)


def _ends_above_noise(left: Floats, deviation: float) -> Integers:
    """The last intervals of runs in which more people leave than noise feigns, of (bins + 1,) `left`."""
    ends, since, inside = [], 0, 0.0
    for k, people in enumerate(left[:-1]):
        inside += people
        if inside >= _FEIGNED * deviation * np.sqrt(2 * (k + 1 - since)):
            ends.append(k)
            since, inside = k + 1, 0.0
    if not ends or ends[-1] != len(left) - 2:
        ends = [*ends[:-1], len(left) - 2]  # who is left over joins the last run
    return np.array(ends)


def grouped(table: AnalysisTable, spec: KaplanMeierSpec) -> list[FollowUp]:
    """The follow-up of each group's people."""
    table = known_follow_up(table, spec.outcome, spec.entry)
    people = follow_up(table, spec.outcome, spec.entry)
    if spec.by is None:
        return [people]
    return [people.select(table.column(spec.by) == level) for level in spec.levels]


def result(
    spec: KaplanMeierSpec,
    counts: Arrays,
    min_count: int,
    last: Integers | None = None,
    noise: Floats | None = None,
) -> KaplanMeierResult:
    """The result of joined counts.

    Args:
        last: (group, interval) the last ones of runs; None where each interval is by itself.
        noise: (group, interval) variance of the noise in the events.

    Raises:
        StudyError: withheld; no group has enough people.
    """
    n = np.asarray(counts["people"], dtype=np.int64)
    if (n < min_count).all():
        raise StudyError(
            Code.WITHHELD,
            f"no group of {spec.by} has {min_count} people with a known {spec.outcome}",
            "group by fewer levels",
        )
    days = spec.grid.edges()[1:]
    at_risk, events = (np.asarray(counts[name], dtype=np.int64) for name in ("at_risk", "events"))
    curves = [
        curve(r, e, level=spec.level, min_count=min_count, interval=spec.interval, noise=v)
        for r, e, v in zip(at_risk, events, np.zeros(events.shape) if noise is None else noise, strict=True)
    ]
    shown = np.array([~np.isnan(c.survival) for c in curves])
    return KaplanMeierResult(
        groups=spec.groups(),
        days=days,
        n=np.where(n < min_count, -1, n),
        at_risk=np.where(shown, at_risk, -1),
        events=np.where(shown, events, -1),
        joined=np.zeros(at_risk.shape, dtype=bool) if last is None else continued(last),
        **stacked(curves),
        quantiles=spec.quantiles,
        quantile_days=_quantiles(days, [c.survival for c in curves], spec),
        quantile_lower=_quantiles(days, [c.lower for c in curves], spec),
        quantile_upper=_quantiles(days, [c.upper for c in curves], spec),
        level=spec.level,
    )


def stacked(curves: Sequence[Curve]) -> Mapping[str, Any]:
    """The arrays of several curves, the curve as their first axis."""
    return {name: np.stack([vars(curve)[name] for curve in curves]) for name in vars(curves[0])}


def _quantiles(days: Floats, curves: Sequence[Floats], spec: KaplanMeierSpec) -> Floats:
    found = [[crossing(days, survival, 1 - share) for share in spec.quantiles] for survival in curves]
    return np.array(found).reshape(len(curves), len(spec.quantiles))
