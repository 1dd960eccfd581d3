"""Draws of regression coefficients from their posterior, from joined second moments, and a logistic mode.

Reference: Rubin, Multiple Imputation for Nonresponse in Surveys (1987), p. 167; R `mice:::.norm.draw`.
"""

import numpy as np

from protocols.core.disclosure import Array
from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Ask, Coordination
from protocols.core.table import Floats
from protocols.estimation.draws import Draws

_PRIOR = 1 / 5**2  # precision of the prior of a standardized log odds ratio
_CONVERGED = 1e-8
MAX_NEWTON = 15
_RIDGE = 1e-5  # mice's: a share of each sum of squares that keeps collinear predictors solvable


def regression_draw(products: Floats, n: int, draws: Draws) -> Floats:
    """(k + 1,) coefficients and residual standard deviation of a linear regression, drawn.

    Args:
        products: (k + 1, k + 1) sums of products of the design and, last, the outcome over n people.
    """
    xx, xy, yy = products[:-1, :-1], products[:-1, -1], products[-1, -1]
    covariance = inverse(xx + np.diag(_RIDGE * np.diag(xx)))
    coef = covariance @ xy
    rss = yy - 2 * coef @ xy + coef @ xx @ coef
    sigma = np.sqrt(max(rss, 0.0) / draws.chi_square(max(n - len(coef), 1)))
    return np.append(coef + sigma * scattered(covariance, draws), sigma)


def inverse(matrix: Floats) -> Floats:
    """The inverse of a symmetric (k, k) matrix, symmetric itself.

    Raises:
        StudyError: rank-deficient; it is singular.
    """
    try:
        inverted = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    except np.linalg.LinAlgError:
        raise _singular() from None
    if not np.isfinite(inverted).all():
        raise _singular()
    return (inverted + inverted.T) / 2


def scattered(covariance: Floats, draws: Draws) -> Floats:
    """A (k,) draw from the normal distribution of this covariance about 0."""
    normal = draws.normal(len(covariance))
    try:
        draw: Floats = np.linalg.cholesky(covariance) @ normal
    except np.linalg.LinAlgError:
        raise _singular() from None
    return draw


def _singular() -> StudyError:
    return StudyError(
        Code.RANK_DEFICIENT,
        "an imputation's predictors do not vary, or are combinations of each other",
        "remove one of them from the imputation",
    )


def logistic_mode(target: int, coef: Floats, chain: dict[str, Array]) -> Coordination[tuple[Floats, Floats]]:
    """The (p,) posterior mode of a logistic regression from (p,) `coef` on, and its (p, p) information."""
    best, step, value = coef, np.zeros(len(coef)), -np.inf
    prior = np.full(len(coef), _PRIOR)
    prior[-1] = 0.0  # the intercept's
    for _ in range(MAX_NEWTON):
        total = yield Ask("derivatives", {"target": np.array(target), "coef": best + step, **chain})
        at = best + step
        objective = float(total["loglik"] - 0.5 * prior @ at**2)
        if objective < value - 1e-10 * (1 + abs(value)):
            step = step / 2
            continue
        best, value = at, objective
        information = total["information"] + np.diag(prior)
        step = inverse(information) @ (total["score"] - prior * best)
        if np.abs(step).max() < _CONVERGED:
            return best + step, information
    raise StudyError(
        Code.NOT_CONVERGED,
        f"no maximum after {MAX_NEWTON} evaluations of an imputation",
        "use fewer predictors",
    )
