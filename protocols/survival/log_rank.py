"""The log-rank test and its relatives of the G-rho family, stratified by site or on a public grid.

Stratified by site (the default) it is exact: observed less expected events and their covariance are sums over
strata, so no event time leaves a hospital. With `stratify: none` all sites share their risk sets on a public
grid of days: exact for times rounded up to it.

Reference: Mantel, Cancer Chemother Rep 50 (1966) 163; Harrington & Fleming, Biometrika 69 (1982) 553; R
`survdiff(..., rho)` and `survdiff(... + strata(site))`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy import stats

from protocols.core.cells import last_of_runs, parts, parts_of
from protocols.core.disclosure import Band, Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, Spec, ask, site_step
from protocols.core.site_step import Times
from protocols.core.spec import WantedKind, by_group
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.results.numerals import shown, shown_p
from protocols.survival.life_table import FollowUp, Grid, changes, counted_in_runs, follow_up, known_follow_up


class LogRankSpec(Spec):
    """A survival outcome compared between groups.

    Attributes:
        outcome: a survival variable; its columns are `outcome.time` and `outcome.event`.
        by: the variable that makes the groups; people without a value are left out.
        levels: the values of `by`, one per group.
        rho: weight survival^rho of each time; 0 is the log-rank test, 1 Peto & Peto's.
        strata: variables within whose combinations people are compared.
        stratify: by site, or not: then risk sets on the grid leave in a sum over sites.
        entry: a variable, the day from which a person was at risk (delayed entry).
        grid: of days, for `stratify: none`.
    """

    protocol: Literal["log_rank"] = "log_rank"
    outcome: Name
    by: Name
    levels: tuple[float, ...] = Field(default=(0.0, 1.0), min_length=2, max_length=20)
    rho: float = Field(default=0.0, ge=0, le=4)
    strata: tuple[Name, ...] = Field(default=(), max_length=5)
    stratify: Literal["site", "none"] = "site"
    entry: Name | None = None
    grid: Grid | None = None

    @model_validator(mode="after")
    def _grid_where_it_is_used(self) -> "LogRankSpec":
        if (self.stratify == "none") != (self.grid is not None):
            raise ValueError("`grid` needs `stratify: none`: sites then share risk sets on it")
        if self.strata and self.stratify == "none":
            raise ValueError("`strata` needs `stratify: site`")
        return self

    def wanted(self) -> Mapping[str, WantedKind]:
        return {**dict.fromkeys(self.strata, "any"), self.outcome: "survival"}

    def variables(self) -> tuple[str, ...]:
        return (self.outcome, self.by, *self.strata, *((self.entry,) if self.entry else ()))

    def stands_on(self) -> tuple[str, ...]:
        return ()  # every entry has a count of its own

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        yield from by_group(table, self.by, super().sets_of_people(table))

    def groups(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(f"{self.by}={level:g}" for level in self.levels)


@dataclass(frozen=True)
class LogRankResult(Result):
    """Whether survival differs between G groups.

    Attributes:
        groups: (G,) names.
        n, n_events: (G,) people and events.
        observed, expected: (G,) weighted by survival^rho.
        covariance: (G, G) of observed less expected.
        chi_square, df, p: of the test.
        rho: of the weights.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="log_rank", outcome="os", by="idh1")
    >>> found.summary()[["n", "observed", "expected"]].round(1)
              n  observed  expected
    idh1=0  175     129.0      78.5
    idh1=1  165      64.0     114.5
    >>> found.p < 1e-9
    True
    """

    groups: tuple[str, ...]
    n: Integers
    n_events: Integers
    observed: Floats
    expected: Floats
    covariance: Floats
    chi_square: float
    df: int
    p: float
    rho: float

    def summary(self) -> pd.DataFrame:
        frame = pd.DataFrame({"n": self.n, "n_events": self.n_events}, index=list(self.groups))
        frame = frame.assign(observed=self.observed, expected=self.expected)
        return frame.assign(chi_square=self.chi_square, p=self.p)

    def figure(self) -> Figure:
        bars = tuple(
            Bar(group, float(found[g]), _events(float(found[g])), series=name)
            for g, group in enumerate(self.groups)
            for name, found in (("observed", self.observed), ("expected", self.expected))
        )
        weighted = f", weighted by survival to the power of {self.rho:g}" if self.rho else ""
        return Figure(
            (Bars("", Axis("events", low=0.0), bars),),
            f"Events observed, and expected if survival did not differ{weighted}: chi-square "
            f"{shown(self.chi_square)}, {shown_p(self.p)}.",
        )


def _events(number: float) -> str:
    """Events as people count them, where they are whole."""
    return f"{number:.0f}" if number.is_integer() else shown(number)


class LogRank(FederatedProtocol[LogRankSpec, LogRankResult]):
    """Observed and expected events by group."""

    name = "log_rank"
    version = "2"
    spec_type = LogRankSpec

    @site_step(
        times=lambda spec: Times.where(spec.grid is None),
        n=Count(),
        people=Count("group", of="n"),
        events=Count("group", of="n", what="people with the event"),
        observed=Moment("group", what="observed events"),
        expected=Moment("group", what="expected events"),
        covariance=Moment("group", "group", what="covariance of these"),
    )
    def within_site(spec: LogRankSpec, table: AnalysisTable) -> Arrays:
        """Observed and expected events by group in the strata of this hospital, at its own event times."""
        G = len(spec.levels)
        sums = LogRankSums(np.zeros(G), np.zeros(G), np.zeros((G, G)))
        table = _known(table, spec)
        for stratum in _strata(table, spec):
            sums += log_rank(*_at_event_times(stratum, spec), spec.rho)
        return {
            **_people(table, spec),
            "observed": sums.observed,
            "expected": sums.expected,
            "covariance": sums.covariance,
        }

    @site_step(
        times=lambda spec: Times.where(spec.grid is not None),
        refines=True,
        enough=Band("group", "part", what="people who leave or enter, in whole floors"),
    )
    def leaving(spec: LogRankSpec, table: AnalysisTable) -> Arrays:
        """In which parts of the grid enough people leave or enter, by group."""
        edges = _edges(spec)
        groups = _groups(_known(table, spec), spec)
        return {"enough": parts_of(np.array([changes(group, edges) for group in groups]))}

    @site_step(
        times=lambda spec: Times.where(spec.grid is not None),
        n=Count(),
        people=Count("group", of="n"),
        at_risk=Count("group", "interval", of="n", what="people at risk"),
        deaths=Count("group", "interval", of="n", what="people with the event"),
    )
    def on_grid(spec: LogRankSpec, table: AnalysisTable, last: Integers) -> Arrays:
        """People at risk and events by group, in runs of intervals with these (interval,) last ones."""
        table = _known(table, spec)
        counts = [counted_in_runs(group, _edges(spec), last) for group in _groups(table, spec)]
        people = _people(table, spec)
        return {
            "n": people["n"],
            "people": people["people"],
            "at_risk": np.array([at_risk for at_risk, _ in counts]),
            "deaths": np.array([deaths for _, deaths in counts]),
        }

    def axes(self, spec: LogRankSpec) -> dict[str, int]:
        bins = spec.grid.bins() if spec.grid else 0
        return {"group": len(spec.levels), "interval": bins, "part": parts(bins)}

    def coordinate(self, spec: LogRankSpec) -> Coordination[LogRankResult]:
        if spec.stratify == "site":
            total = yield ask("within_site")
            sums = LogRankSums(total["observed"], total["expected"], total["covariance"])
            return result(spec, sums, total["people"], total["events"], total.min_count)
        found = yield ask("leaving")
        total = yield ask("on_grid", last=last_of_runs(found["enough"].min(axis=0), found.over_all))
        sums = log_rank(total["at_risk"], total["deaths"], spec.rho)
        return result(spec, sums, total["people"], total["deaths"].sum(axis=1), total.min_count)

    def method(self, spec: LogRankSpec) -> str:
        strata = [*(["hospital"] if spec.stratify == "site" else []), *spec.strata]
        kind = f"Fleming and Harrington's test (rho {spec.rho:g})" if spec.rho else "Log-rank test"
        parted = f", stratified by {listed(strata)}" if strata else ""
        return f"{kind} of {spec.outcome} by {spec.by}{parted}."

    def about(self, spec: LogRankSpec) -> str:
        over = "over all sites together" if spec.grid else "stratified by site"
        return f"Log-rank test (rho = {spec.rho:g}) of {spec.outcome} by {spec.by}, {over}."

    def notes(self, spec: LogRankSpec) -> Sequence[str]:
        if spec.grid is None:
            return ["No event time leaves."]
        return [
            f"Intervals are of {spec.grid.step_days} days up to day {spec.grid.until_days}, and longer where "
            "few people of a group leave."
        ]


@dataclass(frozen=True)
class LogRankSums:
    """Weighted observed and expected events (G,) and the covariance (G, G) of their differences."""

    observed: Floats
    expected: Floats
    covariance: Floats

    def __add__(self, other: "LogRankSums") -> "LogRankSums":
        return LogRankSums(
            self.observed + other.observed,
            self.expected + other.expected,
            self.covariance + other.covariance,
        )


def log_rank(at_risk: Integers, deaths: Integers, rho: float) -> LogRankSums:
    """The sums of one stratum from (G, K) people at risk and events at K times or in K intervals.

    The weight is the Kaplan-Meier estimate of all groups just before, to the power rho; the covariance is
    that of the multivariate hypergeometric distribution (Kalbfleisch & Prentice 2002, eq. 1.16).
    """
    used = deaths.sum(axis=0) > 0
    r, d = at_risk[:, used].astype(np.float64), deaths[:, used].astype(np.float64)
    n, all_d = r.sum(axis=0), d.sum(axis=0)
    before = np.append(1.0, np.cumprod(1 - all_d / n)[:-1])[: len(n)]
    weight = before**rho
    share = r / n
    spread = weight**2 * all_d * (n - all_d) / np.maximum(n - 1, 1)
    covariance = np.diag(share @ spread) - (share * spread) @ share.T
    return LogRankSums(d @ weight, share @ (weight * all_d), covariance)


def _known(table: AnalysisTable, spec: LogRankSpec) -> AnalysisTable:
    """The table of the people in one of the groups whose follow-up and strata are known."""
    table = known_follow_up(table.complete((spec.by, *spec.strata)), spec.outcome, spec.entry)
    return table.select(np.isin(table.column(spec.by), spec.levels))


def _edges(spec: LogRankSpec) -> Floats:
    return spec.grid.edges() if spec.grid else np.zeros(1)


def _groups(table: AnalysisTable, spec: LogRankSpec) -> list[FollowUp]:
    people, by = follow_up(table, spec.outcome, spec.entry), table.column(spec.by)
    return [people.select(by == level) for level in spec.levels]


def _people(table: AnalysisTable, spec: LogRankSpec) -> Arrays:
    groups = _groups(table, spec)
    return {
        "n": np.array(len(table)),
        "people": np.array([len(group.time) for group in groups]),
        "events": np.array([group.event.sum() for group in groups]),
    }


def _strata(table: AnalysisTable, spec: LogRankSpec) -> Iterator[AnalysisTable]:
    """The table of each combination of the strata's values."""
    for rows in stratum_masks(table.matrix(spec.strata)):
        yield table.select(rows)


