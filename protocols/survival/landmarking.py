"""Predictions that move with the patient: one Cox model of what is known at each of several landmarks.

On each landmark everybody who is still followed counts with the covariates as they are then, and is followed
to the end of a window; what comes later is censored there. The rows of all landmarks are fitted at once, with
a baseline hazard for each landmark and hospital, so the partial likelihood is a sum over hospitals and no
event time leaves. A person has a row at several landmarks: standard errors are of people (Lin & Wei).

Judged is at every landmark by people whom the model never saw, in folds: the AUC of who has the event in the
window, the Brier score, Harrell's C within hospitals and folds. Baseline hazards and censoring are on a
public grid whose intervals are joined until enough people leave in each; landmarks and the ends of windows
always part it, so where too few people leave between two of these days the study is refused.

Reference: van Houwelingen, Scand J Stat 34 (2007) 70; van Houwelingen & Putter, Dynamic Prediction in
Clinical Survival Analysis (2012), ch. 7; R `coxph(Surv(LM, tt, ev) ~ ... + strata(LM) + cluster(id))`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from protocols.core.cells import gathered, parts, parts_of
from protocols.core.disclosure import Array, Band, Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import together
from protocols.core.people_in_effect import set_apart
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    FederatedProtocol,
    ask,
    site_step,
    within,
)
from protocols.core.site_step import ONCE
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.wording import listed
from protocols.estimation.climb import Climb, Top, climbed
from protocols.estimation.newton import CLIMB
from protocols.estimation.standards import SCALED, plainly, refined, standard_moments
from protocols.survival.landmarking_grid import check_people, check_runs, joined_runs, window
from protocols.survival.landmarking_result import LandmarkingResult, result
from protocols.survival.landmarking_rows import stacked
from protocols.survival.landmarking_spec import LandmarkingSpec
from protocols.survival.life_table import counted_in_runs, ended
from protocols.survival.survival_design import cluster_products
from protocols.survival.survival_scores import BINS, COUNTS, censoring_and_survival, measures, nothing

__all__ = ["Landmarking", "LandmarkingResult", "LandmarkingSpec"]


class Landmarking(FederatedProtocol[LandmarkingSpec, LandmarkingResult]):
    """A dynamic forecast."""

    name = "landmarking"
    spec_type = LandmarkingSpec

    @site_step(
        refines=True,
        enough=Band("part", what="people who leave, in whole floors"),
        beyond=Band(what="people followed beyond the last window, in whole floors"),
        with_event=Band("landmark", what="people with the event in the window, in whole floors"),
        not_zero=Band("landmark", "covariate", what="people with another value than 0, in whole floors"),
        not_one=Band("landmark", "covariate", what="people with another value than 1, in whole floors"),
        apart=Band("landmark", "covariate", what="people with another value than most, in whole floors"),
    )
    def leaving(spec: LandmarkingSpec, table: AnalysisTable) -> Arrays:
        """In which parts of the grid enough people leave, and at which landmarks enough differ."""
        stack, edges = stacked(spec, table), spec.edges()
        left, columns = ended(stack.follow, edges), range(len(spec.covariates))
        differ = [
            [set_apart(landmark.x[:, j]) for j in columns] for landmark in stack.landmarks
        ]  # the first columns are the covariates themselves
        not_zero, not_one, apart = np.moveaxis(np.array(differ, dtype=np.int64), -1, 0)
        return {
            "enough": np.concatenate([parts_of(left[a:b]) for a, b in spec.stretches()]),
            "beyond": np.array(int((stack.follow.time > edges[-1]).sum())),
            "with_event": np.array([int(landmark.follow.event.sum()) for landmark in stack.landmarks]),
            "not_zero": not_zero,
            "not_one": not_one,
            "apart": apart,
        }

    @site_step(
        n=Count(what="people at the first landmark"),
        n_events=Count(of="n", part=False, what="people with the event in a window"),
        at_risk=Count("interval", of="n", part=False, what="people at risk"),
        events=Count("interval", of="n", part=False, what="people with the event"),
        left=Count("interval", of="n", part=False, what="people who leave"),
    )
    def life_table(spec: LandmarkingSpec, table: AnalysisTable, last: Integers) -> Arrays:
        """People at risk, with the event, and leaving, in runs of the grid that end with the `last` ones."""
        check_runs(spec, last)
        stack, edges = stacked(spec, table), spec.edges()
        at_risk, events = counted_in_runs(stack.follow, edges, last)
        return {
            "n": np.array(len(stack.table)),
            "n_events": np.array(stack.events),
            "at_risk": at_risk,
            "events": events,
            "left": gathered(ended(stack.follow, edges), last),
        }

    @site_step(
        times=SCALED,
        varies=("about",),
        n=Count(),
        rows=Moment(what="rows of all landmarks"),
        sum=Moment("term", what="sums"),
        square=Moment("term", what="sums of squares"),
        too_large=Moment("term", what="sites whose sum of squares does not fit"),
    )
    def moments(spec: LandmarkingSpec, table: AnalysisTable, **about: Array) -> Arrays:
        """The sums and sums of squares of the covariates over the rows: they standardize, and cancel."""
        stack = stacked(spec, table)
        x = stack.x
        return {
            "n": np.array(len(stack.table)),
            "rows": np.array(float(len(x))),
            **standard_moments(x, about),
        }

    @site_step(
        climbs=lambda spec: True,
        times=CLIMB,
        varies=("coef", "scale"),
        n=Count(),
        n_events=Count(of="n", part=False, what="people with the event in a window"),
        loglik=Moment(what="log partial likelihood"),
        score=Moment("term", what="its first derivatives"),
        information=Moment("term", "term", what="its second derivatives"),
    )
    def derivatives(spec: LandmarkingSpec, table: AnalysisTable, coef: Floats, scale: Floats) -> Arrays:
        """The log partial likelihood here of all landmarks, and its derivatives, covariates over `scale`."""
        stack, p = stacked(spec, table), len(spec.terms())
        loglik, score, information = 0.0, np.zeros(p), np.zeros((p, p))
        for landmark in stack.landmarks:
            here = landmark.stratum().derivatives(coef / scale, spec.ties)
            loglik, score, information = loglik + here[0], score + here[1], information + here[2]
        return {
            "n": np.array(len(stack.table)),
            "n_events": np.array(stack.events),
            "loglik": np.array(loglik),
            "score": score / scale,
            "information": information / np.outer(scale, scale),
        }

    @site_step(
        times=ONCE,
        n=Count(),
        products=Moment("term", "term", what="sums over people of products of their score residuals"),
    )
    def residuals(spec: LandmarkingSpec, table: AnalysisTable, coef: Floats, scale: Floats) -> Arrays:
        """The sum over people of the product of their score residuals, added up over their landmarks."""
        stack = stacked(spec, table)
        found = []
        for landmark in stack.landmarks:
            stratum = landmark.stratum()
            _, risk = stratum.risk(coef / scale)
            by = stratum.sums(risk, spec.ties).increments()
            found.append(stratum.score_residuals(risk, by) / scale)
        owner = np.concatenate([landmark.owner for landmark in stack.landmarks])
        return {
            "n": np.array(len(stack.table)),
            "products": cluster_products(np.concatenate(found), owner),
        }

    @site_step(
        n=Count(),
        deaths=Moment("landmark", "interval", what="events in the window"),
        s0=Moment("landmark", "interval", what="risks of those at risk in the window"),
    )
    def hazards(
        spec: LandmarkingSpec, table: AnalysisTable, coef: Floats, location: Floats, last: Integers
    ) -> Arrays:
        """Events and summed risks in runs of each window, at coefficients of the original scale."""
        check_runs(spec, last)
        stack, shape = stacked(spec, table), (len(spec.landmarks), len(spec.edges()) - 1)
        deaths, s0 = np.zeros((2, *shape))
        for number, landmark in enumerate(stack.landmarks):
            risk, (edges, ends) = np.exp(_score(landmark.x, location, coef)), window(spec, number, last)
            on = landmark.follow.on(edges)
            until = on.time.astype(np.int64)
            size = len(ends) + 2  # who is followed beyond the window is in the last
            s0[number, ends] = np.cumsum(np.bincount(until, risk, minlength=size)[::-1])[::-1][1:-1]
            deaths[number, ends] = np.bincount(until[on.event], minlength=size)[1:-1]
        return {"n": np.array(len(stack.table)), "deaths": deaths, "s0": s0}

    @site_step(
        n=Count(),
        harrell=Moment("landmark", "pair", what="pairs by how the score orders them"),
        harrell_squares=Moment("landmark", "square", what="sums of squares for their standard error"),
        cases=Moment("landmark", "bin", what="weights of those with the event in the window"),
        controls=Moment("landmark", "bin", what="people without it"),
        squares=Moment("landmark", what="squared errors"),
        expected=Moment("landmark", what="sums of predicted risks"),
    )
    def scores(
        spec: LandmarkingSpec,
        table: AnalysisTable,
        coef: Floats,
        location: Floats,
        hazard: Floats,
        last: Integers,
        followed: Floats,
    ) -> Arrays:
        """What each fold's model says of people whom it never saw, at each landmark, and what came."""
        check_runs(spec, last)
        stack, size = stacked(spec, table), len(spec.landmarks)
        found = {name: [value] * size for name, value in nothing(1).items()}
        for fold in range(spec.folds):
            held_out = spec.held_out(stack.table, fold)
            for number, landmark in enumerate(stack.landmarks):
                rows = held_out[landmark.owner]
                score = _score(landmark.x[rows], location[fold], coef[fold])
                risk = -np.expm1(-hazard[fold, number] * np.exp(score))[:, None]
                edges, ends = window(spec, number, last)
                share = np.append(1.0, followed[ends + 1] / followed[spec.begins()[number]])
                share = np.maximum(share, _LEAST)
                at = np.array([len(ends)])
                part = measures(landmark.follow.select(rows), edges, at, score, risk, share)
                for name, value in part.items():
                    found[name][number] = found[name][number] + value
        one = {name: np.array([value[0] for value in found[name]]) for name in _BY_DAY}
        pairs = {name: np.array(found[name]) for name in ("harrell", "harrell_squares")}
        return {"n": np.array(len(stack.table)), **one, **pairs}

    def axes(self, spec: LandmarkingSpec) -> dict[str, int]:
        sizes = {"landmark": len(spec.landmarks), "covariate": len(spec.covariates)}
        sizes |= {"term": len(spec.terms()), "interval": len(spec.edges()) - 1}
        sizes |= {"part": sum(parts(b - a) for a, b in spec.stretches())}
        return sizes | {"bin": BINS, "pair": len(COUNTS), "square": 3}

    def coordinate(self, spec: LandmarkingSpec) -> Coordination[LandmarkingResult]:
        found = yield ask("leaving")
        last = joined_runs(spec, found)
        counts = yield ask("life_table", last=last)
        check_people(spec, counts, last)
        folds = [within(_fitted(spec, last), rows=rows) for rows in spec.training()]
        whole, *fits = yield from together([_fitted(spec, last), *folds])
        followed, _ = censoring_and_survival(
            {name: counts[name] for name in ("at_risk", "events", "left")}
        )  # between the ends of runs it is that of the end before
        models = {
            name: np.array([vars(fit)[name] for fit in fits]) for name in ("coef", "location", "hazard")
        }
        scale = whole.scale
        residuals, scores = yield (
            ask("residuals", coef=whole.coef * scale, scale=scale),
            Ask("scores", {**models, "last": last, "followed": followed}),
        )
        bread = whole.covariance
        outer = np.outer(scale, scale)
        products = residuals["products"] * outer
        return result(
            spec,
            whole.coef,
            bread @ products @ bread,
            model_covariance=bread,
            location=whole.location,
            hazard=whole.hazard,
            counts=counts.arrays,
            scores=scores.arrays,
            last=last,
        )

    def method(self, spec: LandmarkingSpec) -> str:
        days = listed(map(str, spec.landmarks))
        moving = f", effects of {listed(spec.with_time)} changing with the landmark" if spec.with_time else ""
        return (
            f"Landmark analysis (van Houwelingen 2007) of {spec.outcome} on {listed(spec.covariates)} as "
            f"known on days {days}, within {spec.window_days} days of each: a Cox model of all landmarks, "
            f"stratified by landmark and hospital{moving}, ties by {spec.ties.capitalize()}'s method, "
            "standard errors robust for people with several rows (Lin & Wei 1989). "
            f"Judged in {spec.folds} folds of people: time-dependent AUC "
            "and Brier score, weighted by the inverse of the share still followed, and Harrell's concordance."
        )

    def about(self, spec: LandmarkingSpec) -> str:
        days = ", ".join(map(str, spec.landmarks))
        return (
            f"Prediction of {spec.outcome} within {spec.window_days} days by what is known of "
            f"{', '.join(spec.covariates)} on days {days}."
        )

    def notes(self, spec: LandmarkingSpec) -> Sequence[str]:
        return [
            "About people whose follow-up goes beyond the first landmark and of whom every covariate is "
            "known by then.",
            f"Numbers by time are of {spec.step_days} days, and longer where few people leave.",
        ]


