"""The coordinator's half of a Cox model: where its search begins, the search, what is asked at its end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Ask, Coordination, Total, reading
from protocols.core.table import Floats, Integers
from protocols.estimation.newton import Maximum, Point, maximise
from protocols.estimation.standards import begin, plainly, refined
from protocols.survival import shared_baseline as shared
from protocols.survival.cox_model import Baseline, CoxResult, CoxSpec, result
from protocols.survival.penalized import minimise
from protocols.survival.proportional_hazards import ProportionalHazards, of_counts, of_times, score_test


@dataclass(frozen=True)
class _Fit:
    """How the likelihood of a spec is asked for: where the search starts, and what questions have in common.

    Attributes:
        start: the point at 0, in standard deviations.
        scale, location: (p,) of the covariates.
        people: n, n_events.
        step, common: the site step that evaluates, and its arrays beside `coef`.
        read: the joined answer as a log-likelihood and its derivatives.
        counts, number: people by interval of the grid, and the merged intervals, where there is a grid.
    """

    start: Point
    scale: Floats
    location: Floats
    people: tuple[int, int]
    step: str
    common: dict[str, Any]
    read: Callable[[Total], Total]
    counts: Total | None
    number: Integers


def fitted(spec: CoxSpec) -> Coordination[CoxResult]:
    """The result of a spec.

    Raises:
        StudyError: separation, rank-deficient, not-converged, withheld.
    """
    fit = yield from _begin_shared(spec) if spec.stratify == "none" else _begin_by_site(spec)
    if not fit.people[1]:
        raise StudyError(
            Code.SEPARATION,
            f"nobody with complete data has an event of {spec.outcome}",
            "use a longer follow-up, or include more people",
        )

    def evaluate(coef: Floats) -> Ask:
        return Ask(fit.step, {"coef": coef, **fit.common})

    search: Coordination[Maximum]
    if spec.penalty:
        n = fit.people[0]
        search = minimise(fit.start, evaluate, penalty=spec.penalty, l1_ratio=spec.l1_ratio, n=n)
    else:
        search = maximise(fit.start, evaluate, spec.covariates)
    found = yield from reading(search, fit.read)
    return (yield from _finished(spec, fit, found))


def _begin_by_site(spec: CoxSpec) -> Coordination[_Fit]:
    zero = np.zeros(len(spec.covariates))

    def at_zero(_: Floats, scale: Floats) -> Ask:
        return Ask("derivatives", {"coef": zero, "scale": scale})

    others = [Ask("intervals")] if spec.grid else []
    begun = yield from begin(spec.covariates, at_zero, others, people="rows")
    counts = begun.others[0] if spec.grid else None
    location, scale, null = begun.location, _sample_scale(begun.moments, begun.scale), begun.start
    asked = begun.scale if begun.is_standardized else np.ones(len(scale))
    return _Fit(
        start=Point.of(zero, null).in_basis(np.diag(asked / scale)),
        scale=scale,
        location=location,
        people=(int(null["n"]), int(null["n_events"])),
        step="derivatives",
        common={"scale": scale},
        read=lambda total: total,
        counts=counts,
        number=_merged(spec, counts),
    )


def _begin_shared(spec: CoxSpec) -> Coordination[_Fit]:
    zero = np.zeros(len(spec.covariates))
    moments, counts = yield plainly("moments"), Ask("intervals")
    known = yield from refined(moments, spec.covariates, step="moments", people="rows")
    location, scale = known.location, _sample_scale(known.total, known.scale)
    number = _merged(spec, counts)
    common: dict[str, Any] = {"scale": scale, "location": location, "number": number}

    def read(total: Total) -> Total:
        at = shared.Joined.of(total, spec.ties).point(zero)
        arrays: dict[str, Any] = {
            "loglik": np.array(at.loglik),
            "score": at.score,
            "information": at.information,
        }
        return replace(total, arrays={**total.arrays, **arrays})

    null = yield Ask("risk_sets", {"coef": zero, **common})
    return _Fit(
        start=Point.of(zero, read(null)),
        scale=scale,
        location=location,
        people=(int(null["n"]), int(null["n_events"])),
        step="risk_sets",
        common=common,
        read=read,
        counts=counts,
        number=number,
    )


def _sample_scale(moments: Total, scale: Floats) -> Floats:
    """The (p,) standard deviations with the divisor n - 1 of those with n, which are of rows."""
    rows = float(moments["rows"])
    sample: Floats = scale * np.sqrt(rows / (rows - 1))
    return sample


def _merged(spec: CoxSpec, counts: Total | None) -> Integers:
    """The merged interval of each of the grid's, by what was counted in them."""
    if counts is None:
        return np.zeros(0, dtype=np.int64)
    ties = spec.ties if spec.stratify == "none" else "breslow"
    left, events = (np.asarray(counts[name], dtype=np.int64) for name in ("left", "events"))
    beyond = int(counts["at_risk"][-1] - left[-1])
    return shared.merged_intervals(left, events, beyond, ties, counts.min_count)


