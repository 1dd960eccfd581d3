"""How much sites differ, from one estimate and its standard error per site."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc


@dataclass(frozen=True)
class Heterogeneity:
    """Cochran's test of equal values at all sites, and how much of the variance lies between them.

    Attributes:
        mean: of the sites, weighted by 1 / se^2 (common effect).
        q, df, p: Cochran's Q, its degrees of freedom, and p-value if all sites were alike.
        i_squared: share of the variance that is between sites, 0 to 1 (Higgins & Thompson 2002, eq. 10).
        tau: standard deviation between sites (DerSimonian & Laird 1986).
    """

    mean: float
    q: float
    df: int
    p: float
    i_squared: float
    tau: float


def heterogeneity(value: ArrayLike, se: ArrayLike) -> Heterogeneity | None:
    """The heterogeneity of (S,) estimates with their standard errors; None unless two sites have both."""
    x, s = np.asarray(value, dtype=np.float64), np.asarray(se, dtype=np.float64)
    known = np.isfinite(x) & np.isfinite(s) & (s > 0)
    if known.sum() < 2:
        return None
    x, weight = x[known], s[known] ** -2
    mean = float(weight @ x / weight.sum())
    q, df = float(weight @ (x - mean) ** 2), int(known.sum()) - 1
    between = (q - df) / float(weight.sum() - (weight**2).sum() / weight.sum())
    i_squared = max(0.0, (q - df) / q) if q > 0 else 0.0
    return Heterogeneity(mean, q, df, float(chdtrc(df, q)), i_squared, float(np.sqrt(max(0.0, between))))


def auc_se(auc: float, n: int, n_events: int) -> float:
    """The standard error of an area under the ROC curve from its size alone (Hanley & McNeil 1982, eq. 2)."""
    others = n - n_events
    if n_events < 1 or others < 1 or not np.isfinite(auc):
        return float("nan")
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = (n_events - 1) * (q1 - auc**2) + (others - 1) * (q2 - auc**2)
    return float(np.sqrt((auc * (1 - auc) + spread) / (n_events * others)))
