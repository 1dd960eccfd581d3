"""What a two by two table of a finding and a condition says: shares, likelihood ratios, predictive values.

A table is four numbers of people: `tp` with both, `fn` with the condition alone, `fp` with the finding alone,
`tn` with neither; arrays of tables are (..., k) for each. An estimate is (..., 3): value, lower, upper; NaN
where it is not known.

References: Wilson, JASA 22 (1927) 209; Clopper & Pearson, Biometrika 26 (1934) 404; Brown, Cai & DasGupta,
Stat Sci 16 (2001) 101, for Jeffreys' interval; Simel, Samsa & Matchar, J Clin Epidemiol 44 (1991) 763, for
likelihood ratios; Woolf, Ann Hum Genet 19 (1955) 251, for the odds ratio; Mercaldo, Lau & Zhou, Stat Med 26
(2007) 2170, for predictive values at another prevalence.
"""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import expit, logit

from protocols.core.table import Floats

ShareInterval = Literal["wilson", "clopper-pearson", "jeffreys"]
"""How the interval of a share is made."""

_NODES = 400  # of Gauss and Legendre: six digits of a quantile for thousands of people
_HALVINGS = 60


def share(part: ArrayLike, of: ArrayLike, level: float, interval: ShareInterval = "wilson") -> Floats:
    """The (..., 3) share of (...) `part` of so many people, with its interval; NaN of nobody."""
    x, n = (np.asarray(a, dtype=np.float64) for a in np.broadcast_arrays(part, of))
    n = np.where(n > 0, n, np.nan)
    tail, p = (1 - level) / 2, x / n
    if interval == "jeffreys":
        low, high = (stats.beta.ppf(at, x + 0.5, n - x + 0.5) for at in (tail, 1 - tail))
        return np.stack([p, low, high], axis=-1)
    if interval == "wilson":
        z = stats.norm.isf(tail)
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        low, high = middle - half, middle + half
    else:
        low, high = stats.beta.ppf(tail, x, n - x + 1), stats.beta.isf(tail, x + 1, n - x)
    known = np.where(np.isnan(n), np.nan, 0.0)
    low, high = np.where(x == 0, 0.0, low) + known, np.where(x == n, 1.0, high) + known
    return np.stack([p, low, high], axis=-1)


def likelihood_ratio(
    part: ArrayLike, of: ArrayLike, part_0: ArrayLike, of_0: ArrayLike, level: float
) -> Floats:
    """The (..., 3) ratio of two shares, of those with and without the condition (Simel et al., eq. 2).

    Where a share is 0 the value is 0 or infinite, and the end of the interval that is finite is that of
    numbers with half a person more in each cell.
    """
    cells = [np.asarray(a, dtype=np.float64) for a in np.broadcast_arrays(part, of, part_0, of_0)]
    x, n, x0, n0 = cells
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (x / n) / (x0 / n0)
    half = np.where((x == 0) | (x0 == 0), 0.5, 0.0)
    x, n, x0, n0 = x + half, n + 2 * half, x0 + half, n0 + 2 * half
    log = np.log(x / n) - np.log(x0 / n0)
    reach = stats.norm.isf((1 - level) / 2) * np.sqrt(1 / x - 1 / n + 1 / x0 - 1 / n0)
    low, high = np.exp(log - reach), np.exp(log + reach)
    return np.stack([value, np.where(value == 0, 0.0, low), np.where(np.isinf(value), np.inf, high)], axis=-1)


def odds_ratio(tp: ArrayLike, fn: ArrayLike, fp: ArrayLike, tn: ArrayLike, level: float) -> Floats:
    """The (..., 3) diagnostic odds ratio, with half a person more in each cell where one is 0 (Haldane)."""
    cells = np.stack([np.asarray(a, dtype=np.float64) for a in np.broadcast_arrays(tp, fn, fp, tn)], axis=-1)
    cells = cells + 0.5 * (cells == 0).any(axis=-1, keepdims=True)
    log = np.log(cells) @ np.array([1.0, -1.0, -1.0, 1.0])
    reach = stats.norm.isf((1 - level) / 2) * np.sqrt((1 / cells).sum(axis=-1))
    return np.asarray(np.exp(np.stack([log, log - reach, log + reach], axis=-1)))


