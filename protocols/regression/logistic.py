"""Logistic regression: log odds of a 0/1 variable, linear in covariates. Exact.

Log-likelihood, score and information are sums over people, so over sites; each round is one Newton step.

Reference: McCullagh & Nelder, Generalized Linear Models (1989), ch. 4; R `glm(family = binomial)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.special import expit

from protocols.core.disclosure import Array, Count, Moment
from protocols.core.figure import Figure, NoFigure
from protocols.core.privacy import MayBeNoised, MayBePrivate, Rows
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, site_step
from protocols.core.roles import Applicable, Estimates, PredictsProbability, ProbabilityModel
from protocols.core.table import AnalysisTable, Floats
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.climb import Climb, climbed
from protocols.estimation.newton import CLIMB
from protocols.estimation.noisy import noisy_sums, products, size_of_products, with_ones
from protocols.estimation.outcome import null_loglik, same_outcome, zero_one
from protocols.estimation.standards import (
    covariate_moments,
    original_scale,
    plainly,
    refined,
)
from protocols.estimation.wald import wald
from protocols.regression import noisy_models as noisy
from protocols.regression.families import derivatives, probabilities
from protocols.results.figures import forest, interval_caption

INTERCEPT = "(Intercept)"


class LogisticSpec(MayBePrivate, PredictsProbability, Estimates):
    """A 0/1 outcome on covariates.

    Attributes:
        outcome: a 0/1 variable.
        covariates: numeric variables, complete cases are used.
        level: of the confidence intervals.
    """

    protocol: Literal["logistic"] = "logistic"
    outcome: Name
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=500)
    level: float = Field(default=0.95, gt=0, lt=1)

    def variables(self) -> tuple[str, ...]:
        return (self.outcome, *self.covariates)

    def outcome_name(self) -> str:
        return self.outcome

    def stands_on(self) -> tuple[str, ...]:
        return () if self.privacy else super().stands_on()

    def not_private(self) -> str:
        if len(self.covariates) > noisy.MOST_COVARIATES:
            return f"with `privacy` a model has at most {noisy.MOST_COVARIATES} covariates"
        return ""

    def ranged(self) -> tuple[str, ...]:
        return self.covariates

    def private_rounds(self) -> int:
        """Products, gradients, and products weighted at the end."""
        return noisy.CLIMB_ROUNDS + 2

    def private_size(self, arrays: Mapping[str, Array]) -> int:
        p = len(self.terms())
        if "coef" not in arrays:
            return size_of_products(p + 1)
        return size_of_products(p) if "weighted" in arrays else p

    def private_rows(self, table: AnalysisTable, **arrays: Array) -> Rows:
        """Each person's products with the outcome; gradient at `coef`; or products times 4 p (1 - p)."""
        table = table.complete(self.variables())
        x, y = with_ones(self.scaled(table, self.covariates)), table.column(self.outcome)
        if "coef" not in arrays:
            return products(np.column_stack([x, 2 * zero_one(y, self.outcome) - 1]))
        p = expit(x @ arrays["coef"])
        if "weighted" in arrays:
            return products(x) * (4 * p * (1 - p))[:, None]
        return x * ((y - p) / np.sqrt(x.shape[1]))[:, None]

    def terms(self) -> tuple[str, ...]:
        """The names of the coefficients."""
        return (INTERCEPT, *self.covariates)


@dataclass(frozen=True)
class LogisticResult(MayBeNoised, Applicable):
    """Log odds ratios of a logistic model.

    Attributes:
        terms: (p,) "(Intercept)" and the covariates.
        coef, se, z, p: (p,) log odds ratio, its standard error, Wald statistic and two-sided p-value.
        odds_ratio, lower, upper: (p,) exp(coef) and its confidence interval at `level`.
        covariance: (p, p) of coef.
        loglik: at coef; deviance and null_deviance: minus twice it, and that of the intercept alone.
        n, n_events: people with complete data, and those of them whose outcome is 1.
        evaluations: of the likelihood, one per round.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="logistic", outcome="idh1", covariates=["age", "entropy"])
    >>> found.summary()[["odds_ratio", "lower", "upper"]].drop("(Intercept)").round(2)
             odds_ratio  lower  upper
    age            0.89   0.87   0.92
    entropy        0.15   0.09   0.26
    """

    terms: tuple[str, ...]
    coef: Floats
    se: Floats
    z: Floats
    p: Floats
    odds_ratio: Floats
    lower: Floats
    upper: Floats
    covariance: Floats
    loglik: float
    deviance: float
    null_deviance: float
    n: int
    n_events: int
    level: float
    evaluations: int

    def summary(self) -> pd.DataFrame:
        return self.table(self.terms, "coef", "se", "z", "p", "odds_ratio", "lower", "upper")

    def informative(self) -> int:
        return self.n

    def figure(self) -> Figure | NoFigure:
        caption = interval_caption(f"Odds ratios of {self.n} people", self.level, self.lower)
        ratio = (self.odds_ratio, self.lower, self.upper)
        return forest(self.terms, *ratio, measure="odds ratio", ratio=True, caption=caption)

    def transform_arrays(self) -> dict[str, Floats]:
        return {"coef": self.coef}


