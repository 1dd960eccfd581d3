"""Wald statistics and intervals of coefficients, from their covariance."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from protocols.core.table import Floats


@dataclass(frozen=True)
class Wald:
    """Coefficients and how far they are from 0, (p,) each.

    Attributes:
        coef, se: coefficient and standard error.
        z, p: coef over se, and its two-sided p-value.
        lower, upper: the confidence interval.
    """

    coef: Floats
    se: Floats
    z: Floats
    p: Floats
    lower: Floats
    upper: Floats

    def ratios(self) -> tuple[Floats, Floats, Floats]:
        """(p,) exp(coef) and its interval; without information that is (0, inf)."""
        with np.errstate(over="ignore"):
            return np.exp(self.coef), np.exp(self.lower), np.exp(self.upper)


def wald(coef: Floats, covariance: Floats, level: float) -> Wald:
    """The statistics of (p,) coefficients with a (p, p) covariance, by the normal distribution.

    Args:
        level: of the interval.
    """
    se = np.sqrt(np.diag(covariance))
    half = stats.norm.ppf((1 + level) / 2) * se
    z = coef / se
    return Wald(coef, se, z, 2 * stats.norm.sf(np.abs(z)), coef - half, coef + half)
