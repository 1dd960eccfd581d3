"""Linear regression: least squares with standard errors, and ridge, lasso and elastic net paths. Exact.

One round: coefficients, standard errors and penalized paths are functions of second moments. With
`intercepts: site` each hospital keeps its own mean (a fixed effect of the site, R's `factor(site)`).

A covariate that follows from those before it is aliased: its coefficient is missing and it is named, as
R's `lm` does. Moments tell this to a share of 1e-9 of its variance (`lm` looks at rows and sees 1e-14).

Reference: Draper & Smith, Applied Regression Analysis (1998), ch. 5; R `lm`. Penalties: Friedman, Hastie &
Tibshirani, J Stat Softw 33 (2010), on covariates over their standard deviation (divisor n), as scikit-learn's
`ElasticNet` (glmnet divides the ridge part by the outcome's standard deviation besides).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy import stats
from scipy.linalg import cho_factor, cho_solve

from protocols.core.disclosure import Array
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Figure, NoFigure
from protocols.core.privacy import MayBeNoised, MayBePrivate, Noised, Rows
from protocols.core.protocol import Coordination, FederatedProtocol
from protocols.core.roles import Estimates, Predicts, Regression
from protocols.core.table import AnalysisTable, Floats
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.elastic_net import at_penalty
from protocols.estimation.moments import (
    Intercepts,
    Moments,
    gather,
    products_of_columns,
)
from protocols.estimation.newton import aliased
from protocols.estimation.noisy import noisy_sums, products, size_of_products, with_ones
from protocols.estimation.wald import wald
from protocols.regression import noisy_models as noisy
from protocols.regression.penalized_linear import PenalizedPath, Penalty, path_of_moments
from protocols.results.figures import forest, interval_caption

INTERCEPT = "(Intercept)"

FEWEST_DF = 10
"""Residual degrees of freedom below which a fit is refused: it would follow its people."""


class LinearSpec(MayBePrivate, Predicts, Estimates):
    """A numeric outcome on covariates.

    Attributes:
        outcome: a numeric variable.
        covariates: numeric variables, complete cases are used.
        intercepts: one for all, or one for each site.
        level: of the confidence intervals.
        penalty: also a path of penalized fits.
    """

    protocol: Literal["linear"] = "linear"
    outcome: Name
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=500)
    intercepts: Intercepts = "common"
    level: float = Field(default=0.95, gt=0, lt=1)
    penalty: Penalty | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> "LinearSpec":
        if len(set(self.variables())) != len(self.variables()):
            raise ValueError("a variable is listed twice in outcome and covariates")
        return self

    def variables(self) -> tuple[str, ...]:
        return (*self.covariates, self.outcome)

    def predictors(self) -> tuple[str, ...]:
        return self.covariates

    def stands_on(self) -> tuple[str, ...]:
        return () if self.privacy else super().stands_on()

    def not_private(self) -> str:
        if self.intercepts == "site" or self.penalty:
            return "with `privacy` a linear model has one intercept and no penalty"
        if len(self.covariates) > noisy.MOST_COVARIATES:
            return f"with `privacy` a model has at most {noisy.MOST_COVARIATES} covariates"
        return ""

    def ranged(self) -> tuple[str, ...]:
        return self.variables()

    def private_size(self, arrays: Mapping[str, Array]) -> int:
        return size_of_products(len(self.variables()) + 1)

    def private_rows(self, table: AnalysisTable, **arrays: Array) -> Rows:
        """Each person's products of an intercept, covariates and outcome."""
        table = table.complete(self.variables())
        return products(with_ones(self.scaled(table, self.variables())))

    def terms(self) -> tuple[str, ...]:
        """The names of the coefficients."""
        return (INTERCEPT, *self.covariates) if self.intercepts == "common" else self.covariates


