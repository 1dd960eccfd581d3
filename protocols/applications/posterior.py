"""What a finding says of a gene, P(G given F), and how often the gene shows it, P(F given G).

The finding F is a sign, a score or a measurement, and positive from each of the study's cuts on (or below).
G is a 0/1 variable: a mutation, a type of tumour, an outcome. By cut: sensitivity, specificity, likelihood
ratios, predictive values here and in populations of another prevalence, and net benefit; by interval between
cuts: P(G given F) and its likelihood ratio. A finding that is a model's probability is recalibrated as well.

Exact: sums of counts by class and interval. In each class neighbouring intervals are joined until at least
the study's `min_count` people are in each; at a cut inside such a run nothing is known of that class. With
`per_site`, each hospital's own numbers in the clear, at the cuts between which every hospital has `min_cell`
people of the class.

References: `protocols/estimation/two_by_two.py`; Vickers & Elkin, Med Decis Making 26 (2006) 565, for net
benefit; Cox, Biometrika 45 (1958) 562, for recalibration; Ayer et al., Ann Math Stat 26 (1955) 641, for P(G
given F) that never falls; Higgins & Thompson, Stat Med 21 (2002) 1539, for I².
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator
from scipy.special import logit

from protocols.applications.posterior_result import AtSite, PosteriorResult
from protocols.core.cells import gathered, last_of_runs, parts, parts_of
from protocols.core.disclosure import SUPPRESSED, Band, Count, Flag, Moment
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, PerSite, ask, site_step
from protocols.core.site_step import NEVER, Times
from protocols.core.spec import Spec, by_group
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Column, Name
from protocols.estimation.heterogeneity import Heterogeneity, heterogeneity
from protocols.estimation.outcome import zero_one
from protocols.estimation.roc import delong, histogram_of, recalibration
from protocols.estimation.two_by_two import (
    ShareInterval,
    at_prevalence,
    credible,
    isotonic,
    likelihood_ratio,
    odds_ratio,
    share,
)
from protocols.survival.life_table import runs
from protocols.validation.net_benefit import THRESHOLDS, Threshold, ascend

Prevalence = Annotated[float, Field(gt=0, lt=1)]


class PosteriorSpec(Spec):
    """A gene and a finding.

    Attributes:
        gene: G, a 0/1 variable.
        finding: F, a number; people without either are left out.
        cuts: ascending; F is positive from each of them on. A sign that is 0 or 1 needs none.
        low_is_positive: F is positive below each cut instead, as a low diffusion coefficient is.
        is_probability: F is a model's probability of G, which is recalibrated.
        prevalences: of G in other populations, in which predictive values are asked for.
        thresholds: probabilities of G from which on one would act.
        level: of the intervals; interval: how those of shares are made.
        per_site: also each site's own numbers, in the clear.
        min_cell: people of a class in each run of intervals that sites show; not below their own floors.
    """

    protocol: Literal["posterior"] = "posterior"
    gene: Name
    finding: Column
    cuts: tuple[float, ...] = Field(default=(1.0,), min_length=1, max_length=40)
    low_is_positive: bool = False
    is_probability: bool = False
    prevalences: tuple[Prevalence, ...] = Field(default=(), max_length=20)
    thresholds: tuple[Threshold, ...] = Field(default=THRESHOLDS, min_length=1, max_length=99)
    level: float = Field(default=0.95, gt=0, lt=1)
    interval: ShareInterval = "wilson"
    per_site: bool = False
    min_cell: int = Field(default=10, ge=10)

    @model_validator(mode="after")
    def _is_a_finding(self) -> "PosteriorSpec":
        ascend(cuts=self.cuts, thresholds=self.thresholds)
        if not np.isfinite(self.cuts).all():
            raise ValueError("cuts are finite")
        if self.finding.split(".")[0] == self.gene:
            raise ValueError("the finding is the gene itself")
        if self.is_probability and self.low_is_positive:
            raise ValueError("a probability of the gene is positive from a cut on: leave low_is_positive out")
        return self

    def variables(self) -> tuple[str, ...]:
        return (self.gene, self.finding.split(".")[0])

    def stands_on(self) -> tuple[str, ...]:
        return ()  # every entry has a count of its own

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        yield from by_group(table, self.gene, super().sets_of_people(table))

    def findings(self) -> tuple[str, ...]:
        """By cut, what is positive."""
        sign = "<" if self.low_is_positive else "≥"
        return tuple(f"{self.finding} {sign} {cut:g}" for cut in self.cuts)

    def intervals(self, ends: Integers) -> tuple[str, ...]:
        """The names of the runs of intervals with these (R,) last ones."""
        borders = [self.cuts[end] for end in ends[:-1]]
        if not borders:
            return ("any",)
        inner = [f"{a:g} to < {b:g}" for a, b in pairwise(borders)]
        return (f"< {borders[0]:g}", *inner, f"≥ {borders[-1]:g}")


class Posterior(FederatedProtocol[PosteriorSpec, PosteriorResult]):
    """What a finding says of a gene."""

    name = "posterior"
    version = "2"
    is_query = True
    spec_type = PosteriorSpec

    @site_step(
        refines=True,
        people=Band("class", what="people without and with the gene, in whole floors"),
        enough=Band("class", "part", what="people with the finding in parts of the axis, in whole floors"),
        together=Band("scored_part", what="people of both classes in parts of the axis, in whole floors"),
    )
    def cells(spec: PosteriorSpec, table: AnalysisTable) -> Arrays:
        """Whether both classes have enough people, and in which parts of the axis these are."""
        counts, _ = counted(spec, table)
        both = parts_of(counts.sum(axis=0)) if spec.is_probability else np.zeros(0, np.int64)
        return {"people": counts.sum(axis=1), "enough": parts_of(counts), "together": both}

    @site_step(
        n=Count(),
        people=Count("class", of="n", what="people without and with the gene"),
        counts=Count("class", "interval", of="n", what="people with the finding in the run of intervals"),
        scored=Count("scored", of="n", what="people of both classes in the run of intervals"),
        sums=Moment("scored", behind="scored", at_most=1.0, what="sums of the finding in these runs"),
    )
    def count(spec: PosteriorSpec, table: AnalysisTable, last: Integers, common: Integers) -> Arrays:
        """People by class in runs of intervals with these (class, interval) last ones.

        A probability is summed in the (interval,) `common` runs of both classes, in which enough people stand
        beside any site's own.
        """
        bins = len(spec.cuts) + 1
        for ends in (*last, common):
            runs(ends, bins)
        counts, sums = counted(spec, table)
        return {
            "n": np.array(counts.sum()),
            "people": counts.sum(axis=1),
            "counts": gathered(counts, last),
            "scored": gathered(counts.sum(axis=0), common) if spec.is_probability else np.zeros(0, np.int64),
            "sums": gathered(sums, common) if spec.is_probability else np.zeros(0),
        }

    @site_step(
        times=lambda spec: Times.where(spec.per_site),
        few=Flag("class", "part", what="sites with too few people in parts of the axis to show them"),
    )
    def hidden(spec: PosteriorSpec, table: AnalysisTable) -> Arrays:
        """Whether fewer than `min_cell` people of a class are in a part of the axis here."""
        counts, _ = counted(spec, table)
        return {"few": (parts_of(counts) < spec.min_cell).astype(np.int64)}

    @site_step(
        times=lambda spec: Times(0, 1) if spec.per_site else NEVER,
        clear=lambda spec: spec.per_site,
        summed=False,
        people=Count("class", what="people without and with the gene"),
        counts=Count("class", "interval", what="people with the finding in runs of intervals"),
    )
    def here(spec: PosteriorSpec, table: AnalysisTable, last: Integers) -> Arrays:
        """This site's people by class, for the clear, in runs that every site has enough people in.

        If one site alone could not show a run, its part would follow from the sum over all.
        """
        counts, _ = counted(spec, table)
        return {"people": counts.sum(axis=1), "counts": gathered(counts, last)}

    def axes(self, spec: PosteriorSpec) -> dict[str, int]:
        bins = len(spec.cuts) + 1
        scored = bins * spec.is_probability
        sizes = {"class": 2, "interval": bins, "part": parts(bins)}
        return sizes | {"scored": scored, "scored_part": parts(scored)}

    def coordinate(self, spec: PosteriorSpec) -> Coordination[PosteriorResult]:
        found, *hidden = yield (ask("cells"), *([ask("hidden")] if spec.per_site else []))
        if (found["people"] < found.floors).any():
            raise too_few(spec, found.min_count)
        last = last_of_runs(found["enough"], found.over_all)
        common = common_runs(last)
        if spec.is_probability:
            common = common_runs(np.array([common, last_of_runs(found["together"], found.floors)]))
        asks, by_all = [ask("count", last=last, common=common)], last
        if spec.per_site:
            by_all = last_of_runs(np.where(hidden[0]["few"] > 0, 0, found.over_all), found.over_all)
            asks += [ask("here", per_site=True, last=by_all)] * (not hidden[0]["few"][:, 0].any())
        total, *sites = yield tuple(asks)
        shown = sites[0] if sites else PerSite({})
        by_site = {site: at_site(spec, arrays, by_all) for site, arrays in shown.answers.items()}
        return result(spec, total.arrays, last, total.min_count, by_site, shown.withheld)

    def method(self, spec: PosteriorSpec) -> str:
        there = " Predictive values at other prevalences after Mercaldo et al. (2007)." * bool(
            spec.prevalences
        )
        return (
            f"Sensitivity, specificity and predictive values of {spec.finding} for {spec.gene} at "
            f"{len(spec.cuts)} cut{'s' * (len(spec.cuts) > 1)} with {spec.level:.0%} intervals "
            f"({_INTERVALS[spec.interval]}); likelihood ratios after Simel et al. (1991).{there}"
        )

    def about(self, spec: PosteriorSpec) -> str:
        return (
            f"How often {' and '.join(spec.findings()[:3])} goes with {spec.gene}, and the other way round."
        )

    def notes(self, spec: PosteriorSpec) -> Sequence[str]:
        said = "A hospital shows its own people at the cuts alone at which every hospital has enough to show."
        return [said] if spec.per_site else []


_INTERVALS = {
    "wilson": "Wilson 1927",
    "clopper-pearson": "Clopper & Pearson 1934",
    "jeffreys": "Jeffreys, Brown et al. 2001",
}


def counted(spec: PosteriorSpec, table: AnalysisTable) -> tuple[Integers, Floats]:
    """The (2, K + 1) people without and with G by interval, and the (K + 1,) sums of F in these.

    Raises:
        SiteError: invalid-input; G is not 0 or 1, or F, which is a probability, not between 0 and 1.
    """
    table = table.complete([spec.gene, spec.finding])
    y, x = zero_one(table.column(spec.gene), spec.gene), table.column(spec.finding)
    if spec.is_probability and ((x < 0) | (x > 1)).any():
        raise SiteError(Code.INVALID_INPUT, f"{spec.finding} is not between 0 and 1 for everybody here")
    bins, size = np.searchsorted(spec.cuts, x, side="right").astype(np.int64), len(spec.cuts) + 1
    return histogram_of(y, bins, size), np.bincount(bins, x, minlength=size).astype(np.float64)


def too_few(spec: PosteriorSpec, floor: int) -> StudyError:
    """The error that a class has too few people, to be raised."""
    return StudyError(
        Code.WITHHELD,
        f"fewer than {floor} people with or without {spec.gene} have a known {spec.finding}",
        "widen the cohort",
    )


def common_runs(last: Integers) -> Integers:
    """The (interval,) last ones of the runs that end where those of both (class, interval) do."""
    bins = np.arange(last.shape[-1])
    ends = np.flatnonzero((last == bins).all(axis=0))
    return np.asarray(ends[np.searchsorted(ends, bins)], dtype=np.int64)


def result(
    spec: PosteriorSpec,
    total: Arrays,
    last: Integers,
    min_count: int,
    by_site: Mapping[str, AtSite],
    withheld: Mapping[str, Code],
) -> PosteriorResult:
    """The result of joined counts in runs with these (class, interval) last intervals.

    Raises:
        StudyError: withheld; too few people are with or without the gene.
    """
    people = np.asarray(total["people"], dtype=np.int64)
    if (people < min_count).any():
        raise too_few(spec, min_count)
    counts = np.asarray(total["counts"], dtype=np.int64)
    above = _above(counts, last == np.arange(len(spec.cuts) + 1))
    if spec.low_is_positive:
        above = np.where(above >= 0, people[:, None] - above, SUPPRESSED)
    fp, tp = np.where(above >= 0, above, np.nan)
    (tn, fn), level = (people[0] - fp, people[1] - tp), spec.level
    n, prevalences = int(people.sum()), np.array(spec.prevalences)
    there = at_prevalence(tp, fn, fp, tn, prevalences[:, None], level)
    cut, p = np.array(spec.thresholds), people[1] / n
    odds = cut / (1 - cut)
    sites = by_site.values()
    return PosteriorResult(
        gene=spec.gene,
        low_is_positive=spec.low_is_positive,
        findings=spec.findings(),
        people=people,
        prevalence=share(people[1], n, level, spec.interval),
        positive=above,
        sensitivity=share(tp, people[1], level, spec.interval),
        specificity=share(tn, people[0], level, spec.interval),
        ppv=share(tp, tp + fp, level, spec.interval),
        npv=share(tn, tn + fn, level, spec.interval),
        lr_positive=likelihood_ratio(tp, people[1], fp, people[0], level),
        lr_negative=likelihood_ratio(fn, people[1], tn, people[0], level),
        odds_ratio=odds_ratio(tp, fn, fp, tn, level),
        prevalences=prevalences,
        ppv_there=there[0],
        npv_there=there[1],
        ppv_credible=_credible(np.array([tp, fn, fp, tn]), prevalences, level),
        npv_credible=_credible(np.array([tn, fp, fn, tp]), 1 - prevalences, level),
        thresholds=cut,
        net_benefit=tp[:, None] / n - fp[:, None] / n * odds,
        act_on_all=p - (1 - p) * odds,
        by_site=by_site,
        withheld=withheld,
        differ_sensitivity=_differ([(s.people[1], s.sensitivity) for s in sites], len(spec.cuts)),
        differ_specificity=_differ([(s.people[0], s.specificity) for s in sites], len(spec.cuts)),
        why=_WHY.format(floor=min_count) if (above < 0).any() else "",
        level=level,
        **_by_run(spec, total, counts, last),
    )


_WHY = (
    "At a cut with fewer than {floor} people of a class on one of its sides, nothing is shown of that class: "
    "use other cuts, or `cells: exact` where the policy of every hospital allows it."
)


def _above(counts: Integers, ends: Mask) -> Integers:
    """The (2, K) people at or above each cut from (2, K + 1) counts at the ends of runs; -1 inside one."""
    above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return np.where(ends[:, :-1], above, SUPPRESSED)


def _credible(tables: Floats, prevalences: Floats, level: float) -> Floats:
    """(P, K, 3) of (4, K) numbers of people; NaN where these are not known."""
    found = np.full((len(prevalences), tables.shape[1], 3), np.nan)
    for p, prevalence in enumerate(prevalences):
        for k, table in enumerate(tables.T):
            if np.isfinite(table).all():
                tp, fn, fp, tn = (int(cell) for cell in table)
                found[p, k] = credible(tp, fn, fp, tn, prevalence, level)
    return found


def _by_run(spec: PosteriorSpec, total: Arrays, counts: Integers, last: Integers) -> dict[str, Any]:
    """The fields of the result that are by runs of intervals, which end where those of both classes do."""
    common = common_runs(last)
    ends = np.unique(common)
    people = gathered(counts, np.broadcast_to(common, counts.shape))[:, ends].astype(np.int64)
    without, with_gene = people
    size = people.sum(axis=1)
    rising = people[:, ::-1] if spec.low_is_positive else people
    auc, auc_se = delong(rising)
    monotone = isotonic(rising[1], rising.sum(axis=0))
    intercept = slope = float("nan")
    if spec.is_probability:
        summed = np.flatnonzero(total["scored"])
        of_class = np.diff(np.cumsum(counts, axis=1)[:, summed], prepend=0)
        mean = (total["sums"] / np.maximum(total["scored"], 1))[summed]
        intercept, slope = recalibration(of_class, mean * of_class.sum(axis=0))
    return {
        "intervals": spec.intervals(ends),
        "by_interval": people,
        "gene_given_interval": share(with_gene, with_gene + without, spec.level, spec.interval),
        "interval_ratio": likelihood_ratio(with_gene, size[1], without, size[0], spec.level),
        "monotone": monotone[::-1] if spec.low_is_positive else monotone,
        "auc": auc,
        "auc_se": auc_se,
        "calibration_intercept": intercept,
        "calibration_slope": slope,
    }


def at_site(spec: PosteriorSpec, shown: Arrays, last: Integers) -> AtSite:
    """What a site showed in runs with these last intervals; NaN inside runs and of a class withheld."""
    people, counts = (np.asarray(shown[name], dtype=np.int64) for name in ("people", "counts"))
    ends = last == np.arange(last.shape[-1])
    whole = ((counts >= 0) | ~ends).all(axis=1, keepdims=True)
    above = _above(np.maximum(counts, 0), ends & whole)
    known = np.where(above >= 0, above, np.nan)
    if spec.low_is_positive:
        known = people[:, None] - known
    sensitivity = share(known[1], people[1], spec.level, spec.interval)
    specificity = share(people[0] - known[0], people[0], spec.level, spec.interval)
    return AtSite(people, sensitivity, specificity)


def _differ(sites: Sequence[tuple[int, Floats]], cuts: int) -> tuple[Heterogeneity | None, ...]:
    """By cut, how much the logits of shares of so many people differ between sites; shares are (K, 3)."""
    if not sites:
        return (None,) * cuts
    n, p = np.array([people for people, _ in sites])[:, None], np.array([value[:, 0] for _, value in sites])
    se = 1 / np.sqrt(n * p * (1 - p))  # of a share that is shown, neither 0 nor 1
    return tuple(heterogeneity(*at) for at in zip(logit(p).T, se.T, strict=True))
