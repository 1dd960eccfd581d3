"""Multinomial logistic regression: log odds of each level of an outcome against the first. Exact.

Log-likelihood, score and information are sums over people, so over sites; each round is one Newton step.

Reference: McCullagh & Nelder, Generalized Linear Models (1989), ch. 5; R `nnet::multinom`.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import logsumexp, softmax, xlogy

from protocols.core.disclosure import Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Figure, NoFigure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, site_step
from protocols.core.roles import Classification
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.wording import listed
from protocols.estimation.climb import Climb, climbed
from protocols.estimation.newton import CLIMB
from protocols.estimation.standards import (
    original_scale,
    plainly,
    refined,
)
from protocols.estimation.wald import wald
from protocols.regression.families import blocks
from protocols.regression.levels import LevelsSpec, level_moments, people_of_levels
from protocols.results.figures import estimates, interval_caption, term_rows

INTERCEPT = "(Intercept)"


class MultinomialSpec(LevelsSpec):
    """An outcome of several levels on covariates; the first level is the one of reference."""

    protocol: Literal["multinomial"] = "multinomial"

    def numbers_published(self, columns: int) -> int:
        terms = (columns + 1) * (len(self.levels) - 1)
        return terms + terms * (terms + 1) // 2

    def terms(self) -> tuple[str, ...]:
        """The names of the coefficients of one level."""
        return (INTERCEPT, *self.covariates)

    def searched(self) -> tuple[str, ...]:
        """The names of all coefficients, level by level."""
        return tuple(f"{level:g}: {term}" for level in self.levels[1:] for term in self.terms())


@dataclass(frozen=True)
class MultinomialResult(Classification):
    """Log odds ratios of each level against the first.

    Attributes:
        levels: (k,) the levels but the first; terms: (p,) "(Intercept)" and the covariates.
        coef, se, z, p: (k, p) log odds ratio, standard error, Wald statistic and two-sided p-value.
        odds_ratio, lower, upper: (k, p) exp(coef) and its confidence interval at `level`.
        covariance: (k p, k p) of coef, level by level.
        loglik, deviance, null_deviance: at coef; minus twice it; that of the intercepts alone.
        n: people with complete data; counts: (k + 1,) of each level, the first one first.
        evaluations: of the likelihood, one per round.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(
    ...     protocol="multinomial", outcome="grade", levels=[0, 1, 2], covariates=["age"]
    ... )
    >>> found.summary()[["coef", "se", "odds_ratio"]].round(2)
                       coef    se  odds_ratio
    level term
    1.0   (Intercept) -0.81  0.55        0.44
          age          0.02  0.01        1.02
    2.0   (Intercept) -1.84  0.59        0.16
          age          0.03  0.01        1.03
    """

    levels: tuple[float, ...]
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
    counts: Integers
    level: float
    evaluations: int

    def summary(self) -> pd.DataFrame:
        """One row per level and term."""
        columns = ("coef", "se", "z", "p", "odds_ratio", "lower", "upper")
        index = pd.MultiIndex.from_product([self.levels, self.terms], names=["level", "term"])
        return pd.DataFrame({name: np.ravel(x) for name, x in self.named(*columns).items()}, index=index)

    def figure(self) -> Figure | NoFigure:
        of = [(f"{level:g}: {term}", term) for level in self.levels for term in self.terms]
        labels, terms = zip(*of, strict=True)
        rows = term_rows(labels, terms, self.odds_ratio, self.lower, self.upper)
        if not rows:
            return NoFigure("the model has no covariates")
        caption = interval_caption(
            f"Odds ratios of {self.n} people, each level against the first", self.level, self.lower
        )
        return Figure((estimates(rows, "odds ratio", ratio=True),), caption)

    def predict_proba(self, x: Floats) -> Floats:
        """The (n, k + 1) probabilities of the levels, the first one first, of (n, p) covariates."""
        eta = np.column_stack([np.zeros(len(x)), self.coef[:, 0] + x @ self.coef[:, 1:].T])
        chances: Floats = softmax(eta, axis=1)
        return chances


class Multinomial(FederatedProtocol[MultinomialSpec, MultinomialResult]):
    """Odds ratios of covariates on an outcome of several levels."""

    name = "multinomial"
    version = "2"
    spec_type = MultinomialSpec

    moments = level_moments

    @site_step(
        climbs=True,
        times=CLIMB,
        varies=("coef", "shift", "scale"),
        n=Count(),
        loglik=Moment(what="log-likelihood"),
        score=Moment("term", what="first derivatives of the log-likelihood"),
        information=Moment("term", "term", what="second derivatives of the log-likelihood"),
    )
    def derivatives(
        spec: MultinomialSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """This hospital's log-likelihood and its derivatives at `coef`, covariates less shift over scale."""
        table = table.complete(spec.variables())
        k, p = len(spec.levels) - 1, len(spec.terms())
        chosen = people_of_levels(table, spec.outcome, spec.levels).astype(np.float64)
        loglik, score, information = 0.0, np.zeros((k, p)), np.zeros((k, p, k, p))
        for rows, x in blocks(table, spec.covariates, shift, scale):
            eta = coef.reshape(k, p) @ x
            total = logsumexp(np.vstack([np.zeros((1, eta.shape[1])), eta]), axis=0)
            share, y = np.exp(eta - total), chosen[1:, rows]
            loglik += float((y * eta).sum() - total.sum())
            score += (y - share) @ x.T
            for a in range(k):
                for b in range(a, k):
                    weight = share[a] * ((a == b) - share[b])
                    information[a, :, b] += (x * weight) @ x.T
        for a in range(k):
            for b in range(a):
                information[a, :, b] = information[b, :, a].T
        return {
            "n": np.array(len(table)),
            "loglik": np.array(loglik),
            "score": score.ravel(),
            "information": information.reshape(k * p, k * p),
        }

    def axes(self, spec: MultinomialSpec) -> dict[str, int]:
        sizes = {"covariate": len(spec.covariates), "level": len(spec.levels)}
        return {**sizes, "term": len(spec.searched())}

    def coordinate(self, spec: MultinomialSpec) -> Coordination[MultinomialResult]:
        first = yield plainly("moments")
        known = yield from refined(first, spec.covariates, step="moments")
        moments, shift, scale = known.total, known.location, known.scale
        counts = np.asarray(moments["counts"], dtype=np.int64)
        few = [f"{v:g}" for v, count in zip(spec.levels, counts, strict=True) if count < moments.min_count]
        if few:
            raise StudyError(
                Code.WITHHELD,
                f"fewer than {moments.min_count} people have level {', '.join(few)} of {spec.outcome}",
                "merge these levels",
            )
        zero = np.zeros(len(spec.searched()))
        common = {"shift": shift, "scale": scale}
        climb = Climb("derivatives", zero, common, columns=spec.covariates)
        basis = _each_level(spec, original_scale(shift, scale))
        found = yield from climbed(climb, (yield climb.ask()), spec.searched(), basis)
        return result(spec, found.coef, found.covariance, found.loglik, counts, found.evaluations)

    def estimator(self, spec: MultinomialSpec, result: MultinomialResult) -> Any:
        """A LogisticRegression of several levels, without a penalty."""
        from protocols.results import estimators  # scikit-learn loads with it

        order = np.argsort(spec.levels)  # scikit-learn's classes ascend
        coef = np.vstack([np.zeros(len(spec.terms())), result.coef])[order]
        rows = coef[1:] - coef[0] if len(order) > 2 else coef[1] - coef[0]
        return estimators.logistic_regression(spec.covariates, rows, classes=sorted(spec.levels))

    def method(self, spec: MultinomialSpec) -> str:
        return (
            f"Multinomial logistic regression of {spec.outcome} (reference {spec.levels[0]:g}) on "
            f"{listed(spec.covariates)}, over people with complete data."
        )

    def about(self, spec: MultinomialSpec) -> str:
        return f"Multinomial regression of {spec.outcome} on {', '.join(spec.covariates)}."