def at_prevalence(
    tp: ArrayLike, fn: ArrayLike, fp: ArrayLike, tn: ArrayLike, prevalence: ArrayLike, level: float
) -> tuple[Floats, Floats]:
    """The (..., 3) positive and negative predictive values at another prevalence (Mercaldo et al., 2007).

    Sensitivity and specificity are taken over from the table. Where one of them is 0 or 1, the interval is
    their adjusted one: both are those of z² / 2 people more in each cell, z the normal quantile.
    """
    cells = [np.asarray(a, dtype=np.float64) for a in np.broadcast_arrays(tp, fn, fp, tn, prevalence)]
    *table, p = cells
    z = stats.norm.isf((1 - level) / 2)
    extreme = np.minimum.reduce(table) == 0
    (se, sp), (_, ppv, npv) = _rates(table), _predictive(*_rates(table), p)
    more = np.where(extreme, z**2 / 2, 0.0)
    wider = [cell + more for cell in table]
    (se, sp), with_condition, without = _rates(wider), wider[0] + wider[1], wider[2] + wider[3]
    _, ppv_middle, npv_middle = _predictive(se, sp, p)
    of_ppv = np.sqrt((1 - se) / (se * with_condition) + sp / ((1 - sp) * without))
    of_npv = np.sqrt(se / ((1 - se) * with_condition) + (1 - sp) / (sp * without))
    return (_by_logit(ppv, ppv_middle, z * of_ppv), _by_logit(npv, npv_middle, z * of_npv))


def _rates(table: list[Floats]) -> tuple[Floats, Floats]:
    """Sensitivity and specificity, both (...)."""
    tp, fn, fp, tn = table
    return tp / (tp + fn), tn / (tn + fp)


def _predictive(se: Floats, sp: Floats, p: Floats) -> tuple[Floats, Floats, Floats]:
    """The share with the finding, and the positive and negative predictive value, by Bayes' theorem."""
    found = se * p + (1 - sp) * (1 - p)
    with np.errstate(invalid="ignore"):
        return found, se * p / found, sp * (1 - p) / (1 - found)


def _by_logit(value: Floats, middle: Floats, reach: Floats) -> Floats:
    log = logit(middle)
    return np.stack([value, expit(log - reach), expit(log + reach)], axis=-1)


def credible(tp: int, fn: int, fp: int, tn: int, prevalence: float, level: float) -> Floats:
    """(3,) median, lower and upper of the positive predictive value's posterior distribution.

    Sensitivity and specificity are independent and uniform before the table is seen, so Beta distributed
    after it; the distribution of what Bayes' theorem makes of them is integrated over the sensitivity.
    """
    nodes, weights = _gauss_legendre()
    se = (nodes + 1) / 2
    weights = weights / 2 * stats.beta.pdf(se, tp + 1, fn + 1)
    tail = (1 - level) / 2
    wanted = np.array([0.5, tail, 1 - tail])
    low, high = np.full(3, 1e-9), np.full(3, 1 - 1e-9)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        at_most = 1 - np.outer((1 - middle) / middle, se) * prevalence / (1 - prevalence)
        below = stats.beta.cdf(at_most, tn + 1, fp + 1) @ weights
        low, high = np.where(below < wanted, middle, low), np.where(below < wanted, high, middle)
    return np.asarray((low + high) / 2, dtype=np.float64)


@cache
def _gauss_legendre() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return nodes, weights


def shifted(probability: ArrayLike, prevalence: ArrayLike, to: ArrayLike) -> Floats:
    """The (...) probabilities of people in whom a condition has another prevalence.

    What the finding says, its likelihood ratio, is taken over; the odds change as the prior odds do.
    """
    p = np.asarray(probability, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(expit(logit(p) - logit(np.asarray(prevalence)) + logit(np.asarray(to))))


def isotonic(part: Floats, of: Floats) -> Floats:
    """(k,) shares that never fall, nearest to (k,) `part` of `of` people: pooled adjacent violators.

    Reference: Ayer et al., Ann Math Stat 26 (1955) 641.
    """
    blocks: list[list[float]] = []  # part, of, cells
    for x, n in zip(part, of, strict=True):
        blocks.append([float(x), float(n), 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    return np.repeat([x / n for x, n, _ in blocks], [int(cells) for _, _, cells in blocks])
