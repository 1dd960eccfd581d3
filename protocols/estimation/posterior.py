"""Draws of regression coefficients from their posterior, from joined second moments.

Reference: Rubin, Multiple Imputation for Nonresponse in Surveys (1987), p. 167; R `mice:::.norm.draw`.
"""

import numpy as np

from protocols.core.table import Floats

_RIDGE = 1e-5  # mice's: a share of each sum of squares that keeps collinear predictors solvable


def regression_draw(products: Floats, n: int, rng: np.random.Generator) -> Floats:
    """(k + 1,) coefficients and residual standard deviation of a linear regression, drawn.

    Args:
        products: (k + 1, k + 1) sums of products of the design and, last, the outcome over n people.
    """
    xx, xy, yy = products[:-1, :-1], products[:-1, -1], products[-1, -1]
    covariance = inverse(xx + np.diag(_RIDGE * np.diag(xx)))
    coef = covariance @ xy
    rss = yy - 2 * coef @ xy + coef @ xx @ coef
    sigma = np.sqrt(max(rss, 0.0) / rng.chisquare(max(n - len(coef), 1)))
    return np.append(coef + sigma * scattered(covariance, rng), sigma)


def inverse(matrix: Floats) -> Floats:
    """The inverse of a symmetric (k, k) matrix, symmetric itself."""
    inverted = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    return (inverted + inverted.T) / 2


def scattered(covariance: Floats, rng: np.random.Generator) -> Floats:
    """A (k,) draw from the normal distribution of this covariance about 0."""
    draw: Floats = np.linalg.cholesky(covariance) @ rng.standard_normal(len(covariance))
    return draw