def _finished(spec: CoxSpec, fit: _Fit, found: Maximum) -> Coordination[CoxResult]:
    """The result, after one more round where residuals, tests of the hazards or a baseline are asked for."""
    scale, outer = fit.scale, np.outer(fit.scale, fit.scale)
    model = _covariance(spec, found.point, fit.people[0])
    joined = shared.Joined.of(found.point.arrays, spec.ties) if spec.stratify == "none" else None
    questions: dict[str, Ask] = {}
    if spec.is_robust():
        gathered = vars(joined.increments()) if joined else {}
        questions["residuals"] = Ask("residuals", {"coef": found.coef, **fit.common, **gathered})
    g = _transform(spec, fit, joined)
    if spec.proportional_hazards and joined:
        questions["trend"] = Ask("observed_trend", {"g": g, **fit.common})
    elif spec.proportional_hazards:
        questions["trend"] = Ask("trend", {"coef": found.coef, "scale": scale, "g": g})
    if spec.grid and not joined:
        where: dict[str, Any] = {"scale": scale, "location": fit.location, "number": fit.number}
        questions["hazards"] = Ask("hazards", {"coef": found.coef, **where})
    answers: Mapping[str, Total] = {}
    if questions:
        answers = dict(zip(questions, (yield tuple(questions.values())), strict=True))
    covariance = model
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
        null=fit.start,
        loglik=found.point.loglik,
        people=fit.people,
        evaluations=found.evaluations + 1,
        hazards=_hazards_test(spec, found, g, joined, answers.get("trend")),
        baseline=_baseline(spec, fit, joined, answers.get("hazards")),
    )


def _covariance(spec: CoxSpec, point: Point, n: int) -> Floats:
    """(p, p) of standardized coefficients; with a ridge that of its prior, with a lasso none: NaN."""
    if spec.penalty and spec.l1_ratio:
        return np.full(point.information.shape, np.nan)
    if spec.penalty:
        ridge = n * spec.penalty * np.eye(len(point.coef))
        return Point(point.coef, 0.0, point.score, point.information + ridge).covariance()
    return point.covariance()


def _transform(spec: CoxSpec, fit: _Fit, joined: shared.Joined | None) -> Floats:
    """g by interval, for the transforms that are not of each site's own times."""
    transform = spec.proportional_hazards
    if transform is None or spec.grid is None or fit.counts is None:
        return np.zeros(spec.bins())
    if joined is None:
        return of_counts(transform, *(fit.counts[name] for name in ("at_risk", "events", "left")))
    if transform in ("km", "rank"):
        left = np.bincount(fit.number, fit.counts["left"], minlength=spec.bins()).astype(float)
        return of_counts(transform, joined.at_risk, joined.sums.deaths, left)
    return of_times(transform, _days(spec, fit.number))


def _days(spec: CoxSpec, number: Integers) -> Floats:
    """The (bins,) days at which merged intervals end; beyond the last of them its own."""
    edges = spec.grid.edges()[1:] if spec.grid else np.zeros(0)
    last = np.flatnonzero(np.diff(number, append=number[-1] + 1))
    days = np.full(len(number), edges[-1])
    days[: len(last)] = edges[last]
    return days


def _hazards_test(
    spec: CoxSpec, found: Maximum, g: Floats, joined: shared.Joined | None, trend: Total | None
) -> ProportionalHazards | None:
    if spec.proportional_hazards is None or trend is None:
        return None
    if joined is None:
        arrays = (trend["score"], found.point.information, trend["mixed"], trend["square"])
    else:
        mixed, last = joined.information(g), found.coef - found.point.coef
        score = trend["score"] - joined.expected(g) - mixed @ last  # the point is one tiny step before
        arrays = (score, found.point.information, mixed, joined.information(g**2))
    return score_test(spec.proportional_hazards, *arrays)


def _baseline(
    spec: CoxSpec, fit: _Fit, joined: shared.Joined | None, hazards: Total | None
) -> Baseline | None:
    if spec.grid is None:
        return None
    if joined:
        increments = joined.sums.hazard
    else:
        assert hazards is not None
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