@dataclass(frozen=True)
class LinearResult(MayBeNoised, Regression):
    """Coefficients of a linear model; those of aliased covariates are missing.

    Attributes:
        terms: (p,) "(Intercept)", if it is common, and the covariates.
        coef, se, t, p: (p,) coefficient, standard error, t statistic and two-sided p-value.
        lower, upper: (p,) confidence interval at `level`.
        covariance: (p, p) of coef.
        aliased: covariates that are combinations of those before them.
        sigma: residual standard deviation; df: its degrees of freedom.
        r_squared, adjusted_r_squared: share of the variance explained, within sites with `intercepts: site`.
        f, f_p: of all covariates against none.
        n: people with complete data; sites: that have any of them.
        path: penalized fits, if asked for.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="linear", outcome="entropy", covariates=["age", "volume"])
    >>> found.summary()[["coef", "se", "lower", "upper"]].round(3)
                  coef     se  lower  upper
    (Intercept)  3.073  0.149  2.780  3.365
    age          0.010  0.003  0.005  0.015
    volume       0.015  0.001  0.012  0.018
    >>> round(found.r_squared, 2)
    0.31
    """

    terms: tuple[str, ...]
    coef: Floats
    se: Floats
    t: Floats
    p: Floats
    lower: Floats
    upper: Floats
    covariance: Floats
    aliased: tuple[str, ...]
    sigma: float
    df: int
    r_squared: float
    adjusted_r_squared: float
    f: float
    f_p: float
    n: int
    sites: int
    level: float
    path: PenalizedPath | None

    def summary(self) -> pd.DataFrame:
        return self.table(self.terms, "coef", "se", "t", "p", "lower", "upper")

    def informative(self) -> int:
        return self.n

    def figure(self) -> Figure | NoFigure:
        caption = interval_caption(f"Coefficients of {self.n} people", self.level, self.lower)
        return forest(self.terms, self.coef, self.lower, self.upper, measure="coefficient", caption=caption)

    def predict(self, x: Floats) -> Floats:
        """The (n,) outcomes expected of (n, p) covariates, short of an intercept for each site."""
        coef = np.nan_to_num(self.coef)  # an aliased covariate adds nothing to those before it
        intercept, slopes = (coef[0], coef[1:]) if self.terms[0] == INTERCEPT else (0.0, coef)
        expected: Floats = x @ slopes + intercept
        return expected


class Linear(FederatedProtocol[LinearSpec, LinearResult]):
    """Effects of covariates on a numeric outcome."""

    name = "linear"
    spec_type = LinearSpec

    moments = products_of_columns

    def axes(self, spec: LinearSpec) -> dict[str, int]:
        return {"column": len(spec.variables())}

    def coordinate(self, spec: LinearSpec) -> Coordination[LinearResult]:
        if spec.privacy:
            return _noisy(spec, *(yield from noisy_sums(spec)))
        moments = yield from gather(spec.variables())
        moments.check()
        p = len(spec.covariates)
        correlation = moments.correlation("products", range(p + 1), range(p + 1))
        return _fit(spec, moments, correlation[:p, :p], correlation[:p, p])

    def estimator(self, spec: LinearSpec, result: LinearResult) -> Any:
        """A LinearRegression; none with an intercept for each site."""
        from protocols.results import estimators  # scikit-learn loads with it

        if spec.intercepts == "site":
            return super().estimator(spec, result)
        coef = np.nan_to_num(result.coef)  # an aliased covariate adds nothing to those before it
        return estimators.linear_regression(spec.covariates, coef)

    def penalized_estimator(self, spec: LinearSpec, result: LinearResult, penalty: float) -> Any:
        """A Ridge, Lasso or ElasticNet; none with an intercept for each site."""
        from protocols.results import estimators  # scikit-learn loads with it

        if result.path is None or spec.penalty is None or spec.intercepts == "site":
            return super().penalized_estimator(spec, result, penalty)
        at = at_penalty(result.path.lambdas, penalty)
        return estimators.penalized_linear(
            spec.covariates,
            np.append(result.path.intercept[at], result.path.coef[at]),
            penalty=float(result.path.lambdas[at]),
            l1_ratio=spec.penalty.l1_ratio,
            n=result.n,
        )

    def method(self, spec: LinearSpec) -> str:
        sites = ", with an intercept for each hospital" if spec.intercepts == "site" else ""
        penalty = (
            f" Elastic net path with an L1 share of {spec.penalty.l1_ratio:g} (Friedman, Hastie & "
            "Tibshirani 2010)."
            if spec.penalty
            else ""
        )
        return (
            f"Linear regression of {spec.outcome} on {listed(spec.covariates)}{sites}, over people with "
            f"complete data.{penalty}"
        )

    def about(self, spec: LinearSpec) -> str:
        return f"Linear regression of {spec.outcome} on {', '.join(spec.covariates)}."


