"""The coordinator's half of a Cox model: where its search begins, the search, what is asked at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from protocols.core.cells import last_of_runs
from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Arrays, Ask, Coordination, Total
from protocols.core.table import Floats, Integers
from protocols.estimation.climb import Climb, climbed
from protocols.estimation.newton import Point
from protocols.estimation.sealed import searched
from protocols.estimation.standards import plainly, refined
from protocols.survival import shared_baseline as shared
from protocols.survival.cox_model import Baseline, CoxResult, CoxSpec, Null, result
from protocols.survival.life_table import over_runs, runs
from protocols.survival.partial_likelihood import RiskSums, Ties
from protocols.survival.penalized import minimise
from protocols.survival.proportional_hazards import ProportionalHazards, of_counts, of_times, score_test
from protocols.survival.shared_climb import SharedClimb


@dataclass(frozen=True)
class _Fit:
    """What was asked before the search: what questions have in common.

    Attributes:
        spec: of the model.
        location, scale: (p,) of the covariates.
        last: (bins,) the runs of intervals in which people are counted; None without a grid.
        counts, number: people by interval of the grid, and the merged intervals, where they are known.
    """

    spec: CoxSpec
    location: Floats
    scale: Floats
    last: Integers | None
    counts: Total | None = None
    number: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @property
    def common(self) -> dict[str, Any]:
        """The arrays of the search's questions beside coefficients and hazards."""
        if self.spec.stratify == "site":
            return {"scale": self.scale}
        return {"scale": self.scale, "location": self.location, "number": self.number}

    def intervals(self) -> list[Ask]:
        """The question for the people by interval, where they are wanted and not known."""
        wanted = self.last is not None and self.counts is None
        return [Ask("intervals", {"last": self.last})] if wanted and self.last is not None else []

    def counted(self, answers: Sequence[Total]) -> "_Fit":
        """The same with the answers to `intervals`."""
        if self.last is None or not answers:
            return self
        (counts,) = answers
        at_risk = over_runs(counts["at_risk"], self.last)
        counts = replace(counts, arrays={**counts.arrays, "at_risk": at_risk})
        return replace(self, counts=counts, number=_merged(self.spec, counts, self.last))


@dataclass(frozen=True)
class _Found:
    """What the search found, in standard deviations of the covariates.

    Attributes:
        people: n, n_events.
        coef, covariance: (p,) and (p, p) at the maximum.
        loglik, null: at the last point, and at 0.
        evaluations: of the likelihood.
        hazard: (bins,) increments of a shared baseline.
    """

    people: tuple[int, int]
    coef: Floats
    covariance: Floats
    loglik: float
    null: Null
    evaluations: int
    hazard: Floats


def fitted(spec: CoxSpec) -> Coordination[CoxResult]:
    """The result of a spec.

    Raises:
        StudyError: separation, rank-deficient, not-converged, withheld.
    """
    fit = yield from _begun(spec)
    if spec.stratify == "none":
        fit = fit.counted((yield tuple(fit.intervals())))
    fit, found = yield from (_sparse if spec.is_sparse() else _climbed)(fit)
    return (yield from _finished(fit, found))


def _begun(spec: CoxSpec) -> Coordination[_Fit]:
    """Location and scale of the covariates, and the runs in which people may be counted."""
    first, *leaving = yield (plainly("moments"), *([Ask("leaving")] if spec.grid else []))
    known = yield from refined(first, spec.covariates, step="moments", people="rows")
    last = _last(spec, *leaving) if leaving else None
    return _Fit(spec, known.location, _sample_scale(known.total, known.scale), last)


def _check_events(spec: CoxSpec, start: Total | Arrays) -> tuple[int, int]:
    """n and n_events.

    Raises:
        StudyError: separation; nobody has the event.
    """
    people = int(start["n"]), int(start["n_events"])
    if not people[1]:
        raise StudyError(
            Code.SEPARATION,
            f"nobody with complete data has an event of {spec.outcome}",
            "use a longer follow-up, or include more people",
        )
    return people


def _climbed(fit: _Fit) -> Coordination[tuple[_Fit, _Found]]:
    """The maximum, in a basis that the sites alone know."""
    spec, scale, zero = fit.spec, fit.scale, np.zeros(len(fit.scale))
    about: dict[str, Any] = {"columns": spec.covariates, "ridge": spec.penalty}
    if spec.stratify == "site":
        climb = Climb("derivatives", zero, fit.common, axis="covariate", **about)
        start, *counts = yield (climb.ask(), *fit.intervals())
        fit = fit.counted(counts)
    else:
        climb = SharedClimb(zero, fit.common, bins=spec.bins(), ties=spec.ties, **about)
        yield climb.ask()
        start = yield climb.ask()
    people = _check_events(spec, start)
    top = yield from climbed(climb, start, spec.covariates, np.diag(1 / scale))
    coef = top.coef * scale
    found = _Found(
        people,
        coef,
        covariance=top.covariance * np.outer(scale, scale),
        loglik=top.loglik + people[0] * spec.penalty * float(coef @ coef) / 2,
        null=Null(float(start["loglik"]), np.nan if spec.penalty else float(start["decrement"])),
        evaluations=top.evaluations,
        hazard=np.asarray(top.agreed.get("hazard", ()), dtype=np.float64),
    )
    return fit, found


