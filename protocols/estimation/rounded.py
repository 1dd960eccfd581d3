"""Estimates with the digits that they have earned.

A hundredth of a standard error, and two digits of a covariance.

More would be read as equations: the coefficients and the covariance of a regression on 0/1 covariates, at six
digits, give back every cell of their joint table (docs/security.md, the last part of Digits).
"""

from collections.abc import Callable

import numpy as np
from scipy.linalg import solve_triangular

from protocols.core.table import Floats

SHARE = 0.01
"""Of a standard error, the least unit to which an estimate is rounded."""

_BLUR = 0.02  # of a variance
_LADDER = np.array([1.0, 2.0, 5.0, 10.0])
_LEAST = 0.999  # of the eigenvalues of the correlations less 1, the one at which the matrix is singular


def rounded(coef: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """The (p,) estimates and the (p, p) covariance with the digits that they have earned.

    An estimate's unit is the least 1, 2 or 5 times a power of ten from a hundredth of its standard error on.
    Variances keep two significant digits, correlations two places; these shrink where the matrix would not
    be positive definite.
    """
    size = np.sqrt(np.diag(covariance))
    variance = two_digits(np.diag(covariance))
    correlation = np.round(covariance / np.outer(size, size), 2)
    np.fill_diagonal(correlation, 0.0)
    while np.linalg.eigvalsh(correlation).min(initial=0.0) <= -_LEAST:
        correlation = np.trunc(correlation * 98) / 100
    error = np.sqrt(variance)
    found = correlation * np.outer(error, error)
    np.fill_diagonal(found, variance)
    return to_unit(coef, SHARE * error), found


def blurred(information: Floats, normal: Callable[[int], Floats] | None) -> Floats:
    """The (p, p) inverse, each standard error off by a hundredth where digits are not full.

    `normal` draws what it is off by, and is None where they are.
    """
    p = len(information)
    d = 1 / np.sqrt(np.diag(information))
    lower = np.linalg.cholesky(information * np.outer(d, d))
    root = solve_triangular(lower, np.diag(d), lower=True).T
    if normal is None:
        return np.asarray(root @ root.T)
    draws = normal(p + p * p)[p:].reshape(p, p)  # the first p are the dither of the step
    shake = np.triu(draws) + np.triu(draws, 1).T
    largest = np.abs(np.linalg.eigvalsh(shake)).max()
    return np.asarray(root @ (np.eye(p) + min(_BLUR, 0.5 / largest) * shake) @ root.T)


def two_digits(x: Floats) -> Floats:
    """The numbers (...) to two significant digits; 0 stays 0."""
    size = np.where(x == 0, 1.0, np.abs(x))
    power = np.floor(np.log10(size)) - 1
    return _times(np.round(_times(x, -power)), power)


def to_unit(x: Floats, least: Floats) -> Floats:
    """The numbers (...) to the least unit of 1, 2 or 5 times a power of ten that is not below `least`."""
    power = np.floor(np.log10(least))
    digit = _LADDER[np.searchsorted(_LADDER, least / 10.0**power * (1 - 1e-9))]
    return _times(np.round(_times(x, -power) / digit) * digit, power)


def _times(x: Floats, power: Floats) -> Floats:
    """x times ten to the power; by a division where it is negative, so that 3 times 10^-1 is 0.3."""
    return np.asarray(
        np.where(power < 0, x / 10.0 ** np.maximum(-power, 0), x * 10.0 ** np.maximum(power, 0))
    )