def _noisy(spec: LinearSpec, sums: Floats, noised: Noised) -> LinearResult:
    """The result of noisy products, on the original scale."""
    p = len(spec.covariates) + 1
    found = noisy.Products.of(sums, noised, p + 1)
    scaled, variance, rss, tss = noisy.least_squares(found)
    low, high = spec.bounds(spec.variables())
    back, unit = noisy.original(low[:-1], high[:-1]), (high[-1] - low[-1]) / 2
    coef, covariance = unit * back @ scaled, unit**2 * back @ variance @ back.T
    coef[0] += low[-1] + unit  # the outcome's own middle
    people = (found.n, noised.sites)
    squares = {"rss": unit**2 * rss, "tss": unit**2 * tss, "df": found.n - p}
    return replace(result(spec, coef, covariance, **squares, people=people, path=None), noised=noised)


def _fit(spec: LinearSpec, moments: Moments, R: Floats, r: Floats) -> LinearResult:
    """The result from correlations among the covariates and with the outcome."""
    out = aliased(R)
    kept = [j for j in range(len(R)) if j not in out]
    norm, outcome_norm = moments.norm[:-1], moments.norm[-1]
    df = moments.n - len(kept) - (1 if spec.intercepts == "common" else moments.sites)
    if df < FEWEST_DF:
        raise StudyError(
            Code.WITHHELD,
            f"{df} residual degrees of freedom are left; the rule is at least {FEWEST_DF}",
            "use fewer covariates",
        )
    factor = cho_factor(R[np.ix_(kept, kept)])
    b = cho_solve(factor, r[kept])
    tss = float(outcome_norm**2)
    rss = max(tss * (1 - float(r[kept] @ b)), 0.0)
    coef, inverse = np.full(len(R), np.nan), np.full((len(R), len(R)), np.nan)
    coef[kept] = b * outcome_norm / norm[kept]
    inverse[np.ix_(kept, kept)] = cho_solve(factor, np.eye(len(kept))) / np.outer(norm[kept], norm[kept])
    covariance = rss / df * inverse
    if spec.intercepts == "common":
        coef, covariance = _with_intercept(moments, coef, covariance, rss / df)
    return result(
        spec,
        coef,
        covariance,
        rss=rss,
        tss=tss,
        df=df,
        people=(moments.n, moments.sites),
        path=path_of_moments(spec.penalty, spec.intercepts, moments, R, r * outcome_norm / np.sqrt(moments.n))
        if spec.penalty
        else None,
    )


def _with_intercept(
    moments: Moments, coef: Floats, covariance: Floats, variance: float
) -> tuple[Floats, Floats]:
    """Coefficients and covariance with the intercept in front; it is independent of them at the means."""
    mean = np.where(np.isnan(coef), 0.0, moments.mean[:-1])
    across = -np.nan_to_num(covariance) @ mean
    across[np.isnan(coef)] = np.nan
    constant = moments.mean[-1] - mean @ np.nan_to_num(coef)
    own = variance / moments.n - mean @ np.nan_to_num(across)
    return (
        np.append(constant, coef),
        np.block([[np.array([[own]]), across[None, :]], [across[:, None], covariance]]),
    )


def result(
    spec: LinearSpec,
    coef: Floats,
    covariance: Floats,
    *,
    rss: float,
    tss: float,
    df: int,
    people: tuple[int, int],
    path: PenalizedPath | None,
) -> LinearResult:
    """The result of coefficients and their covariance, with t statistics and intervals."""
    tested = wald(coef, covariance, spec.level, df)
    lost = np.isnan(coef)
    rank = int((~lost).sum()) - (1 if spec.intercepts == "common" else 0)
    explained = 1 - rss / tss
    with np.errstate(divide="ignore"):
        f = float(np.divide(explained / rank, (1 - explained) / df)) if rank else np.nan
    return LinearResult(
        terms=spec.terms(),
        coef=coef,
        se=tested.se,
        t=tested.z,
        p=tested.p,
        lower=tested.lower,
        upper=tested.upper,
        covariance=covariance,
        aliased=tuple(name for name, is_lost in zip(spec.terms(), lost, strict=True) if is_lost),
        sigma=float(np.sqrt(rss / df)),
        df=df,
        r_squared=explained,
        adjusted_r_squared=1 - (1 - explained) * (df + rank) / df,
        f=f,
        f_p=float(stats.f.sf(f, rank, df)),
        n=people[0],
        sites=people[1],
        level=spec.level,
        path=path,
    )
