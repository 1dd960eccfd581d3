"""The reference of `landmarking`, with all rows in one place."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from statsmodels.duration.hazard_regression import PHReg

from protocols.core.disclosure import Thresholds
from protocols.core.table import AnalysisTable, Floats, Mask
from protocols.survival.landmarking_result import LandmarkingResult, result
from protocols.survival.landmarking_spec import LandmarkingSpec
from protocols.survival.life_table import FollowUp
from protocols.survival.survival_design import cluster_products
from protocols.survival.survival_scores import BINS, nothing
from tests.reference.pooled import pair_by_pair
from tests.reference.pooled.time_by_time import Rows, point, residuals


@dataclass(frozen=True)
class Person:
    """One person's follow-up in days since the first landmark, and values at each landmark reached."""

    site: int
    fold: int
    days: float
    event: bool
    values: Sequence[Floats]


@dataclass(frozen=True)
class Fit:
    """A fit in the original scale."""

    location: Floats
    coef: Floats
    covariance: Floats
    robust: Floats
    hazard: Floats


def pooled(spec: LandmarkingSpec, tables: Sequence[AnalysisTable]) -> LandmarkingResult:
    """Person by person and event by event; coefficients checked against statsmodels' PHReg."""
    people = [person for site, table in enumerate(tables) for person in _people(spec, table, site)]
    bins = len(spec.edges()) - 1
    follow = [_rounded(person.days, spec) for person in people]
    at_risk = np.array([sum(day >= k for day in follow) for k in range(1, bins + 1)])
    events, left = np.zeros((2, bins), dtype=np.int64)
    for person, day in zip(people, follow, strict=True):
        if day <= bins:
            left[day - 1] += 1
            events[day - 1] += person.event
    whole = _fit(spec, people)
    scores: dict[str, list[Floats]] = {}
    parts = [[nothing(1) for _ in spec.landmarks]]
    for fold in range(spec.folds):
        fit = _fit(spec, [person for person in people if person.fold != fold])
        parts.append(_scores(spec, people, fit, fold, follow, bins))
    for name in ("harrell", "harrell_squares", "cases", "controls", "squares", "expected"):
        scores[name] = [np.asarray(sum(part[k][name] for part in parts)) for k in range(len(spec.landmarks))]
    one = {name: np.array([value[0] for value in scores[name]]) for name in ("cases", "controls")}
    one |= {name: np.array([value[0] for value in scores[name]]) for name in ("squares", "expected")}
    affected = sum(person.event and _in_a_window(spec, person) for person in people)
    return result(
        spec,
        whole.coef,
        whole.robust,
        model_covariance=whole.covariance,
        location=whole.location,
        hazard=whole.hazard,
        counts={
            "n": np.array(len(people)),
            "n_events": np.array(affected),
            "at_risk": at_risk,
            "events": events,
            "left": left,
        },
        scores={**one, **{name: np.array(scores[name]) for name in ("harrell", "harrell_squares")}},
        last=np.arange(bins),
    )


def _people(spec: LandmarkingSpec, table: AnalysisTable, site: int) -> list[Person]:
    found = []
    folds = np.array([spec.held_out(table, fold) for fold in range(spec.folds)]).argmax(axis=0)
    episodes = table.episodes[spec.outcome]
    for person in range(len(table)):
        time = table.columns[f"{spec.outcome}.time"][person]
        if np.isnan(time) or time <= spec.landmarks[0]:
            continue
        values = []
        for day in spec.landmarks:
            today = []
            for name in spec.covariates:
                value = table.columns[name][person]
                if name in episodes.columns:
                    held = [e for e in np.flatnonzero(episodes.owner == person) if episodes.start[e] <= day]
                    value = episodes.columns[name][max(held, key=lambda e: episodes.start[e])]
                today.append(value)
            values.append(np.array(today))
        if np.isnan(values[0]).any():
            continue
        event = bool(table.columns[f"{spec.outcome}.event"][person] == 1)
        found.append(Person(site, int(folds[person]), time - spec.landmarks[0], event, values))
    return found


def _rounded(days: float, spec: LandmarkingSpec) -> int:
    return int(np.ceil(days / spec.step_days))


def _since(spec: LandmarkingSpec, person: Person, landmark: int) -> float:
    return person.days - (spec.landmarks[landmark] - spec.landmarks[0])