def _each_level(spec: MultinomialSpec, basis: Floats) -> Floats:
    """The change of basis of all coefficients, the same one for each level."""
    return np.asarray(np.kron(np.eye(len(spec.levels) - 1), basis), dtype=np.float64)


def result(
    spec: MultinomialSpec,
    coef: Floats,
    covariance: Floats,
    loglik: float,
    counts: Integers,
    evaluations: int,
) -> MultinomialResult:
    """The result of coefficients and their covariance, with Wald statistics and intervals."""
    tested = wald(coef, covariance, spec.level)
    shape = (len(spec.levels) - 1, len(spec.terms()))
    n = int(counts.sum())
    ratio, lower, upper = tested.ratios()
    return MultinomialResult(
        levels=spec.levels[1:],
        terms=spec.terms(),
        coef=coef.reshape(shape),
        se=tested.se.reshape(shape),
        z=tested.z.reshape(shape),
        p=tested.p.reshape(shape),
        odds_ratio=ratio.reshape(shape),
        lower=lower.reshape(shape),
        upper=upper.reshape(shape),
        covariance=covariance,
        loglik=loglik,
        deviance=-2 * loglik,
        null_deviance=float(-2 * xlogy(counts, counts / n).sum()),
        n=n,
        counts=counts,
        level=spec.level,
        evaluations=evaluations,
    )
