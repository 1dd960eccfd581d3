"""ROC curves and calibration from scores, or from their histogram by class on public edges.

A histogram is (2, bins) numbers of people, outcome 0 then 1, the bins of equal width from 0 to 1.

Reference: Hanley & McNeil, Radiology 143 (1982) 29; DeLong et al., Biometrics 44 (1988) 837; Cox,
Biometrika 45 (1958) 562 for calibration intercept and slope.
"""

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from protocols.core.table import Floats, Integers


def exact_auc(y: Floats, score: Floats) -> float:
    """The share of pairs of a 1 and a 0 in which the 1 has the higher score, ties half.

    Args:
        y: (n,) 0 or 1, both present.
        score: (n,).
    """
    every, won = pairs_of(y, score)
    return float(won / every)


def pairs_of(y: Floats, score: Floats) -> Floats:
    """(2,) the pairs of a 1 and a 0, and those of them in which the 1 has the higher score, ties half."""
    ranks = stats.rankdata(score)
    positives = int((y == 1).sum())
    wins = ranks[y == 1].sum() - positives * (positives + 1) / 2
    return np.array([positives * (len(y) - positives), wins], dtype=np.float64)


def merged(cells: Integers, fewest: int) -> Integers:
    """The (2, cells) counts with neighbours merged into the first, so that each has `fewest` of both classes.

    What is left at the end joins the last group; when there are too few people altogether, all are in one.
    """
    groups = np.zeros_like(cells)
    start = last = 0
    for cell in range(cells.shape[1]):
        groups[:, start] += cells[:, cell]
        if (groups[:, start] >= fewest).all():
            last, start = start, cell + 1
    if last != start and start < cells.shape[1]:
        groups[:, last] += groups[:, start]
        groups[:, start] = 0
    return groups


def bin_of(p: Floats, bins: int) -> Integers:
    """The (n,) bins of equal width from 0 to 1 into which probabilities fall; the last one holds 1."""
    return np.minimum((p * bins).astype(np.int64), bins - 1)


def histogram_of(y: Floats, bins: Integers, size: int) -> Integers:
    """The (2, size) people by class, 0 then 1, and bin."""
    return np.array([np.bincount(bins[y == value], minlength=size) for value in (0, 1)], dtype=np.int64)


def roc(histogram: Integers) -> tuple[Floats, Floats]:
    """False and true positive rates of the thresholds between bins, from (0, 0) to (1, 1)."""
    above = np.cumsum(histogram[:, ::-1], axis=1) / np.maximum(histogram.sum(axis=1, keepdims=True), 1)
    rates = np.hstack([np.zeros((2, 1)), above])
    return rates[0], rates[1]


def delong(histogram: Integers) -> tuple[float, float]:
    """The AUC of binned scores, ties half, and its standard error after DeLong et al. (1988).

    Args:
        histogram: (2, bins) people by class, 0 then 1, and bin.
    """
    auc, (above, below) = _placements(histogram)
    negatives, positives = histogram.astype(float)
    variance = 0.0
    for count, share in ((positives, below), (negatives, above)):
        people = count.sum()
        variance += count @ (share - auc) ** 2 / max(people - 1, 1) / people
    return auc, float(np.sqrt(variance))


def delong_difference(joint: Integers) -> tuple[float, float, float]:
    """The AUCs of two binned scores of the same people, ties half, and the difference's standard error.

    Args:
        joint: (2, bins, bins) people by class, 0 then 1, bin of the first and of the second score.
    """
    (first, of_first), (second, of_second) = (_placements(joint.sum(axis=axis)) for axis in (2, 1))
    variance = 0.0
    for cells, one, other in zip(joint, of_first, of_second, strict=True):
        people = int(cells.sum())
        apart = (one - first)[:, None] - (other - second)[None, :]
        variance += float((cells * apart**2).sum()) / max(people - 1, 1) / people
    return first, second, float(np.sqrt(variance))


def _placements(histogram: Integers) -> tuple[float, tuple[Floats, Floats]]:
    """The AUC, and for each bin the share of 1s above, for 0s, and of 0s below, for 1s."""
    negatives, positives = histogram.astype(float)
    below = (np.cumsum(negatives) - negatives / 2) / negatives.sum()
    above = (positives.sum() - np.cumsum(positives) + positives / 2) / positives.sum()
    return float(positives @ below / positives.sum()), (above, below)


def recalibration(histogram: Integers, predicted: Floats) -> tuple[float, float]:
    """Intercept and slope of the outcome on the log odds of the bins' mean scores; NaN: no maximum.

    Args:
        histogram: (2, bins) people by class, 0 then 1, and bin; predicted: (bins,) sums of scores.
    """
    used = histogram.sum(axis=0) > 0
    negatives, positives = histogram[:, used].astype(float)
    n = negatives + positives
    x = logit(np.clip(predicted[used] / n, 1e-12, 1 - 1e-12))
    design = np.column_stack([np.ones(len(x)), x])
    coef = np.array([0.0, 1.0])
    for _ in range(50):
        mean = expit(design @ coef)
        information = (design * (n * mean * (1 - mean))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            break
        step = np.linalg.solve(information, design.T @ (positives - n * mean))
        coef = coef + step * min(1.0, 2 / np.abs(step).max())
        if np.abs(step).max() < 1e-12:
            return float(coef[0]), float(coef[1])
    return float("nan"), float("nan")
