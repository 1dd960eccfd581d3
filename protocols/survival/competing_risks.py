"""Cumulative incidence of events that exclude each other, and restricted mean times, by group.

Whoever dies cannot progress any more: one less Kaplan-Meier of progression counts the dead as if they still
could, and says too much. Here the first event of several outcomes counts. Follow-up ends on the first day on
which any of them ends; of events on one day the outcome that is named later counts, so that
`[pfs, os]` is progression and death without it, for progression-free survival counts death as well.

Exact for times rounded up to a public grid of days, whose intervals are joined until at least the study's
`min_count` people leave in each; events of a run stand in its middle, and a curve ends where fewer people are
at risk, as in `kaplan_meier`. A cause of fewer events than `min_count` over all is refused.

Reference: Aalen & Johansen, Scand J Stat 5 (1978) 141, and `protocols/survival/incidence.py`; R
`survfit(Surv(time, factor(status)) ~ group)`; Royston & Parmar, Stat Med 30 (2011) 2409.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from protocols.core.cells import last_of_runs, parts, parts_of
from protocols.core.disclosure import SUPPRESSED, Band, Count
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Bar, Bars, Curve, Curves, Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, ask, site_step
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.wording import listed
from protocols.results.figures import MOST_PANELS, floats
from protocols.results.numerals import shown, shown_p
from protocols.results.survival_figures import numbers_at_risk
from protocols.survival.competing_risks_spec import CompetingRisksSpec
from protocols.survival.incidence import Incidence, incidence, restricted_mean, time_lost
from protocols.survival.life_table import (
    FollowUp,
    changes,
    continued,
    counted_in_runs,
    follow_up,
    in_the_middle,
    over_runs,
)


@dataclass(frozen=True)
class CompetingRisksResult(Result):
    """Curves of G groups and J outcomes at the K days that end the grid's intervals.

    Beyond a curve's end its numbers are NaN.

    Attributes:
        groups: (G,) names; outcomes: (J,) names; days: (K,) since the index date; printed: some of them.
        n: (G,) people.
        at_risk: (G, K) and events: (G, J, K) in each interval; -1 beyond the curve's end.
        joined: (G, K) whether it belongs to those before it: `at_risk` is that where these begin.
        survival: (G, K) share without any event.
        incidence, se, lower, upper: (G, J, K) share with the outcome as first event.
        restrict_days: the day within which the next are mean times in days.
        mean, mean_se: (G,) without an event; lost: (G, J) lost to each outcome: with `mean` they are
            `restrict_days`. NaN where a curve ends before.
        difference, difference_lower, difference_upper, p: (G,) of `mean` less that of the first group.
        level: of the intervals.

    >>> from protocols.exchange.example import run_example
    >>> grid = {"step_days": 90, "until_days": 1080}
    >>> found = run_example(protocol="competing_risks", outcomes=["pfs", "os"], by="idh1", grid=grid)
    >>> found.summary()[["n", "events", "share", "mean_days_lost"]].round(2)
                           n  events  share  mean_days_lost
    group  outcome day
    idh1=0 pfs     1080  175      99   0.58          469.63
           os      1080  175      63   0.37          293.52
    idh1=1 pfs     1080  165      50   0.35          216.42
           os      1080  165      44   0.30          191.15
    """

    groups: tuple[str, ...]
    outcomes: tuple[str, ...]
    days: Floats
    printed: tuple[int, ...]
    n: Integers
    at_risk: Integers
    events: Integers
    joined: Mask
    survival: Floats
    incidence: Floats
    se: Floats
    lower: Floats
    upper: Floats
    restrict_days: float
    mean: Floats
    mean_se: Floats
    lost: Floats
    difference: Floats
    difference_lower: Floats
    difference_upper: Floats
    p: Floats
    level: float

    def summary(self) -> pd.DataFrame:
        """One row per group, outcome and printed day: the share with it first, and the days lost to it."""
        rows = [
            {
                "group": group,
                "outcome": outcome,
                "day": day,
                "n": self.n[g],
                "events": int(np.maximum(self.events[g, j], 0).sum()),
                "share": self.incidence[g, j, k],
                "lower": self.lower[g, j, k],
                "upper": self.upper[g, j, k],
                "mean_days_lost": self.lost[g, j],
            }
            for g, group in enumerate(self.groups)
            for j, outcome in enumerate(self.outcomes)
            for day, k in zip(self.printed, np.searchsorted(self.days, self.printed), strict=True)
        ]
        return pd.DataFrame(rows).set_index(["group", "outcome", "day"])

    def figure(self) -> Figure:
        """A panel of incidences per group, as long as there is room, then the mean days within the limit."""
        curves = [self._curves(g) for g in range(len(self.groups))][: MOST_PANELS - 1]
        return Figure((*curves, self._times()), self._caption())

    def _curves(self, g: int) -> Curves:
        x, ends = (0.0, *floats(self.days)), (self.incidence, self.lower, self.upper)
        curves = []
        for j, name in enumerate(self.outcomes):
            share, low, high = ((0.0, *floats(end[g, j])) for end in ends)
            curves.append(Curve(name, x, share, low, high, marks="steps"))
        axes = (Axis("time since the index date", "days", low=0.0), Axis("first event", low=0.0, high=1.0))
        at_risk = np.where(self.joined, -1, self.at_risk)[g : g + 1]
        risk = numbers_at_risk((self.groups[g],), self.days, at_risk)
        return Curves("" if len(self.groups) == 1 else self.groups[g], *axes, tuple(curves), at_risk=risk)

    def _times(self) -> Bars:
        bars = [
            Bar(group, None, "the curve ends before", name)
            if np.isnan(value)
            else Bar(group, value, f"{value:.0f} days", name)
            for g, group in enumerate(self.groups)
            for name, value in (("without an event", float(self.mean[g])), *self._lost(g))
        ]
        return Bars(f"Mean time within {self.restrict_days:g} days", Axis("days", low=0.0), tuple(bars))

    def _lost(self, g: int) -> list[tuple[str, float]]:
        return [(f"lost to {name}", float(self.lost[g, j])) for j, name in enumerate(self.outcomes)]

    def _caption(self) -> str:
        said = [
            f"{shown(self.difference[g])} days more without an event in {group} than in {self.groups[0]}, "
            f"{shown_p(self.p[g])}"
            for g, group in enumerate(self.groups)
            if g and np.isfinite(self.p[g])
        ]
        return " ".join(
            [
                f"Cumulative incidence of the first event with {self.level:.0%} intervals, in steps of the "
                "study's grid of days; a curve ends where too few people are at risk.",
                *(f"{line}." for line in said),
            ]
        )


class CompetingRisks(FederatedProtocol[CompetingRisksSpec, CompetingRisksResult]):
    """Cumulative incidence by group."""

    name = "competing_risks"
    spec_type = CompetingRisksSpec

    @site_step(
        refines=True,
        enough=Band("group", "part", what="people who leave, in whole floors"),
        with_event=Band("cause", what="people whose first event is the outcome, in whole floors"),
    )
    def leaving(spec: CompetingRisksSpec, table: AnalysisTable) -> Arrays:
        """In which parts of the grid enough people leave, by group, and which outcomes enough people have."""
        edges, groups = spec.grid.edges(), grouped(table, spec)
        of_cause = [[int(people.on(edges).event.sum()) for people in causes] for _, causes in groups]
        return {
            "enough": parts_of(np.array([changes(anyone, edges) for anyone, _ in groups])),
            "with_event": np.array(of_cause, dtype=np.int64).sum(axis=0),
        }

    @site_step(
        n=Count(),
        people=Count("group", of="n"),
        at_risk=Count("group", "interval", of="n", what="people at risk"),
        events=Count("group", "cause", "interval", of="n", what="people whose first event is the outcome"),
    )
    def life_table(spec: CompetingRisksSpec, table: AnalysisTable, last: Integers) -> Arrays:
        """People at risk and first events by group, in runs with these (group, interval) last intervals."""
        edges, groups = spec.grid.edges(), grouped(table, spec)
        both = list(zip(groups, last, strict=True))
        people = np.array([len(anyone.time) for anyone, _ in groups])
        return {
            "n": np.array(people.sum()),
            "people": people,
            "at_risk": np.array([counted_in_runs(anyone, edges, end)[0] for (anyone, _), end in both]),
            "events": np.array(
                [[counted_in_runs(cause, edges, end)[1] for cause in causes] for (_, causes), end in both]
            ),
        }

    def axes(self, spec: CompetingRisksSpec) -> dict[str, int]:
        bins = spec.grid.bins()
        sizes = {"group": len(spec.groups()), "cause": len(spec.outcomes)}
        return sizes | {"interval": bins, "part": parts(bins)}

    def coordinate(self, spec: CompetingRisksSpec) -> Coordination[CompetingRisksResult]:
        found = yield ask("leaving")
        if (few := found["with_event"] < found.floors).any():
            raise _too_few(np.array(spec.outcomes)[few].tolist(), found.min_count)
        last = last_of_runs(found["enough"], found.over_all)
        total = yield ask("life_table", last=last)
        placed = {
            "at_risk": over_runs(total["at_risk"], last),
            "events": in_the_middle(total["events"], np.broadcast_to(last[:, None], total["events"].shape)),
        }
        return result(spec, {**total.arrays, **placed}, total.min_count, last)

    def method(self, spec: CompetingRisksSpec) -> str:
        by = f" by {spec.by}" if spec.by else ""
        return (
            f"Cumulative incidence of {listed(spec.outcomes)} as first events{by} (Aalen & Johansen 1978) on "
            f"a grid of {spec.grid.step_days} days up to day {spec.grid.until_days}; intervals in which few "
            "people leave are joined, with their events in the middle; standard errors by the delta method, "
            "log-log intervals; restricted mean times (Royston & Parmar 2011)."
        )

    def about(self, spec: CompetingRisksSpec) -> str:
        by = f", by {spec.by}" if spec.by else ""
        return f"Which of {', '.join(spec.outcomes)} comes first, and when{by}."

    def notes(self, spec: CompetingRisksSpec) -> Sequence[str]:
        return [
            f"Intervals are of {spec.grid.step_days} days up to day {spec.grid.until_days}, and longer where "
            "few people leave; no time is known more finely than that, and a curve ends where few are left."
        ]


def _too_few(outcomes: Sequence[str], floor: int) -> StudyError:
    return StudyError(
        Code.WITHHELD,
        f"fewer than {floor} people have {listed(outcomes)} as their first event",
        "remove the outcome, or use one that counts several of them",
    )


def grouped(table: AnalysisTable, spec: CompetingRisksSpec) -> list[tuple[FollowUp, list[FollowUp]]]:
    """By group, the follow-up to the first event, and the same with the events of each outcome alone.

    Raises:
        SpecError: an outcome is not days and 0/1.
    """
    columns = [f"{name}.{part}" for name in spec.outcomes for part in ("time", "event")]
    table = table.complete([*columns, *([spec.by] if spec.by else [])])
    several = [follow_up(table, name) for name in spec.outcomes]
    time = np.min([one.time for one in several], axis=0)
    cause = np.full(len(table), -1)
    for j, one in enumerate(several):
        cause[one.event & (one.time == time)] = j
    of_groups = [np.ones(len(table), dtype=bool)]
    if spec.by is not None:
        of_groups = [table.column(spec.by) == level for level in spec.levels]
    return [
        (
            FollowUp(None, time[rows], cause[rows] >= 0),
            [FollowUp(None, time[rows], cause[rows] == j) for j in range(len(several))],
        )
        for rows in of_groups
    ]


def result(
    spec: CompetingRisksSpec, counts: Arrays, min_count: int, last: Integers | None = None
) -> CompetingRisksResult:
    """The result of joined counts.

    Args:
        last: (group, interval) the last ones of runs; None where each interval is by itself.

    Raises:
        StudyError: withheld; no group has enough people, or an outcome has too few events.
    """
    n = np.asarray(counts["people"], dtype=np.int64)
    at_risk, events = (np.asarray(counts[name], dtype=np.int64) for name in ("at_risk", "events"))
    if (n < min_count).all():
        raise StudyError(
            Code.WITHHELD, f"no group has {min_count} people with known outcomes", "group by fewer levels"
        )
    if (few := events.sum(axis=(0, 2)) < min_count).any():
        raise _too_few(np.array(spec.outcomes)[few].tolist(), min_count)
    edges, groups = spec.grid.edges(), range(len(n))
    found = [incidence(at_risk[g], events[g], level=spec.level, min_count=min_count) for g in groups]
    shown_at = np.array([~np.isnan(curves.survival) for curves in found])
    until = int(np.searchsorted(edges, spec.restrict_days or edges[-1]))
    times = [_times(edges[: until + 1], at_risk[g], events[g], found[g]) for g in groups]
    mean, se, lost = (np.array(part) for part in zip(*times, strict=True))
    difference, error = mean - mean[0], np.sqrt(se**2 + se[0] ** 2)
    reach = stats.norm.isf((1 - spec.level) / 2) * error
    joined = np.zeros(at_risk.shape, dtype=bool) if last is None else continued(last)
    return CompetingRisksResult(
        groups=spec.groups(),
        outcomes=spec.outcomes,
        days=edges[1:],
        printed=spec.printed(),
        n=np.where(n < min_count, SUPPRESSED, n),
        at_risk=np.where(shown_at, at_risk, SUPPRESSED),
        events=np.where(shown_at[:, None], events, SUPPRESSED),
        joined=joined & shown_at,
        survival=np.array([curves.survival for curves in found]),
        incidence=np.array([curves.incidence for curves in found]),
        se=np.array([curves.se for curves in found]),
        lower=np.array([curves.lower for curves in found]),
        upper=np.array([curves.upper for curves in found]),
        restrict_days=float(edges[until]),
        mean=mean,
        mean_se=se,
        lost=lost,
        difference=difference,
        difference_lower=difference - reach,
        difference_upper=difference + reach,
        p=_p(difference, error),
        level=spec.level,
    )


def _times(
    edges: Floats, at_risk: Integers, events: Integers, found: Incidence
) -> tuple[float, float, Floats]:
    """The mean time without an event, its error, the (J,) times lost, until the last of (k + 1,) edges."""
    k = len(edges) - 1
    mean, se = restricted_mean(edges, found.survival[:k], at_risk[:k], events[:, :k].sum(axis=0))
    return mean, se, time_lost(edges, found.incidence[:, :k])


def _p(difference: Floats, error: Floats) -> Floats:
    """(G,) two-sided; NaN of the first group, which is compared with itself."""
    with np.errstate(invalid="ignore"):
        p = 2 * stats.norm.sf(np.abs(difference) / error)
    p[0] = np.nan
    return np.asarray(p, dtype=np.float64)
