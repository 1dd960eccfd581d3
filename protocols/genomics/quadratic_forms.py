"""The upper tail of a sum of squares of normal numbers with weights, to twelve digits however small it is.

The tail of Q = sum lambda_i chi^2_1 is the integral of exp(K(s) - s q) / s over 2 pi i along any line from
below to above that crosses the real axis between 0 and 1 / (2 max lambda), with K(s) = -1/2 sum log(1 - 2
lambda_i s). It crosses here where the integrand is smallest on the real axis and bends to the right, where it
falls fastest; so nothing cancels, and the trapezoidal rule converges exponentially. Davies' method, which R's
SKAT uses, ends at 1e-6 absolute.

Reference: Davies, Appl Statist 29 (1980) 323; Daniels, Ann Math Stat 25 (1954) 631, for the path; Liu, Tang &
Zhang, Comput Stat Data Anal 53 (2009) 853, with the changes of Lee et al., Biostatistics 13 (2012) 762.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2

from protocols.core.table import Floats

_POINTS = 400
_NOTHING = -46.0  # logarithm of what the integrand may leave out, over its largest
_SMALLEST = 1e-10  # of the largest weight: smaller ones are rounding of 0


def positive(weights: Floats) -> Floats:
    """The (k,) weights without those that are rounding of 0, as R's SKAT does: above 1e-5 of the mean."""
    found = weights[weights >= 0]
    kept: Floats = found[found > found.mean() / 100_000] if len(found) else found
    return kept


def upper_tail(q: float, weights: Floats) -> float:
    """The probability of a value above q of a sum of chi-square numbers of one degree with (k,) weights."""
    if q <= 0:
        return 1.0
    lam = weights / weights.max()
    lam = lam[lam > _SMALLEST]
    q = q / float(weights.max())
    if np.ptp(lam) == 0:
        return float(chi2.sf(q, len(lam)))
    at = _crossing(q, lam)
    log_size = float(_log_integrand(np.array([complex(at)]), q, lam)[0].real)
    rest = 1 - 2 * lam * at
    second = float((2 * lam**2 / rest**2).sum() + 1 / at**2)
    third = float((8 * lam**3 / rest**3).sum() - 2 / at**3)
    width = 1 / np.sqrt(second)
    bend = max(third / (6 * second), 0.1 / width * min(1.0, width))

    def along(u: Floats) -> tuple[Floats, Floats]:
        t = width * np.sinh(u)
        s = at + bend * t**2 + 1j * t
        log = _log_integrand(s, q, lam) - log_size
        return log.real, (np.exp(log) * (2 * bend * t + 1j) * width * np.cosh(u)).imag

    end = 1.0
    while along(np.array([end]))[0][0] > _NOTHING and end < 60:
        end += 0.25
    u = np.linspace(0.0, end, _POINTS)
    values = along(u)[1]
    integral = (values.sum() - values[0] / 2) * (u[1] - u[0])
    return float(min(1.0, np.exp(log_size) * integral / np.pi))


def _log_integrand(
    s: "np.ndarray[tuple[int], np.dtype[np.complex128]]", q: float, lam: Floats
) -> "np.ndarray":
    """(m,) the logarithm of the integrand at points of the upper half plane, where no branch is crossed."""
    cumulant = -0.5 * np.log(1 - 2 * lam * s[:, None]).sum(axis=1)
    found: np.ndarray = cumulant - s * q - np.log(s)
    return found


def _crossing(q: float, lam: Floats) -> float:
    """Where the integrand is smallest between 0 and the first pole."""

    def slope(s: float) -> float:
        return float((lam / (1 - 2 * lam * s)).sum() - q - 1 / s)

    pole = 0.5 / float(lam.max())
    low, high = pole * 1e-12, pole * (1 - 1e-15)
    return float(brentq(slope, low, high, xtol=1e-300, rtol=1e-14))


@dataclass(frozen=True)
class Matched:
    """The chi-square distribution with the moments of a sum: its mean, variance, and degrees of freedom."""

    mean: float
    variance: float
    df: float

    @classmethod
    def of(cls, weights: Floats) -> "Matched":
        """That of (k,) weights, as R's SKAT matches it: by kurtosis, where skewness does not allow both."""
        c1, c2, c3, c4 = (float((weights**j).sum()) for j in (1, 2, 3, 4))
        s1, s2 = c3 / c2**1.5, c4 / c2**2
        if s1**2 > s2:
            a = 1 / (s1 - np.sqrt(s1**2 - s2))
            df = a**2 - 2 * (s1 * a**3 - a**2)
        else:
            df = 1 / s2
        return cls(c1, 2 * c2, float(df))

    def quantile(self, p: float) -> float:
        """The value whose upper tail is p."""
        scaled = (float(chi2.isf(p, self.df)) - self.df) / np.sqrt(2 * self.df)
        return float(scaled * np.sqrt(self.variance) + self.mean)