def _in_a_window(spec: LandmarkingSpec, person: Person) -> bool:
    return any(0 < _since(spec, person, k) <= spec.window_days for k in range(len(spec.landmarks)))


def _fit(spec: LandmarkingSpec, people: Sequence[Person]) -> Fit:
    here = Counter(person.site for person in people)
    people = [person for person in people if here[person.site] >= Thresholds().min_count_in_sum]
    x, time, event, strata, owner, landmark = [], [], [], [], [], []
    for number, person in enumerate(people):
        for k in range(len(spec.landmarks)):
            since = _since(spec, person, k)
            if since > 0:
                values = person.values[k]
                late = k and (spec.landmarks[k] - spec.landmarks[0]) / (
                    spec.landmarks[-1] - spec.landmarks[0]
                )
                moving = [values[spec.covariates.index(name)] * late for name in spec.with_time]
                x.append([*values, *moving])
                time.append(since)
                event.append(person.event and since <= spec.window_days)
                strata.append(person.site * len(spec.landmarks) + k)
                owner.append(number)
                landmark.append(k)
    design, when, died = np.array(x), np.array(time), np.array(event)
    location, scale = design.mean(axis=0), design.std(axis=0)
    z = (design - location) / scale
    rows = Rows(z, FollowUp(None, when, died), np.ones(len(z)), np.array(strata))
    at = point(rows, np.zeros(z.shape[1]), spec.ties)
    for _ in range(30):
        at = point(rows, at.coef + np.linalg.solve(at.information, at.score), spec.ties)
    theirs = PHReg(when, z, died.astype(int), strata=np.array(strata), ties=spec.ties).fit()
    np.testing.assert_allclose(at.coef, theirs.params, rtol=1e-4, atol=1e-5)
    model = np.linalg.inv(at.information)
    products = cluster_products(residuals(rows, at.coef, spec.ties), np.array(owner))
    outer = np.outer(scale, scale)
    hazard = np.zeros(len(spec.landmarks))
    ends = np.ceil(when / spec.step_days)
    for k in range(len(spec.landmarks)):
        here = np.array(landmark) == k
        for interval in range(1, spec.window_days // spec.step_days + 1):
            deaths = (here & died & (ends == interval)).sum()
            risk = np.exp(z @ at.coef)[here & (ends >= interval)].sum()
            hazard[k] += deaths / risk if deaths else 0.0
    return Fit(location, at.coef / scale, model / outer, model @ products @ model / outer, hazard)


def _scores(
    spec: LandmarkingSpec, people: Sequence[Person], fit: Fit, fold: int, follow: Sequence[int], bins: int
) -> list[dict[str, Floats]]:
    """The sums of those held out, at each landmark; pairs are of one site."""
    found = []
    width = spec.window_days // spec.step_days
    everybody = FollowUp(None, np.array(follow, float), np.array([p.event for p in people]))
    capped = FollowUp(None, np.minimum(everybody.time, bins + 1), everybody.event & (everybody.time <= bins))
    followed, _ = pair_by_pair.shares([capped], bins)
    for k, day in enumerate(spec.landmarks):
        total = nothing(1)
        begin = (day - spec.landmarks[0]) // spec.step_days
        for site in {person.site for person in people}:
            here = [p for p in people if p.site == site and p.fold == fold and _since(spec, p, k) > 0]
            if not here:
                continue
            late = k and (day - spec.landmarks[0]) / (spec.landmarks[-1] - spec.landmarks[0])
            moving = [spec.covariates.index(name) for name in spec.with_time]
            x = np.array([[*p.values[k], *(p.values[k][moving] * late)] for p in here])
            score = (x - fit.location) @ fit.coef
            since = np.array([_since(spec, p, k) for p in here])
            event: Mask = np.array([p.event for p in here]) & (since <= spec.window_days)
            part = FollowUp(None, since, event)
            edges = np.arange(width + 1.0) * spec.step_days
            share = followed[begin : begin + width + 1] / followed[begin]
            risk = (1 - np.exp(-fit.hazard[k] * np.exp(score)))[:, None]
            sums = pair_by_pair.measures(part, part.on(edges), score, risk, share, np.array([width]), BINS)
            for name, value in sums.items():
                total[name] = total[name] + value
        found.append(total)
    return found
