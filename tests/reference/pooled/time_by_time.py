"""Cox's model, one event time after another: slow, plain, no sum in common with the fast one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from statsmodels.duration.hazard_regression import PHReg

from protocols.core.disclosure import Thresholds
from protocols.core.table import Floats, Integers, Mask
from protocols.estimation.newton import Point
from protocols.survival.cox_model import Baseline, CoxResult, CoxSpec, Null, result
from protocols.survival.life_table import FollowUp, counted, ended, on_intervals
from protocols.survival.proportional_hazards import ProportionalHazards, of_counts, of_times, score_test
from protocols.survival.shared_baseline import merged_intervals
from protocols.survival.survival_design import Design, cluster_products


@dataclass(frozen=True)
class Rows:
    """All rows in one place; those of a stratum share their risk sets."""

    x: Floats
    follow: FollowUp
    weight: Floats
    strata: Integers


@dataclass(frozen=True)
class Death:
    """One event's share of the likelihood: its time, and who is in its risk set with what probability."""

    time: float
    weight: float
    died: Mask
    total: float
    probability: Floats


def deaths(rows: Rows, risk: Floats, ties: str) -> Iterator[Death]:
    """Every event, tied ones after one another with those before them half gone (Efron), or not (Breslow)."""
    follow = rows.follow
    for stratum in np.unique(rows.strata):
        here = rows.strata == stratum
        for time in np.unique(follow.time[here & follow.event]):
            at_risk = here & (follow.time >= time)
            if follow.entry is not None:
                at_risk &= follow.entry < time
            died = at_risk & follow.event & (follow.time == time)
            d = int(died.sum())
            for gone in range(d):
                left = np.where(at_risk, risk, 0.0)
                if ties == "efron":
                    left = left - np.where(died, risk * gone / d, 0.0)
                weight = float(rows.weight[died].mean())
                yield Death(float(time), weight, died, float(left.sum()), left / left.sum())


def point(rows: Rows, coef: Floats, ties: str) -> Point:
    """The log partial likelihood and its derivatives."""
    x, p = rows.x, rows.x.shape[1]
    eta = x @ coef
    observed = np.where(rows.follow.event, rows.weight, 0.0)
    loglik, score, information = float(observed @ eta), observed @ x, np.zeros((p, p))
    for death in deaths(rows, rows.weight * np.exp(eta), ties):
        mean = death.probability @ x
        loglik -= death.weight * np.log(death.total)
        score = score - death.weight * mean
        information += death.weight * ((x - mean).T * death.probability) @ (x - mean)
    return Point(coef, loglik, score, information)


def residuals(rows: Rows, coef: Floats, ties: str) -> Floats:
    """The (n, p) score residuals."""
    x, risk = rows.x, rows.weight * np.exp(rows.x @ coef)
    found = np.zeros(x.shape)
    for death in deaths(rows, risk, ties):
        mean = death.probability @ x
        d = death.died.sum()
        found[death.died] += (rows.weight[death.died, None] / d) * (x[death.died] - mean)
        found -= death.weight * death.probability[:, None] * (x - mean)
    return found


def fitted(spec: CoxSpec, designs: Sequence[Design]) -> CoxResult:
    """The result of a spec on all sites' rows."""
    x = np.concatenate([d.x for d in designs])
    location, scale = x.mean(axis=0), x.std(axis=0, ddof=1)
    weight = np.concatenate([np.ones(len(d.x)) if d.weight is None else d.weight for d in designs])
    site = np.repeat(np.arange(len(designs)), [len(d.x) for d in designs])
    stratum = np.concatenate([d.strata for d in designs])
    strata = np.unique(np.column_stack([site, stratum]), axis=0, return_inverse=True)[1].ravel()
    rows = Rows((x - location) / scale, _joined([d.follow for d in designs]), weight, strata)
    gridded = _gridded(spec, rows)
    if spec.stratify == "none":
        assert gridded is not None
        rows = replace(gridded[0], strata=np.zeros(len(x), dtype=np.int64))
    people = (sum(d.people for d in designs), sum(d.events for d in designs))
    null = point(rows, np.zeros(x.shape[1]), spec.ties)
    best = _best(spec, rows, null, people[0])
    if spec.penalty and spec.l1_ratio:
        model = np.full(best.information.shape, np.nan)
    else:
        model = np.linalg.inv(best.information + people[0] * spec.penalty * np.eye(x.shape[1]))
    covariance = model
    if spec.is_robust():
        ids = np.concatenate([d.cluster for d in designs])
        cluster = np.unique(np.column_stack([site, ids]), axis=0, return_inverse=True)[1].ravel()
        covariance = model @ cluster_products(residuals(rows, best.coef, spec.ties), cluster) @ model
    _check_against_statsmodels(spec, rows, best)
    outer = np.outer(scale, scale)
    found = result(
        spec,
        best.coef / scale,
        covariance / outer,
        model_covariance=model / outer,
        scale=scale,
        null=Null(
            null.loglik,
            np.nan if spec.penalty else float(null.score @ np.linalg.solve(null.information, null.score)),
        ),
        loglik=best.loglik,
        people=people,
        evaluations=0,
    )
    return replace(
        found,
        proportional_hazards=_trend(spec, rows, best, gridded) if spec.proportional_hazards else None,
        baseline=_baseline(spec, gridded, best.coef, location) if gridded else None,
    )


def _joined(parts: Sequence[FollowUp]) -> FollowUp:
    late = any(part.entry is not None for part in parts)
    entry = np.concatenate([np.zeros(0) if p.entry is None else p.entry for p in parts]) if late else None
    return FollowUp(entry, np.concatenate([p.time for p in parts]), np.concatenate([p.event for p in parts]))