def _sparse(fit: _Fit) -> Coordination[tuple[_Fit, _Found]]:
    """The minimum with a penalty that sets coefficients to 0, found by the sites."""
    spec, p = fit.spec, len(fit.scale)
    if asked := tuple(fit.intervals()):
        fit = fit.counted((yield asked))
    steps = ("derivatives",) if spec.stratify == "site" else ("risk_sums", "expected_products")
    said = yield from searched(_search(fit), steps, fit.common)
    people = _check_events(spec, said)
    found = _Found(
        people,
        np.asarray(said["coef"], dtype=np.float64),
        covariance=np.full((p, p), np.nan),
        loglik=float(said["loglik"]),
        null=Null(float(said["null"]), np.nan),
        evaluations=int(said["evaluations"]),
        hazard=np.asarray(said["hazard"], dtype=np.float64),
    )
    return fit, found


def _search(fit: _Fit) -> Coordination[Arrays]:
    """The sites' search: n and n_events and, where anybody has the event, what `_Found` holds."""
    spec, hazard = fit.spec, np.zeros(0)

    def by_site(coef: Floats) -> Coordination[Point]:
        return Point.of(coef, (yield Ask("derivatives", {"coef": coef, **fit.common})))

    def shared_by_all(coef: Floats) -> Coordination[Point]:
        nonlocal hazard
        total = yield Ask("risk_sums", {"coef": coef, **fit.common})
        sums = RiskSums.of(total, spec.ties)
        hazard = sums.hazard
        about = {"coef": coef, "hazard": sums.hazard, "tied": sums.tied}
        products = yield Ask("expected_products", {**about, **fit.common})
        loglik, score = sums.loglik_and_score(total)
        return Point(coef, loglik, score, products["products"] - sums.outer(), total.arrays)

    evaluate = by_site if spec.stratify == "site" else shared_by_all
    start = yield from evaluate(np.zeros(len(fit.scale)))
    people = {name: start.arrays[name] for name in ("n", "n_events")}
    if not people["n_events"]:
        return people
    of = {"penalty": spec.penalty, "l1_ratio": spec.l1_ratio}
    best = yield from minimise(start, evaluate, n=int(people["n"]), **of)
    return people | {
        "coef": best.coef,
        "loglik": np.array(best.point.loglik),
        "null": np.array(start.loglik),
        "evaluations": np.array(best.evaluations + 1),
        "hazard": hazard,
    }


def _last(spec: CoxSpec, leaving: Total) -> Integers:
    """The (bins,) last intervals of the runs in which enough people leave, by what was found of parts."""
    floors = np.asarray(leaving["enough"], dtype=np.int64)
    if _ties(spec) == "efron":
        floors = np.minimum(floors, leaving["events"])
    return last_of_runs(floors, leaving.over_all)


def _ties(spec: CoxSpec) -> Ties:
    """How ties are counted on the grid."""
    return spec.ties if spec.stratify == "none" else "breslow"


def _sample_scale(moments: Total, scale: Floats) -> Floats:
    """The (p,) standard deviations with the divisor n - 1 of those with n, which are of rows."""
    rows = float(moments["rows"])
    sample: Floats = scale * np.sqrt(rows / (rows - 1))
    return sample


def _merged(spec: CoxSpec, counts: Total, last: Integers) -> Integers:
    """The merged interval of each of the grid's, by what was counted in runs of them."""
    ends, number = runs(last, spec.bins())
    left, events = (np.asarray(counts[name], dtype=np.int64)[ends] for name in ("left", "events"))
    beyond = int(counts["at_risk"][-1] - counts["left"][-1])
    return shared.merged_intervals(left, events, beyond, _ties(spec), counts.min_count)[number]


