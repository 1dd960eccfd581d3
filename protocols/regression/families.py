"""Log-likelihoods of outcomes by their linear predictor, with first and second derivatives.

A family gives what one person adds; `derivatives` sums it over a site's people in blocks that stay in the
processor's cache, so that a million people cost no second copy of their columns.

Reference: McCullagh & Nelder, Generalized Linear Models (1989), ch. 2; Lawless, Can J Stat 15 (1987) 209 for
the negative binomial, whose last coefficient is log theta (variance mu + mu²/theta).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, expit, gammaln, log_ndtr, ndtr, ndtri, polygamma, xlogy

from protocols.core.disclosure import Array
from protocols.core.dominance import refuse_dominance
from protocols.core.protocol import Arrays
from protocols.core.table import AnalysisTable, Floats
from protocols.estimation.outcome import null_loglik, zero_one

FEWEST = 5
"""People who carry the sums at any coefficients; the site says nothing else (RT10)."""

_BLOCK = 4096  # people whose covariates fit into the second cache, for fifty of them


@dataclass(frozen=True)
class Pieces:
    """What each of n people adds: (n,) arrays.

    Attributes:
        loglik, deviance: their terms.
        slope: first derivative of loglik by the linear predictor.
        curvature: minus the second; expected: its expectation, the Fisher weight.
        shape: derivatives by log theta: first, minus second, minus mixed with the linear predictor.
    """

    loglik: Floats
    deviance: Floats
    slope: Floats
    curvature: Floats
    expected: Floats
    shape: tuple[Floats, Floats, Floats] | None = None


Family = Callable[[Floats, Floats, float], Pieces]
"""(outcome, linear predictor, log theta) -> Pieces."""


def logit(y: Floats, eta: Floats, _: float) -> Pieces:
    """A 0/1 outcome, log odds linear."""
    mean = expit(eta)
    weight = mean * (1 - mean)
    loglik = y * eta - np.logaddexp(0.0, eta)
    return Pieces(loglik, -2 * loglik, y - mean, weight, weight)


def probit(y: Floats, eta: Floats, _: float) -> Pieces:
    """A 0/1 outcome, normal quantile of the probability linear."""
    side = 2 * y - 1
    density = -0.5 * (eta**2 + np.log(2 * np.pi))
    loglik = log_ndtr(side * eta)
    mills = side * np.exp(density - loglik)
    expected = np.exp(2 * density - log_ndtr(eta) - log_ndtr(-eta))
    return Pieces(loglik, -2 * loglik, mills, mills * (mills + eta), expected)


def poisson(y: Floats, eta: Floats, _: float) -> Pieces:
    """A count whose variance is its mean, log mean linear."""
    mean = np.exp(eta)
    deviance = 2 * (xlogy(y, y) - y * eta - y + mean)
    return Pieces(y * eta - mean - gammaln(y + 1), deviance, y - mean, mean, mean)


def negative_binomial(y: Floats, eta: Floats, log_theta: float) -> Pieces:
    """A count with variance mu + mu²/theta, log mean linear."""
    theta, mean = np.exp(log_theta), np.exp(eta)
    both, log_both = mean + theta, np.logaddexp(eta, log_theta)
    loglik = gammaln(y + theta) - gammaln(theta) - gammaln(y + 1)
    loglik += theta * log_theta + y * eta - (y + theta) * log_both
    deviance = 2 * (xlogy(y, y) - y * eta - (y + theta) * (np.log(y + theta) - log_both))
    by_theta = digamma(y + theta) - digamma(theta) + log_theta + 1 - log_both - (y + theta) / both
    twice = polygamma(1, y + theta) - polygamma(1, theta) + 1 / theta - 2 / both + (y + theta) / both**2
    return Pieces(
        loglik,
        deviance,
        (y - mean) * theta / both,
        mean * theta * (y + theta) / both**2,
        mean * theta / both,
        (theta * by_theta, -theta * (theta * twice + by_theta), -theta * (y - mean) * mean / both**2),
    )


FAMILIES: dict[str, Family] = {
    "logit": logit,
    "probit": probit,
    "poisson": poisson,
    "negative_binomial": negative_binomial,
}


def derivatives(
    family: str,
    table: AnalysisTable,
    outcome: str,
    covariates: Sequence[str],
    coef: Floats,
    shift: Floats,
    scale: Floats,
    offset: Floats | None = None,
) -> Arrays:
    """The sums over complete rows at `coef`: loglik, deviance, score, information, expected.

    Args:
        coef: (k,) the intercept, one per covariate (less its shift, over its scale), and log theta if any.
        shift, scale: (p,) of the covariates; offset: (n,) added to the linear predictor.

    Raises:
        SiteError: separation; at `coef` a few people carry the sums. invalid-input; a 0/1 outcome is neither.
    """
    shaped = family == "negative_binomial"
    terms, k = len(covariates) + 1, len(coef)
    assert k == terms + shaped
    y = table.column(outcome)
    if family in ("logit", "probit"):
        zero_one(y, outcome)
    loglik = deviance = 0.0
    weight = np.zeros(len(table))
    score, information, expected = np.zeros(k), np.zeros((k, k)), np.zeros((k, k))
    for rows, x in blocks(table, covariates, shift, scale):
        eta = coef[:terms] @ x + (0.0 if offset is None else offset[rows])
        with np.errstate(over="ignore", invalid="ignore"):
            found = FAMILIES[family](y[rows], eta, coef[-1])
        weight[rows] = found.expected
        loglik += found.loglik.sum()
        deviance += found.deviance.sum()
        score[:terms] += x @ found.slope
        information[:terms, :terms] += (x * found.curvature) @ x.T
        if found.expected is not found.curvature:
            expected[:terms, :terms] += (x * found.expected) @ x.T
        if found.shape is not None:
            first, second, mixed = found.shape
            score[-1] += first.sum()
            information[-1, -1] += second.sum()
            information[:terms, -1] += x @ mixed
    refuse_dominance(weight, FEWEST)
    if shaped:
        information[-1, :terms] = information[:terms, -1]
        expected[-1, -1] = information[-1, -1]
    canonical = family in ("logit", "poisson")
    return {
        "loglik": np.array(loglik),
        "deviance": np.array(deviance),
        "score": score,
        "information": information,
        "expected": information if canonical else expected,
    }


def probabilities(
    covariates: Sequence[str], table: AnalysisTable, coef: Array, link: str = "logit"
) -> Floats:
    """The (n,) probabilities that an outcome is 1, by an intercept and one coefficient per covariate."""
    eta = coef[0] + table.matrix(covariates) @ coef[1:]
    probability: Floats = expit(eta) if link == "logit" else ndtr(eta)
    return probability


def blocks(
    table: AnalysisTable, covariates: Sequence[str], shift: Floats, scale: Floats
) -> Iterator[tuple[slice, Floats]]:
    """Rows, and their (p + 1, rows) design: ones, then each covariate less its shift, over its scale."""
    columns = [table.column(name) for name in covariates]
    room = np.ones((len(columns) + 1, min(_BLOCK, max(len(table), 1))))
    for begin in range(0, len(table), _BLOCK):
        rows = slice(begin, min(begin + _BLOCK, len(table)))
        x = room[:, : rows.stop - rows.start]
        for j, column in enumerate(columns):
            np.subtract(column[rows], shift[j], out=x[j + 1])
            x[j + 1] /= scale[j]
        yield rows, x


def least_squares(family: str, y: Floats, offset: Floats, design: Floats, coef: Floats) -> Arrays:
    """The sums of weighted least squares of the `working` response at (t,) coefficients: loglik, score,
    information.

    Args:
        y, offset: (n,); design: (n, t).
    """
    weight, response = working(family, y)
    residual = response - offset - design @ coef
    return {
        "loglik": np.array(-(weight @ residual**2) / 2),
        "score": design.T @ (weight * residual),
        "information": (design * weight[:, None]).T @ design,
    }


def working(family: str, y: Floats) -> tuple[Floats, Floats]:
    """(n,) weights and linear predictors from which a fit begins, each person's mean near its outcome.

    As R's `mustart`; the negative binomial's weights are those of theta = 1.
    """
    if family == "probit":
        mean = (y + 0.5) / 2
        eta = ndtri(mean)
        density = np.exp(-0.5 * eta**2) / np.sqrt(2 * np.pi)
        return density**2 / (mean * (1 - mean)), eta + (y - mean) / density
    mean = y + (0.1 if family == "poisson" else 1 / 6)
    weight = mean if family == "poisson" else mean / (1 + mean)
    return weight, np.log(mean) + (y - mean) / mean


def null_deviance(
    family: str,
    n: int,
    total: float,
    logs: float,
    with_offset: float,
    log_exposure: float,
    *,
    has_offset: bool,
) -> float:
    """The deviance of the intercept alone; NaN where no sum gives it.

    Args:
        total: sum of the outcome over n people; logs: of y log y; with_offset: of y times the offset.
        log_exposure: the logarithm of the sum of exposures.
    """
    if family == "poisson":
        return float(2 * (logs - with_offset - total * (np.log(total) - log_exposure)))
    if family == "probit" and not has_offset:
        return -2 * null_loglik(n, int(total))
    return float("nan")
