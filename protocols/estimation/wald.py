"""Statistics and intervals of coefficients from their standard errors, by the normal distribution or by t."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from protocols.core.table import Floats


@dataclass(frozen=True)
class Wald:
    """Coefficients and how far they are from 0, (p,) each.

    Attributes:
        coef, se: coefficient and standard error.
        z, p: coef over se (t with degrees of freedom), and its two-sided p-value.
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


def wald(coef: Floats, covariance: Floats, level: float, df: float | None = None) -> Wald:
    """The statistics of (p,) coefficients with a (p, p) covariance.

    Args:
        level: of the interval.
        df: degrees of freedom of t; None: the normal distribution.
    """
    return from_errors(coef, np.sqrt(np.diag(covariance)), level, df)


def from_errors(coef: Floats, se: Floats, level: float, df: Floats | float | None = None) -> Wald:
    """The statistics of coefficients with these standard errors, and degrees of freedom if any: (p,) each."""
    half = (stats.norm.ppf((1 + level) / 2) if df is None else stats.t.ppf((1 + level) / 2, df)) * se
    with np.errstate(divide="ignore"):
        z = coef / se
    return Wald(coef, se, z, two_sided(z, df), coef - half, coef + half)


def two_sided(z: Floats, df: Floats | float | None = None) -> Floats:
    """The two-sided p-values of statistics of any shape; with degrees of freedom those of t."""
    p: Floats = 2 * (stats.norm.sf(np.abs(z)) if df is None else stats.t.sf(np.abs(z), df))
    return p
