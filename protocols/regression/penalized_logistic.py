"""Penalized logistic regression: ridge, lasso and elastic net, a path of penalties in shared rounds. Exact.

All penalties advance together by proximal Newton, so a path of twenty costs the rounds of one fit. The
penalty that is `chosen` has the least BIC. Where the covariates separate the outcomes, the path ends before
the penalties that are too small to hold it.

Coefficients and derivatives together give back a joint table of 0/1 covariates. So the sites search for a
lasso and an elastic net themselves, under a seal (`estimation.sealed`), and a ridge, which has no corners, is
a climb in a basis that only they know (`ridge_path`).

Reference: Friedman, Hastie & Tibshirani, J Stat Softw 33 (2010), eq. 13; glmnet `family = "binomial"`, with
covariates over their standard deviation (divisor n).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.disclosure import Array, Count, Flag, Moment
from protocols.core.errors import Code, SiteError
from protocols.core.figure import Axis, Curve, Curves, Figure
from protocols.core.protocol import Arrays, Ask, Coordination, FederatedProtocol, site_step
from protocols.core.ranges import Ranges, most_of
from protocols.core.roles import Applicable, PredictsProbability, ProbabilityModel
from protocols.core.site_step import NEVER, Times
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation import elastic_net
from protocols.estimation.elastic_net import at_penalty
from protocols.estimation.newton import CLIMB, MAX_EVALUATIONS
from protocols.estimation.outcome import null_loglik
from protocols.estimation.sealed import searched
from protocols.estimation.standards import (
    covariate_moments,
    original_scale,
    plainly,
    refined,
)
from protocols.regression import families
from protocols.regression.proximal_newton import Quadratic, minimise
from protocols.regression.ridge_path import Ridge, check_varies
from protocols.results.figures import MOST_ROWS, floats, left_out

_MOST_NUMBERS = 20_000_000  # in one message: penalties times covariates squared


class PenalizedLogisticSpec(PredictsProbability):
    """A 0/1 outcome on covariates, their coefficients held small.

    Attributes:
        outcome: a 0/1 variable.
        covariates: numeric variables, complete cases are used.
        l1_ratio: 0 is ridge, 1 the lasso.
        lambdas: penalties of -loglik / n + lambda * (...); empty takes `number`, from the one
            that leaves none.
        standardize: whether the penalty falls on covariates over their standard deviation.
    """

    protocol: Literal["penalized_logistic"] = "penalized_logistic"
    outcome: Name
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=1000)
    l1_ratio: float = Field(default=1.0, ge=0, le=1)
    lambdas: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(), max_length=200)
    number: int = Field(default=20, ge=1, le=200)
    standardize: bool = True

    @model_validator(mode="after")
    def _fits_a_message(self) -> "PenalizedLogisticSpec":
        if self.size() * (len(self.covariates) + 1) ** 2 > _MOST_NUMBERS:
            raise ValueError("too many penalties for so many covariates: choose a smaller `number`")
        return self

    def variables(self) -> tuple[str, ...]:
        return (self.outcome, *self.covariates)

    def numbers_published(self, columns: int) -> int:
        return self.size() * (columns + 1)

    def outcome_name(self) -> str:
        return self.outcome

    def size(self) -> int:
        """How many penalties there are."""
        return len(self.lambdas) or self.number

    def is_ridge(self) -> bool:
        """Whether the penalty has no corners."""
        return self.l1_ratio == 0


@dataclass(frozen=True)
class PenalizedLogisticResult(Applicable):
    """Penalized log odds ratios, on the original scale.

    Attributes:
        terms: (p,) covariates.
        lambdas: (L,) descending; not_reached: (k,) smaller ones, by which few people would carry the fit.
        coef: (L, p); intercept: (L,).
        nonzero: (L,) coefficients that are not 0; df: (L,) effective degrees of freedom.
        loglik, deviance, bic: (L,).
        chosen: the position of the least BIC.
        null_deviance: of the intercept alone.
        n, n_events: people with complete data, and those of them whose outcome is 1.
        evaluations: of the likelihoods, one per round.

    >>> from protocols.exchange.example import run_example
    >>> data = {"outcome": "idh1", "covariates": ["age", "entropy"]}
    >>> found = run_example(protocol="penalized_logistic", lambdas=[0.1, 0.01], **data)
    >>> found.summary()[["nonzero", "bic", "chosen"]].round(1)
             nonzero    bic  chosen
    penalty
    0.10        2  362.5   False
    0.01        2  319.4    True
    """

    terms: tuple[str, ...]
    lambdas: Floats
    coef: Floats
    intercept: Floats
    nonzero: Integers
    df: Floats
    loglik: Floats
    deviance: Floats
    bic: Floats
    chosen: int
    null_deviance: float
    n: int
    n_events: int
    evaluations: int
    not_reached: Floats

    def summary(self) -> pd.DataFrame:
        """One row per penalty: what it leaves."""
        frame = self.table(self.lambdas, "nonzero", "df", "deviance", "bic")
        return frame.assign(chosen=np.arange(len(frame)) == self.chosen).rename_axis("penalty")

    def figure(self) -> Figure:
        lambdas = floats(self.lambdas)
        curves = [
            Curve(term, lambdas, floats(path), marks="joined")
            for term, path in zip(self.terms[:MOST_ROWS], self.coef.T, strict=False)
        ]
        ends = (float(np.nanmin(self.coef)), float(np.nanmax(self.coef)))
        curves.append(Curve("", (lambdas[self.chosen],) * 2, ends, marks="guide"))
        return Figure(
            (Curves("", Axis("penalty", log=True), Axis("log odds ratio"), tuple(curves)),),
            f"Coefficients by penalty, {self.n} people; the dashed line is the penalty of the least BIC. "
            f"{self._end()}{left_out('covariates', len(self.terms))}".strip(),
        )

    def _end(self) -> str:
        k = len(self.not_reached)
        return f"The path ends there: {k} smaller penalties do not hold the outcome's separation. " * bool(k)

    def transform_arrays(self) -> dict[str, Floats]:
        return {"coef": np.append(self.intercept[self.chosen], self.coef[self.chosen])}


class PenalizedLogistic(
    FederatedProtocol[PenalizedLogisticSpec, PenalizedLogisticResult], ProbabilityModel[PenalizedLogisticSpec]
):
    """Log odds ratios of many covariates on a 0/1 outcome."""

    name = "penalized_logistic"
    version = "3"
    spec_type = PenalizedLogisticSpec

    moments = covariate_moments

    @site_step(
        seals=True,
        crosses=True,
        times=lambda spec: NEVER if spec.lambdas or not spec.is_ridge() else Times(2, 2),  # and for the end
        bounds=lambda spec, asked, ranges: {"score": _bounds(spec, asked, ranges)["score"]},
        n=Count(),
        n_events=Count(of="n", what="people with the outcome"),
        score=Moment("term", what="first derivatives of the log-likelihood where all coefficients are 0"),
    )
    def gradient(spec: PenalizedLogisticSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """The derivatives from which a ridge's penalties follow, covariates less shift over scale."""
        table = table.complete(spec.variables())
        score = _at(spec, table, np.zeros(len(spec.covariates) + 1), shift, scale)["score"]
        return _people(spec, table) | {"score": score}

    @site_step(
        climbs=True,
        times=lambda spec: Times(1, spec.size() * (1 + MAX_EVALUATIONS)) if spec.is_ridge() else NEVER,
        varies=("coef",),
        n=Count(),
        n_events=Count(of="n", what="people with the outcome"),
        loglik=Moment(what="log-likelihood"),
        score=Moment("term", what="first derivatives of the log-likelihood"),
        information=Moment("term", "term", what="second derivatives of the log-likelihood"),
    )
    def derivatives(
        spec: PenalizedLogisticSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """The log-likelihood and its derivatives at `coef`, covariates less shift over scale, for a ridge."""
        table = table.complete(spec.variables())
        return _people(spec, table) | _at(spec, table, coef, shift, scale)

    @site_step(
        seals=True,
        times=lambda spec: NEVER if spec.is_ridge() else CLIMB,
        varies=("coef",),
        bounds=lambda spec, asked, ranges: _bounds(spec, asked, ranges),
        n=Count(),
        n_events=Count(of="n", what="people with the outcome"),
        loglik=Moment("penalty", what="log-likelihood"),
        score=Moment("penalty", "term", what="first derivatives of the log-likelihood"),
        information=Moment("penalty", "term", "term", what="second derivatives of the log-likelihood"),
        few=Flag("penalty", what="sites where too few people carry them"),
    )
    def path(
        spec: PenalizedLogisticSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """The same at each of (penalty, term) coefficients; zeros where they are missing, or few carry it."""
        table = table.complete(spec.variables())
        sizes, t = coef.shape
        loglik, score, information = np.zeros(sizes), np.zeros((sizes, t)), np.zeros((sizes, t, t))
        few = np.zeros(sizes, dtype=np.int64)
        for k in np.flatnonzero(~np.isnan(coef[:, 0])):
            try:
                found = _at(spec, table, coef[k], shift, scale)
            except SiteError as error:
                if error.code is not Code.SEPARATION:
                    raise
                few[k] = 1
            else:
                loglik[k], score[k], information[k] = found["loglik"], found["score"], found["information"]
        sums = {"loglik": loglik, "score": score, "information": information}
        return {**_people(spec, table), **sums, "few": few}

    def axes(self, spec: PenalizedLogisticSpec) -> dict[str, int]:
        p = len(spec.covariates)
        return {"covariate": p, "term": p + 1, "penalty": spec.size()}

    def coordinate(self, spec: PenalizedLogisticSpec) -> Coordination[PenalizedLogisticResult]:
        known = yield from refined((yield plainly("moments")), spec.covariates, step="moments")
        location, sd = known.location, known.scale
        scale = sd if spec.standardize else np.ones(len(sd))  # of the covariates that the penalty is about
        found: Arrays
        if spec.is_ridge():
            found = yield from _ridge(spec, {"shift": location, "scale": sd}, scale / sd)
        else:
            common = {"shift": location, "scale": scale}
            found = yield from searched(_search(spec, common), ("path",), common)
            check_varies(spec.outcome, found)
        return result(spec, found, original_scale(location, scale))

    def score(self, spec: PenalizedLogisticSpec, table: AnalysisTable, **arrays: Array) -> Floats:
        """The (n,) probabilities that the outcome is 1, by the penalty that is chosen."""
        return families.probabilities(spec.covariates, table, arrays["coef"])

    def estimator(self, spec: PenalizedLogisticSpec, result: PenalizedLogisticResult) -> Any:
        """A LogisticRegression at the penalty of the least BIC."""
        return self.penalized_estimator(spec, result, float(result.lambdas[result.chosen]))

    def penalized_estimator(
        self, spec: PenalizedLogisticSpec, result: PenalizedLogisticResult, penalty: float
    ) -> Any:
        """A LogisticRegression at one of the penalties."""
        from protocols.results import estimators  # scikit-learn loads with it

        at = at_penalty(result.lambdas, penalty)
        return estimators.logistic_regression(
            spec.covariates,
            np.append(result.intercept[at], result.coef[at]),
            inverse_penalty=1 / (result.n * float(result.lambdas[at])),
            l1_ratio=spec.l1_ratio,
        )

    def method(self, spec: PenalizedLogisticSpec) -> str:
        kind = {0.0: "ridge", 1.0: "lasso"}.get(spec.l1_ratio, f"elastic net (L1 share {spec.l1_ratio:g})")
        return (
            f"Logistic regression of {spec.outcome} on {listed(spec.covariates)} with a {kind} penalty "
            "(Friedman, Hastie & Tibshirani 2010), chosen by the least BIC."
        )

    def about(self, spec: PenalizedLogisticSpec) -> str:
        return f"Penalized logistic regression of {spec.outcome} on {', '.join(spec.covariates)}."


def _people(spec: PenalizedLogisticSpec, table: AnalysisTable) -> dict[str, Array]:
    return {"n": np.array(len(table)), "n_events": np.array((table.column(spec.outcome) == 1).sum())}


def _at(
    spec: PenalizedLogisticSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats
) -> dict[str, Array]:
    """The log-likelihood and its derivatives at (term,) coefficients."""
    found = families.derivatives("logit", table, spec.outcome, spec.covariates, coef, shift, scale)
    return {name: found[name] for name in ("loglik", "score", "information")}


def _bounds(spec: PenalizedLogisticSpec, asked: Arrays, ranges: Ranges) -> dict[str, Floats]:
    """How large one person's part of the (term,) score and (term, term) information can be, at any `coef`.

    A residual is at most 1, a weight at most 1/4.
    """
    shift, scale = (np.asarray(asked[name], dtype=np.float64) for name in ("shift", "scale"))
    most = np.append(1.0, most_of(spec.covariates, ranges, shift, 1 / scale))
    return {"score": most, "information": np.outer(most, most) / 4}


def _lambdas(spec: PenalizedLogisticSpec, gradient: Floats) -> Floats:
    """The (L,) penalties, descending; `gradient` is that of the covariates where the intercept is alone."""
    if spec.lambdas:
        return np.sort(np.array(spec.lambdas))[::-1]
    just_above = gradient * (1 + 1e-9)  # so that rounding lets no coefficient in at the first
    return elastic_net.penalties(just_above, spec.l1_ratio, spec.number)


def _ridge(
    spec: PenalizedLogisticSpec, common: Mapping[str, Floats], per: Floats
) -> Coordination[dict[str, Array]]:
    """What `result` makes the result of; `per`: see `Ridge`."""
    ridge = Ridge("derivatives", common, spec.outcome, spec.covariates, per)
    steepest = np.zeros(1) if spec.lambdas else (yield from ridge.steepest("gradient"))
    lambdas = _lambdas(spec, steepest)
    return {"lambdas": lambdas, **(yield from ridge.path(lambdas))}


def _search(spec: PenalizedLogisticSpec, common: Mapping[str, Floats]) -> Coordination[Arrays]:
    """The sites' search for a lasso: n, n_events and, where outcomes differ, all that `result` needs."""

    def evaluate(coef: Floats) -> Ask:
        return Ask("path", {"coef": coef, **common})

    first = np.full((spec.size(), len(spec.covariates) + 1), np.nan)
    first[0] = 0.0
    zero = yield evaluate(first)
    people = {name: zero[name] for name in ("n", "n_events")}
    if int(people["n_events"]) in (0, n := int(people["n"])):
        return people
    start = Quadratic.of(first[0], zero, 0, n)
    lambdas = _lambdas(spec, start.gradient[1:])
    found, rounds = yield from minimise(start, lambdas, spec.l1_ratio, n, evaluate)
    return people | path_found(spec, lambdas, found, n, rounds + 1)


def path_found(
    spec: PenalizedLogisticSpec, lambdas: Floats, found: Sequence[Quadratic], n: int, evaluations: int
) -> dict[str, Array]:
    """What `result` needs of the likelihoods of n people at the minima of the first of (L,) penalties."""
    df = [
        elastic_net.degrees_of_freedom(q.curvature[1:, 1:], q.coef[None, 1:], np.array([ridge]))[0]
        for q, ridge in zip(found, lambdas * (1 - spec.l1_ratio), strict=False)
    ]
    return {
        "lambdas": lambdas,
        "coef": np.array([q.coef for q in found]),
        "loglik": n * np.array([q.value for q in found]),
        "df": np.array(df),
        "evaluations": np.array(evaluations),
    }


def result(spec: PenalizedLogisticSpec, found: Arrays, basis: Floats) -> PenalizedLogisticResult:
    """The result of what was found; `basis` makes coefficients of those that the penalty falls on."""
    n, events = int(found["n"]), int(found["n_events"])
    names = ("lambdas", "coef", "loglik", "df")
    lambdas, coef, loglik, df = (found[name].astype(np.float64) for name in names)
    original = coef @ basis.T
    bic = np.log(n) * (df + 1) - 2 * loglik
    return PenalizedLogisticResult(
        terms=spec.covariates,
        lambdas=lambdas[: len(coef)],
        coef=original[:, 1:],
        intercept=original[:, 0],
        nonzero=np.count_nonzero(coef[:, 1:], axis=1),
        df=df,
        loglik=loglik,
        deviance=-2 * loglik,
        bic=bic,
        chosen=int(np.argmin(bic)),
        null_deviance=-2 * null_loglik(n, events),
        n=n,
        n_events=events,
        evaluations=int(found["evaluations"]),
        not_reached=lambdas[len(coef) :],
    )
