"""Rubin's rules: one estimate from those of several completed data sets.

Reference: Rubin, Multiple Imputation for Nonresponse in Surveys (1987), ch. 3; Barnard & Rubin, Biometrika 86
(1999) 948 for the degrees of freedom; R `mice::pool`.
"""

from dataclasses import dataclass

import numpy as np

from protocols.core.table import Floats
from protocols.estimation.wald import from_errors

_LEAST = 1e-4  # the share of variance between data sets that mice takes at least

_ROUNDING = 1e-12  # of a standard error: data sets that were complete differ by no more


@dataclass(frozen=True)
class Pooled:
    """Estimates of p terms over m completed data sets.

    Attributes:
        estimate, se, t, p: (p,) mean estimate, its standard error, t statistic and two-sided p-value.
        lower, upper: (p,) confidence interval.
        df: (p,) degrees of freedom.
        within, between, total: (p,) mean variance, variance of the estimates, and their sum (1 + 1/m).
        riv: (p,) relative increase in variance; fmi: (p,) fraction of missing information.
        covariance: (p, p) total.
    """

    estimate: Floats
    se: Floats
    t: Floats
    p: Floats
    lower: Floats
    upper: Floats
    df: Floats
    within: Floats
    between: Floats
    total: Floats
    riv: Floats
    fmi: Floats
    covariance: Floats


def pool(estimates: Floats, covariances: Floats, df_complete: float, level: float) -> Pooled:
    """The estimates of m data sets as one.

    Args:
        estimates: (m, p), m at least 2; covariances: (m, p, p).
        df_complete: residual degrees of freedom that complete data would have; infinite for large samples.
        level: of the confidence intervals.
    """
    m = len(estimates)
    assert m > 1
    estimate = estimates.mean(axis=0)
    apart = estimates - estimate
    within = covariances.mean(axis=0)
    apart[:, (np.abs(apart) < _ROUNDING * np.sqrt(np.diag(within))).all(axis=0)] = 0.0
    between = apart.T @ apart / (m - 1)
    covariance = within + (1 + 1 / m) * between
    u, b, total = np.diag(within), np.diag(between), np.diag(covariance)
    share = np.maximum((1 + 1 / m) * b / total, _LEAST)
    df = (m - 1) / share**2
    if np.isfinite(df_complete):
        observed = (df_complete + 1) / (df_complete + 3) * df_complete * (1 - share)
        df = df * observed / (df + observed)
    riv = (1 + 1 / m) * b / u
    found = from_errors(estimate, np.sqrt(total), level, df)
    return Pooled(
        estimate=estimate,
        se=found.se,
        t=found.z,
        p=found.p,
        lower=found.lower,
        upper=found.upper,
        df=df,
        within=u.copy(),
        between=b.copy(),
        total=total.copy(),
        riv=riv,
        fmi=(riv + 2 / (df + 3)) / (1 + riv),
        covariance=covariance,
    )
