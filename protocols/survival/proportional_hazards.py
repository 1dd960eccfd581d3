"""The test of proportional hazards: does a covariate's effect change with time?

A score test of x g(t) beside x (Grambsch & Therneau, Biometrika 81 (1994) 515; R survival 3 `cox.zph`). The
function g is time, its logarithm, one less the Kaplan-Meier estimate just before, or the average rank among
all ends of follow-up.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from protocols.core.table import Floats

Transform = Literal["identity", "log", "km", "rank"]


@dataclass(frozen=True)
class ProportionalHazards:
    """Score tests that effects do not change with time.

    Attributes:
        transform: of time.
        chi_square, p: (p,) of each covariate, one degree of freedom.
        global_chi_square, global_p: of all together.
    """

    transform: str
    chi_square: Floats
    p: Floats
    global_chi_square: float
    global_p: float


def score_test(
    transform: str, score: Floats, information: Floats, mixed: Floats, square: Floats
) -> ProportionalHazards:
    """The tests from the score (p,) of x g(t), and the information of x, of both, and of x g(t)."""
    left = square - mixed @ np.linalg.solve(information, mixed)
    single = score**2 / np.diag(left)
    together = float(score @ np.linalg.solve(left, score))
    return ProportionalHazards(
        transform,
        single,
        stats.chi2.sf(single, 1),
        together,
        float(stats.chi2.sf(together, len(score))),
    )


def of_times(transform: Transform, days: Floats) -> Floats:
    """g of (K,) days, for the transforms of time alone; less than half a day counts as half a day."""
    return np.log(np.maximum(days, 0.5)) if transform == "log" else days


def of_counts(transform: Transform, at_risk: Floats, events: Floats, left: Floats) -> Floats:
    """(K,) g of K times from the (K,) people at risk, events and ends of follow-up over all sites."""
    if transform == "rank":
        ranks: Floats = np.cumsum(left) - left + (left + 1) / 2
        return ranks
    survival = np.cumprod(1 - events / np.maximum(at_risk, 1))
    fallen: Floats = 1 - np.append(1.0, survival[:-1])
    return fallen