def _finished(fit: _Fit, found: _Found) -> Coordination[CoxResult]:
    """The result, after residuals, tests of the hazards or a baseline where they are asked for."""
    spec, scale, outer = fit.spec, fit.scale, np.outer(fit.scale, fit.scale)
    at: dict[str, Any] = {"coef": found.coef, **fit.common}
    joined, sums = None, None
    if spec.stratify == "none" and spec.looks_again():
        joined = yield Ask("risk_sets", at)
        sums = RiskSums.of(joined, spec.ties)
    questions: dict[str, Ask] = {}
    if spec.is_robust():
        questions["residuals"] = Ask("residuals", {**at, **(vars(sums.increments()) if sums else {})})
    g = _transform(fit, joined)
    if spec.proportional_hazards and sums:
        hazards = {"hazard": sums.hazard, "tied": sums.tied}
        questions["trend"] = Ask("observed_trend", {"g": g, **at, **hazards})
    elif spec.proportional_hazards:
        questions["trend"] = Ask("trend", {"g": g, **at})
    if spec.grid and spec.stratify == "site":
        where: dict[str, Any] = {"scale": scale, "location": fit.location, "number": fit.number}
        questions["hazards"] = Ask("hazards", {"coef": found.coef, **where})
    answers: Mapping[str, Total] = {}
    if questions:
        answers = dict(zip(questions, (yield tuple(questions.values())), strict=True))
    model = covariance = found.covariance
    if "residuals" in answers:
        if answers["residuals"]["clusters"] <= len(spec.covariates):
            raise StudyError(
                Code.RANK_DEFICIENT,
                f"{spec.cluster or spec.outcome} has no more clusters than there are covariates",
                "use a cluster variable with more values, or `robust` alone",
            )
        covariance = model @ answers["residuals"]["products"] @ model
    return result(
        spec,
        found.coef / scale,
        covariance / outer,
        model_covariance=model / outer,
        scale=scale,
        null=found.null,
        loglik=found.loglik,
        people=found.people,
        evaluations=found.evaluations,
        hazards=_hazards_test(spec, found, g, sums, answers.get("trend")),
        baseline=_baseline(fit, found, answers.get("hazards")),
    )


def _transform(fit: _Fit, joined: Total | None) -> Floats:
    """g by interval, for the transforms that are not of each site's own times."""
    spec = fit.spec
    transform = spec.proportional_hazards
    if transform is None or spec.grid is None or fit.counts is None:
        return np.zeros(spec.bins())
    if joined is None:
        return of_counts(transform, *(fit.counts[name] for name in ("at_risk", "events", "left")))
    if transform in ("km", "rank"):
        left = np.bincount(fit.number, fit.counts["left"], minlength=spec.bins()).astype(float)
        at_risk, deaths = (np.asarray(joined[name], dtype=np.float64) for name in ("at_risk", "deaths"))
        return of_counts(transform, at_risk, deaths, left)
    return of_times(transform, _days(spec, fit.number))


def _days(spec: CoxSpec, number: Integers) -> Floats:
    """The (bins,) days at which merged intervals end; beyond the last of them its own."""
    edges = spec.grid.edges()[1:] if spec.grid else np.zeros(0)
    last = np.flatnonzero(np.diff(number, append=number[-1] + 1))
    days = np.full(len(number), edges[-1])
    days[: len(last)] = edges[last]
    return days


def _hazards_test(
    spec: CoxSpec, found: _Found, g: Floats, sums: RiskSums | None, trend: Total | None
) -> ProportionalHazards | None:
    if spec.proportional_hazards is None or trend is None:
        return None
    score, mixed, square = (trend[name] for name in ("score", "mixed", "square"))
    if sums is not None:
        score = score - g @ sums.total_mean
        mixed, square = mixed - sums.outer(g), square - sums.outer(g**2)
    information = np.asarray(np.linalg.inv(found.covariance))
    return score_test(spec.proportional_hazards, score, information, mixed, square)


def _baseline(fit: _Fit, found: _Found, hazards: Total | None) -> Baseline | None:
    spec, increments = fit.spec, found.hazard
    if spec.grid is None:
        return None
    if hazards is not None:
        increments = np.where(hazards["deaths"] > 0, hazards["deaths"], 0.0)
        increments = increments / np.where(increments > 0, hazards["s0"], 1.0)
    return Baseline(_days_of_grid(spec), _spread(np.cumsum(increments), fit.number), fit.location)


def _days_of_grid(spec: CoxSpec) -> Floats:
    return spec.grid.edges()[1:] if spec.grid else np.zeros(0)


def _spread(hazard: Floats, number: Integers) -> Floats:
    """The (bins,) hazard at the grid's days of one at the ends of merged intervals: evenly within these."""
    ends = np.flatnonzero(np.diff(number, append=number[-1] + 1)) + 1
    found: Floats = np.interp(
        np.arange(1, len(number) + 1), np.append(0, ends), np.append(0.0, hazard[: len(ends)])
    )
    return found