def stratum_masks(values: Floats) -> list[Mask]:
    """The (n,) rows of each distinct row of (n, s) values; all rows where there are no strata."""
    if not values.shape[1]:
        return [np.ones(len(values), dtype=bool)]
    _, which = np.unique(values, axis=0, return_inverse=True)
    return [which.ravel() == stratum for stratum in range(int(which.max(initial=-1)) + 1)]


def _at_event_times(table: AnalysisTable, spec: LogRankSpec) -> tuple[Integers, Integers]:
    """The (G, K) people at risk and events at the K times at which anybody here has the event."""
    groups = _groups(table, spec)
    times = np.unique(np.concatenate([group.time[group.event] for group in groups]))
    at_risk, deaths = [], []
    for group in groups:
        left = np.searchsorted(np.sort(group.time), times, side="left")
        began = np.full(len(times), len(group.time))
        if group.entry is not None:
            began = np.searchsorted(np.sort(group.entry), times, side="left")
        at_risk.append(began - left)
        deaths.append(np.bincount(np.searchsorted(times, group.time[group.event]), minlength=len(times)))
    return np.array(at_risk), np.array(deaths)


def result(
    spec: LogRankSpec, sums: LogRankSums, people: Integers, events: Integers, min_count: int
) -> LogRankResult:
    """The test of joined sums.

    Raises:
        StudyError: withheld; a group has too few people. separation: nobody has the event.
    """
    few = [name for name, n in zip(spec.groups(), people, strict=True) if n < min_count]
    if few:
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {min_count} people with a known {spec.outcome} in {', '.join(few)}",
            f"leave these out of `levels`, or merge levels of {spec.by}",
        )
    if not np.sum(events):
        raise StudyError(
            Code.SEPARATION,
            f"nobody in these groups has an event of {spec.outcome}",
            "use a longer follow-up, or include more people",
        )
    compared = np.flatnonzero(np.diag(sums.covariance) > 0)[1:]  # they sum to 0: one of them follows
    difference = (sums.observed - sums.expected)[compared]
    covariance = sums.covariance[np.ix_(compared, compared)]
    chi_square = float(difference @ np.linalg.solve(covariance, difference)) if compared.size else 0.0
    return LogRankResult(
        groups=spec.groups(),
        n=np.asarray(people, dtype=np.int64),
        n_events=np.asarray(events, dtype=np.int64),
        observed=sums.observed,
        expected=sums.expected,
        covariance=sums.covariance,
        chi_square=chi_square,
        df=len(compared),
        p=float(stats.chi2.sf(chi_square, len(compared))) if compared.size else 1.0,
        rho=spec.rho,
    )
