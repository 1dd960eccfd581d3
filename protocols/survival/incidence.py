"""Cumulative incidence of competing events, and restricted mean times, from counts of a life table.

Reference: Aalen & Johansen, Scand J Stat 5 (1978) 141; Marubini & Valsecchi, Analysing Survival Data from
Clinical Trials and Observational Studies (1995), eq. 10.12, for the variance by the delta method, which is
R's `survfit` of a multi-state outcome; Royston & Parmar, Stat Med 30 (2011) 2409, for restricted means.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from protocols.core.table import Floats, Integers


@dataclass(frozen=True)
class Incidence:
    """Curves at the end of each of K intervals, of J causes; NaN where fewer people than a floor are at risk.

    Attributes:
        survival: (K,) share without any of the events.
        incidence, se: (J, K) share with the event of each cause, and its standard error.
        lower, upper: (J, K) its interval, symmetric in log(-log(1 - share)); NaN while the share is 0.
    """

    survival: Floats
    incidence: Floats
    se: Floats
    lower: Floats
    upper: Floats


def incidence(at_risk: Integers, events: Integers, *, level: float, min_count: int) -> Incidence:
    """The curves of (K,) people at risk and (J, K) events, as long as `min_count` people are at risk."""
    n = np.where(np.logical_or.accumulate(at_risk < min_count), np.nan, at_risk.astype(np.float64))
    d, of_cause = events.sum(axis=0).astype(np.float64), events.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(1 - d / n)
        before = np.concatenate([[1.0], survival[:-1]])
        shares = np.cumsum(before * of_cause / n, axis=1)
        se = np.sqrt(
            np.maximum([_variance(n, d, c, before, f) for c, f in zip(of_cause, shares, strict=True)], 0)
        )
        log = np.log1p(-shares)
        reach = stats.norm.isf((1 - level) / 2) * se / ((1 - shares) * np.abs(log))
        lower, upper = (-np.expm1(log * np.exp(sign * reach)) for sign in (-1, 1))
    inside = (shares > 0) & (shares < 1)
    return Incidence(survival, shares, se, np.where(inside, lower, np.nan), np.where(inside, upper, np.nan))


def _variance(n: Floats, d: Floats, of_cause: Floats, before: Floats, share: Floats) -> Floats:
    """(K,) variances of a (K,) cumulative incidence; all arguments are (K,).

    The sums over earlier times of (F(t) - F(s))² a(s), F(t) - F(s) and neither are kept as three running
    sums each, so that no (K, K) matrix is made.
    """
    leaving = np.where(n > d, d / (n * (n - d)), 0.0)  # in the interval in which all leave, F(t) is F(s)
    own = before**2 * of_cause * (n - of_cause) / n**3
    both = before * of_cause / n**2
    zero, one, two = (np.cumsum(leaving * share**power) for power in (0, 1, 2))
    squares = share**2 * zero - 2 * share * one + two
    cross = share * np.cumsum(both) - np.cumsum(both * share)
    return np.asarray(squares + np.cumsum(own) - 2 * cross, dtype=np.float64)


def restricted_mean(
    edges: Floats, survival: Floats, at_risk: Integers, events: Integers
) -> tuple[float, float]:
    """The mean time to an event within the last edge, and its standard error; NaN where a curve ends before.

    Args:
        edges: (K + 1,) days between the intervals, from 0; an event counts as at the end of its own.
        survival: (K,) at the ends; at_risk, events: (K,).
    """
    before = np.concatenate([[1.0], survival[:-1]])
    pieces = before * np.diff(edges)
    after = pieces.sum() - np.cumsum(pieces)
    n, d = at_risk.astype(np.float64), events.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where((d > 0) & (after > 0), after**2 * d / (n * (n - d)), 0.0)
    mean = float(pieces.sum())
    return mean, float(np.sqrt(steps.sum())) if np.isfinite(mean) else float("nan")


def time_lost(edges: Floats, shares: Floats) -> Floats:
    """(J,) mean days lost to each cause until the last of (K + 1,) edges, by (J, K) incidences."""
    before = np.concatenate([np.zeros((len(shares), 1)), shares[:, :-1]], axis=1)
    return np.asarray(before @ np.diff(edges), dtype=np.float64)
