"""The coordinator's half of a Cox model: where its search begins, the search, what is asked at its end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from protocols.core.cells import last_of_runs
from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Arrays, Ask, Coordination, Total, ask, reading
from protocols.core.table import Floats, Integers
from protocols.estimation.climb import Climb, climbed
from protocols.estimation.newton import Maximum, Point, maximise
from protocols.estimation.standards import begin, plainly, refined
from protocols.survival import shared_baseline as shared
from protocols.survival.cox_model import Baseline, CoxResult, CoxSpec, Null, result
from protocols.survival.life_table import over_runs, runs
from protocols.survival.partial_likelihood import Ties
from protocols.survival.penalized import minimise
from protocols.survival.proportional_hazards import ProportionalHazards, of_counts, of_times, score_test


@dataclass(frozen=True)
class _Fit:
    """What was asked before the search and after it: what questions have in common.

    Attributes:
        scale, location: (p,) of the covariates.
        people: n, n_events.
        common: the arrays of the questions beside `coef`.
        counts, number: people by interval of the grid, and the merged intervals, where there is a grid.
    """

    scale: Floats
    location: Floats
    people: tuple[int, int]
    common: dict[str, Any]
    counts: Total | None
    number: Integers


@dataclass(frozen=True)
class _Found:
    """What the search found, in standard deviations of the covariates.

    Attributes:
        coef, covariance: (p,) and (p, p) at the maximum.
        information: (p, p) at the last point, `tail` before the maximum.
        loglik, null: at the last point, and at 0.
        evaluations: of the likelihood.
        arrays: the joined answer at the last point, where the center has it.
    """

    coef: Floats
    covariance: Floats
    information: Floats
    tail: Floats
    loglik: float
    null: Null
    evaluations: int
    arrays: Arrays

    @classmethod
    def of(cls, spec: CoxSpec, start: Point, found: Maximum, n: int) -> "_Found":
        """Of a search whose coefficients the center knows."""
        point = found.point
        return cls(
            found.coef,
            _covariance(spec, point, n),
            point.information,
            found.coef - point.coef,
            point.loglik,
            Null.of(start, penalized=spec.penalty > 0),
            found.evaluations + 1,
            point.arrays,
        )


def fitted(spec: CoxSpec) -> Coordination[CoxResult]:
    """The result of a spec.

    Raises:
        StudyError: separation, rank-deficient, not-converged, withheld.
    """
    if spec.stratify == "none":
        fit, found = yield from _shared(spec)
    elif spec.penalty:
        fit, found = yield from _penalized(spec)
    else:
        fit, found = yield from _by_site(spec)
    return (yield from _finished(spec, fit, found))


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


def _by_site(spec: CoxSpec) -> Coordination[tuple[_Fit, _Found]]:
    """The maximum with a baseline hazard for each site, in a basis that the sites alone know."""
    first, *leaving = yield (plainly("moments"), *_leaving(spec))
    known = yield from refined(first, spec.covariates, step="moments", people="rows")
    scale = _sample_scale(known.total, known.scale)
    zero, common = np.zeros(len(scale)), {"scale": scale}
    climb = Climb("derivatives", zero, common, columns=spec.covariates, axis="covariate")
    last = [_last(spec, found) for found in leaving]
    start, *counts = yield (climb.ask(), *(ask("intervals", last=ends) for ends in last))
    others = [_spread_out(found, ends) for found, ends in zip(counts, last, strict=True)]
    fit = _fit_by_site(spec, known.location, scale, start, others, last)
    top = yield from climbed(climb, start, spec.covariates, np.diag(1 / scale))
    covariance = top.covariance * np.outer(scale, scale)
    found = _Found(
        coef=top.coef * scale,
        covariance=covariance,
        information=np.asarray(np.linalg.inv(covariance)),
        tail=np.zeros(len(scale)),
        loglik=top.loglik,
        null=Null(float(start["loglik"]), float(start["decrement"])),
        evaluations=top.evaluations,
        arrays={},
    )
    return fit, found


def _penalized(spec: CoxSpec) -> Coordination[tuple[_Fit, _Found]]:
    zero = np.zeros(len(spec.covariates))

    def at_zero(_: Floats, scale: Floats) -> Ask:
        return Ask("derivatives", {"coef": zero, "scale": scale})

    begun = yield from begin(spec.covariates, at_zero, _leaving(spec), people="rows")
    scale, null = _sample_scale(begun.moments, begun.scale), begun.start
    asked = begun.scale if begun.is_standardized else np.ones(len(scale))
    start = Point.of(zero, null).in_basis(np.diag(asked / scale))
    last = [_last(spec, found) for found in begun.others]
    others = []
    for ends in last:
        others.append(_spread_out((yield ask("intervals", last=ends)), ends))
    fit = _fit_by_site(spec, begun.location, scale, null, others, last)

    def evaluate(coef: Floats) -> Ask:
        return Ask("derivatives", {"coef": coef, **fit.common})

    n = fit.people[0]
    found = yield from minimise(start, evaluate, penalty=spec.penalty, l1_ratio=spec.l1_ratio, n=n)
    return fit, _Found.of(spec, start, found, n)


def _leaving(spec: CoxSpec) -> list[Ask]:
    return [Ask("leaving")] if spec.grid else []


def _last(spec: CoxSpec, leaving: Total) -> Integers:
    """The (bins,) last intervals of the runs in which enough people leave, by what was found of parts."""
    floors = np.asarray(leaving["enough"], dtype=np.int64)
    if _ties(spec) == "efron":
        floors = np.minimum(floors, leaving["events"])
    return last_of_runs(floors, leaving.floors)


def _ties(spec: CoxSpec) -> Ties:
    """How ties are counted on the grid."""
    return spec.ties if spec.stratify == "none" else "breslow"


def _spread_out(counts: Total, last: Integers) -> Total:
    """The people of runs of intervals, those at risk in every interval of a run."""
    return replace(counts, arrays={**counts.arrays, "at_risk": over_runs(counts["at_risk"], last)})


def _fit_by_site(
    spec: CoxSpec,
    location: Floats,
    scale: Floats,
    start: Total | Arrays,
    others: Sequence[Total],
    last: Sequence[Integers],
) -> _Fit:
    counts = others[0] if others else None
    people = _check_events(spec, start)
    number = _merged(spec, counts, last[0]) if counts else np.zeros(0, dtype=np.int64)
    return _Fit(scale, location, people, {"scale": scale}, counts, number)


def _shared(spec: CoxSpec) -> Coordination[tuple[_Fit, _Found]]:
    zero = np.zeros(len(spec.covariates))
    moments, leaving = yield (plainly("moments"), *_leaving(spec))
    known = yield from refined(moments, spec.covariates, step="moments", people="rows")
    location, scale = known.location, _sample_scale(known.total, known.scale)
    last = _last(spec, leaving)
    counts = _spread_out((yield ask("intervals", last=last)), last)
    number = _merged(spec, counts, last)
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
    start, people = Point.of(zero, read(null)), _check_events(spec, null)

    def evaluate(coef: Floats) -> Ask:
        return Ask("risk_sets", {"coef": coef, **common})

    search: Coordination[Maximum]
    if spec.penalty:
        of = {"penalty": spec.penalty, "l1_ratio": spec.l1_ratio}
        search = minimise(start, evaluate, n=people[0], **of)
    else:
        search = maximise(start, evaluate, spec.covariates)
    found = yield from reading(search, read)
    fit = _Fit(scale, location, people, common, counts, number)
    return fit, _Found.of(spec, start, found, people[0])


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


def _finished(spec: CoxSpec, fit: _Fit, found: _Found) -> Coordination[CoxResult]:
    """The result, after one more round where residuals, tests of the hazards or a baseline are asked for."""
    scale, outer = fit.scale, np.outer(fit.scale, fit.scale)
    model = found.covariance
    joined = shared.Joined.of(found.arrays, spec.ties) if spec.stratify == "none" else None
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
        null=found.null,
        loglik=found.loglik,
        people=fit.people,
        evaluations=found.evaluations,
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
    spec: CoxSpec, found: _Found, g: Floats, joined: shared.Joined | None, trend: Total | None
) -> ProportionalHazards | None:
    if spec.proportional_hazards is None or trend is None:
        return None
    if joined is None:
        arrays = (trend["score"], found.information, trend["mixed"], trend["square"])
    else:
        mixed, last = joined.information(g), found.tail
        score = trend["score"] - joined.expected(g) - mixed @ last  # the point is one tiny step before
        arrays = (score, found.information, mixed, joined.information(g**2))
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