class Logistic(FederatedProtocol[LogisticSpec, LogisticResult], ProbabilityModel[LogisticSpec]):
    """Odds ratios of covariates on a 0/1 outcome."""

    name = "logistic"
    version = "2"
    spec_type = LogisticSpec

    moments = covariate_moments

    @site_step(
        climbs=True,
        times=CLIMB,
        varies=("coef", "shift", "scale"),
        n=Count(),
        n_events=Count(of="n", what="people with the outcome"),
        loglik=Moment(what="log-likelihood"),
        score=Moment("term", what="first derivatives of the log-likelihood"),
        information=Moment("term", "term", what="second derivatives of the log-likelihood"),
    )
    def derivatives(
        spec: LogisticSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """This hospital's log-likelihood and its derivatives at `coef`, covariates less shift over scale."""
        table = table.complete(spec.variables())
        found = derivatives("logit", table, spec.outcome, spec.covariates, coef, shift, scale)
        return {
            "n": np.array(len(table)),
            "n_events": np.array((table.column(spec.outcome) == 1).sum()),
            **{name: found[name] for name in ("loglik", "score", "information")},
        }

    def axes(self, spec: LogisticSpec) -> dict[str, int]:
        return {"covariate": len(spec.covariates), "term": len(spec.terms())}

    def coordinate(self, spec: LogisticSpec) -> Coordination[LogisticResult]:
        if spec.privacy:
            return (yield from _noisy(spec))
        moments = yield plainly("moments")
        known = yield from refined(moments, spec.covariates, step="moments")
        shift, scale = known.location, known.scale
        common = {"shift": shift, "scale": scale}
        climb = Climb("derivatives", np.zeros(len(spec.terms())), common, columns=spec.covariates)
        start = yield climb.ask()
        people = int(start["n"]), int(start["n_events"])
        if people[1] in (0, people[0]):
            raise same_outcome(spec.outcome, "everybody with complete data")
        found = yield from climbed(climb, start, spec.terms(), original_scale(shift, scale))
        return result(
            spec,
            found.coef,
            found.covariance,
            loglik=found.loglik,
            people=people,
            evaluations=found.evaluations,
        )

    def score(self, spec: LogisticSpec, table: AnalysisTable, **arrays: Array) -> Floats:
        """The (n,) probabilities that the outcome is 1."""
        return probabilities(spec.covariates, table, arrays["coef"])

    def estimator(self, spec: LogisticSpec, result: LogisticResult) -> Any:
        """A LogisticRegression without a penalty."""
        from protocols.results import estimators  # scikit-learn loads with it

        return estimators.logistic_regression(spec.covariates, result.coef)

    def method(self, spec: LogisticSpec) -> str:
        return (
            f"Logistic regression of {spec.outcome} on {listed(spec.covariates)}, Wald intervals, over "
            "people with complete data."
        )

    def about(self, spec: LogisticSpec) -> str:
        return f"Logistic regression of {spec.outcome} on {', '.join(spec.covariates)}."


def _noisy(spec: LogisticSpec) -> Coordination[LogisticResult]:
    """The result of noisy products and gradients; its likelihood is not known."""
    p = len(spec.terms())
    sums, noised = yield from noisy_sums(spec)
    start = noisy.Products.of(sums, noised, p + 1)
    inverse, coef, unit = np.linalg.inv(noisy.bound(start)), np.zeros(p), float(np.sqrt(p))
    for number in range(1, noisy.CLIMB_ROUNDS + 1):
        gradient, _ = yield from noisy_sums(spec, number, coef=coef)
        coef = coef + inverse @ (unit * gradient)
    last, _ = yield from noisy_sums(spec, noisy.CLIMB_ROUNDS + 1, coef=coef, weighted=np.array(1.0))
    information = noisy.Products.of(last / 4, replace(noised, deviation=noised.deviation / 4), p)
    back = noisy.original(*spec.bounds(spec.covariates))
    covariance = noisy.with_noise(information, unit * noised.deviation)
    found = result(
        spec,
        back @ coef,
        back @ covariance @ back.T,
        loglik=float("nan"),
        people=(start.n, noisy.events(start)),
        evaluations=noisy.CLIMB_ROUNDS,
    )
    return replace(found, noised=noised)


def result(
    spec: LogisticSpec,
    coef: Floats,
    covariance: Floats,
    *,
    loglik: float,
    people: tuple[int, int],
    evaluations: int,
) -> LogisticResult:
    """The result of coefficients and their covariance, with Wald statistics and intervals."""
    tested = wald(coef, covariance, spec.level)
    ratio, lower, upper = tested.ratios()
    n, events = people
    return LogisticResult(
        terms=spec.terms(),
        coef=coef,
        se=tested.se,
        z=tested.z,
        p=tested.p,
        odds_ratio=ratio,
        lower=lower,
        upper=upper,
        covariance=covariance,
        loglik=loglik,
        deviance=-2 * loglik,
        null_deviance=-2 * null_loglik(n, events),
        n=n,
        n_events=events,
        level=spec.level,
        evaluations=evaluations,
    )