_BY_DAY = ("cases", "controls", "squares", "expected")
_FARTHEST = 40.0
_LEAST = 1e-3  # of the share still followed, where nobody is


@dataclass(frozen=True)
class _Fit:
    """A model in the original scale.

    Attributes:
        location, scale, coef: (terms,); covariance: (terms, terms) of coef by the information.
        hazard: (L,) cumulative baseline hazard of the windows, at `location`.
    """

    location: Floats
    scale: Floats
    coef: Floats
    covariance: Floats
    hazard: Floats


def _fitted(spec: LandmarkingSpec, last: Integers) -> Coordination[_Fit]:
    """The stacked model.

    Raises:
        StudyError: separation, rank-deficient, not-converged, withheld.
    """
    terms = spec.terms()
    first = yield plainly("moments")
    known = yield from refined(first, terms, step="moments", people="rows")
    scale, p = known.scale, len(terms)
    climb = Climb("derivatives", np.zeros(p), {"scale": scale}, axis="term", columns=spec.covariates)
    start = yield climb.ask()
    if not start["n_events"]:
        raise StudyError(
            Code.SEPARATION,
            f"nobody has an event of {spec.outcome} in a window",
            "use a longer window, or include more people",
        )
    top: Top = yield from climbed(climb, start, terms, np.diag(1 / scale))
    sums = yield ask("hazards", coef=top.coef, location=known.location, last=last)
    deaths, s0 = np.asarray(sums["deaths"]), np.asarray(sums["s0"])
    hazard = np.where(deaths > 0, deaths, 0.0) / np.where(deaths > 0, s0, 1.0)
    return _Fit(known.location, scale, top.coef, top.covariance, hazard.sum(axis=1))


def _score(x: Floats, location: Floats, coef: Floats) -> Floats:
    """The (n,) log hazards of (n, terms) rows against the mean, none farther than a secure sum holds."""
    return np.clip((x - location) @ coef, -_FARTHEST, _FARTHEST)
