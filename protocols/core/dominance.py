"""Whether a sum over people is a sum over many of them, whatever weights its coefficients give.

Coefficients come with a question. Very large ones make a weighted sum that of one person: the one nearest to
where a predicted probability is a half, or the one at the highest risk. The effective number of people
behind weights w is (sum w)² / sum w² (Kish, Survey Sampling, 1965, 11.7).
"""

import numpy as np

from protocols.core.errors import Code, SiteError
from protocols.core.table import Floats


def refuse_dominance(weight: Floats, fewest: int) -> None:
    """Raises unless `fewest` people carry these (n,) weights, or a third of them where they are few.

    Who is fewer than that gives nothing to a sum anyway (`Thresholds.min_count_in_sum`).

    Raises:
        SiteError: separation, which is also what an honest search meets where it comes to such coefficients.
    """
    n = len(weight)
    if n < fewest:
        return
    largest = float(weight.max())
    shares = weight / largest if largest > 0 else np.zeros(n)
    if largest == 0 or shares.sum() ** 2 < min(fewest, n / 3) * (shares**2).sum():
        raise SiteError(Code.SEPARATION, "at these coefficients too few people carry the sums")