def _gridded(spec: CoxSpec, rows: Rows) -> tuple[Rows, Integers] | None:
    """The rows in merged intervals, and these."""
    if spec.grid is None:
        return None
    edges = spec.grid.edges()
    last = rows.follow.on(edges).time
    left = np.array([np.sum(last == k) for k in range(1, len(edges))])
    ties = spec.ties if spec.stratify == "none" else "breslow"
    events, beyond = counted(rows.follow, edges)[1], int((last >= len(edges)).sum())
    number = merged_intervals(left, events, beyond, ties, Thresholds().min_count)
    return replace(rows, follow=on_intervals(rows.follow, edges, number)), number


def _best(spec: CoxSpec, rows: Rows, start: Point, n: int) -> Point:
    """Newton to machine precision; with a lasso, coordinate descent on each step's quadratic."""
    at = start
    for _ in range(60):
        if not spec.penalty:
            coef = at.coef + np.linalg.solve(at.information, at.score)
        else:
            coef = _descent(spec, at.information / n, (at.information @ at.coef + at.score) / n, at.coef)
        moved = float(np.abs(coef - at.coef).max())
        at = point(rows, coef, spec.ties)
        if moved < 1e-12:
            break
    return at


def _descent(spec: CoxSpec, hessian: Floats, gradient: Floats, coef: Floats) -> Floats:
    l1, l2 = spec.penalty * spec.l1_ratio, spec.penalty * (1 - spec.l1_ratio)
    coef = coef.copy()
    for _ in range(5000):
        before = coef.copy()
        for j in range(len(coef)):
            rho = gradient[j] - hessian[j] @ coef + hessian[j, j] * coef[j]
            coef[j] = np.sign(rho) * max(abs(rho) - l1, 0.0) / (hessian[j, j] + l2)
        if np.abs(coef - before).max() < 1e-14:
            break
    return coef


def _trend(
    spec: CoxSpec, rows: Rows, at: Point, gridded: tuple[Rows, Integers] | None
) -> ProportionalHazards:
    assert spec.proportional_hazards is not None
    transform, edges = spec.proportional_hazards, spec.grid.edges() if spec.grid else np.zeros(1)
    if gridded and spec.stratify == "none":
        follow, number = rows.follow, gridded[1]
        times = np.unique(follow.time[follow.event])
        entry = np.full(len(follow.time), -1.0) if follow.entry is None else follow.entry
        intervals = np.arange(1.0, number[-1] + 2)
        at_risk = np.array([np.sum((follow.time >= k) & (entry < k)) for k in intervals])
        events = np.array([np.sum((follow.time == k) & follow.event) for k in intervals])
        days = np.array([edges[1:][number == k - 1].max() for k in intervals])
        left = np.array([np.sum(follow.time == k) for k in intervals])
        values = of_counts(transform, at_risk, events, left)
        if transform in ("identity", "log"):
            values = of_times(transform, days)
        g = dict(zip(times, values[times.astype(int) - 1], strict=True))
    else:
        times = np.unique(rows.follow.time[rows.follow.event])
        values = of_times(transform, times)
        if transform in ("km", "rank"):
            left = ended(rows.follow, edges)
            by_interval = of_counts(
                transform, *(c.astype(float) for c in (*counted(rows.follow, edges), left))
            )
            values = by_interval[np.clip(np.searchsorted(edges, times) - 1, 0, len(edges) - 2)]
        g = dict(zip(times, values, strict=True))
    x, risk = rows.x, rows.weight * np.exp(rows.x @ at.coef)
    p = x.shape[1]
    score, mixed, square = np.zeros(p), np.zeros((p, p)), np.zeros((p, p))
    for death in deaths(rows, risk, spec.ties):
        mean, weight = death.probability @ x, g[death.time]
        score += weight * (rows.weight[death.died] @ x[death.died] / death.died.sum() - death.weight * mean)
        spread = death.weight * ((x - mean).T * death.probability) @ (x - mean)
        mixed += weight * spread
        square += weight**2 * spread
    return score_test(transform, score, at.information, mixed, square)


def _baseline(spec: CoxSpec, gridded: tuple[Rows, Integers], coef: Floats, location: Floats) -> Baseline:
    assert spec.grid is not None
    rows, number = replace(gridded[0], strata=np.zeros(len(gridded[0].x), dtype=np.int64)), gridded[1]
    risk = rows.weight * np.exp(rows.x @ coef)
    increments = np.zeros(number[-1] + 1)
    for death in deaths(rows, risk, spec.ties if spec.stratify == "none" else "breslow"):
        increments[int(death.time) - 1] += death.weight / death.total
    days = spec.grid.edges()[1:]
    ends = np.array([days[number == k].max() for k in range(number[-1] + 1)])
    cumulative = np.interp(days, np.append(0.0, ends), np.append(0.0, np.cumsum(increments)))
    return Baseline(days, cumulative, location)


def _check_against_statsmodels(spec: CoxSpec, rows: Rows, best: Point) -> None:
    """PHReg has the same likelihood and derivatives, where it knows the model (no weights, no penalty)."""

    if spec.penalty or spec.weight:
        return
    model = PHReg(
        rows.follow.time,
        rows.x,
        status=rows.follow.event.astype(float),
        entry=rows.follow.entry,
        strata=rows.strata,
        ties=spec.ties,
    )
    coef = best.coef
    for _ in range(20):
        coef = coef - np.linalg.solve(model.hessian(coef), model.score(coef))
    np.testing.assert_allclose(best.coef, coef, rtol=1e-7, atol=1e-8)
