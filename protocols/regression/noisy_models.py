"""Linear and logistic regression from sums with noise: products of columns, and gradients down which to go.

Every column lies between -1 and 1 by its range, and a person's row has a length of 1 at most. Linear models
are a function of noisy products (noisy sufficient statistics: Dwork & Smith, J Priv Confid 1 (2009)). The
logistic model climbs by noisy gradients over the noisy products, which bound its information (Böhning &
Lindsay, Ann Inst Stat Math 40 (1988) 641), and ends with noisy products weighted by p (1 - p).

Standard errors hold both: what the people would vary by, and the noise.
"""

from dataclasses import dataclass

import numpy as np

from protocols.core.errors import Code, StudyError
from protocols.core.privacy import Noised
from protocols.core.table import Floats
from protocols.estimation.noisy import positive, products_of

CLIMB_ROUNDS = 12
"""Noisy gradients of a logistic model."""

MOST_COVARIATES = 50
"""Rows of products of more would be wide, and their noise large."""

_ABOVE_NOISE = 2.0  # root-k noises that the least eigenvalue of products must exceed
_FEWEST_DF = 10


@dataclass(frozen=True)
class Products:
    """Noisy sums of products of k columns from -1 to 1, the first of ones.

    Attributes:
        sums: (k, k).
        deviation: of the noise in an entry off the diagonal.
    """

    sums: Floats
    deviation: float

    @classmethod
    def of(cls, sums: Floats, noised: Noised, k: int) -> "Products":
        """From the sums of `products` rows."""
        return cls(products_of(sums, k), noised.deviation * k / float(np.sqrt(2)))

    @property
    def n(self) -> int:
        """People, short of noise."""
        return max(round(float(self.sums[0, 0])), 0)

    def inside(self, p: int, what: str) -> Floats:
        """The (p, p) products of the first columns, positive definite.

        Raises:
            StudyError: withheld; noise is larger than what they hold.
        """
        least = _ABOVE_NOISE * self.deviation * np.sqrt(p)
        if self.sums[0, 0] < p + _FEWEST_DF or np.linalg.eigvalsh(self.sums[:p, :p])[-1] < least:
            raise StudyError(
                Code.WITHHELD,
                f"the noise is larger than {what}",
                "use fewer covariates, narrower ranges, a larger epsilon, or more people",
            )
        return positive(self.sums[:p, :p], least / 2)


def original(low: Floats, high: Floats) -> Floats:
    """The (k, k) matrix that takes coefficients of columns from -1 to 1 to those of the original ones.

    The first column is of ones; `low` and `high` are (k - 1,) of the others.
    """
    slope = 2 / (high - low)
    found = np.diag(np.append(1.0, slope))
    found[0, 1:] = -slope * low - 1
    return found


def least_squares(products: Products) -> tuple[Floats, Floats, float, float]:
    """Coefficients, covariance, residual and total sum of squares of the last column on the others, scaled.

    The (p,) coefficients and (p, p) covariance are those of scaled columns.
    """
    p = len(products.sums) - 1
    xx, xy, yy = products.inside(p, "the covariates"), products.sums[:p, p], float(products.sums[p, p])
    inverse = np.linalg.inv(xx)
    coef = inverse @ xy
    df = products.n - p
    least = _ABOVE_NOISE * products.deviation
    rss = max(yy - float(coef @ xy), least)
    tss = max(yy - float(products.sums[0, p]) ** 2 / max(products.n, 1), rss)
    noise = products.deviation**2 * (1 + float(coef @ coef))
    covariance = np.asarray(rss / df * inverse + noise * inverse @ inverse, dtype=np.float64)
    return coef, covariance, rss, tss


def bound(products: Products) -> Floats:
    """(p, p) above the information of a logistic model of the last column, -1 or 1, on the others.

    By twice p (1 - p) at the mean outcome, which the mean of p (1 - p) never exceeds, and by a quarter.
    """
    p = len(products.sums) - 1
    mean = float(np.clip((products.sums[0, p] / max(products.n, 1) + 1) / 2, 0.02, 0.98))
    return min(0.25, 2 * mean * (1 - mean)) * products.inside(p, "the covariates")


def events(products: Products) -> int:
    """How many people have the outcome, the last column, short of noise."""
    return max(round(float(products.sums[0, 0] + products.sums[0, -1]) / 2), 0)


def with_noise(information: Products, deviation: float) -> Floats:
    """(p, p) covariance of coefficients to which noisy gradients led.

    Each gradient's noise of this deviation moves the end by at most as much as one at the maximum would.
    """
    p = len(information.sums)
    inverse = np.linalg.inv(information.inside(p, "the information"))
    return np.asarray(inverse + deviation**2 * inverse @ inverse)
