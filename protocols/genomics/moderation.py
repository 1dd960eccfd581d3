"""Moderated t: residual variances of many features drawn towards the one that is expected of them.

Where people are few, a variance by itself says little; those of thousands of features say how variances are
distributed. Log variances are supposed to be those of a scaled F: their mean and variance give the prior
variance and how many degrees of freedom it is worth. With a trend, the prior variance is a natural spline of
the features' means. Everything here follows from the sums of a linear scan; no site is asked for more.

Reference: R `limma`, `eBayes`; Smyth, Stat Appl Genet Mol Biol 3 (2004) 3; Law et al., Genome Biol 15
(2014) R29.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

from protocols.core.table import Floats

FEWEST_FEATURES = 3
"""Variances below which they have no distribution to speak of; it takes dozens to know it well."""

_LEAST = 1e-5  # of the median: a variance near 0 has no logarithm to speak of
_SPLINE_DF = 4


@dataclass(frozen=True)
class Moderated:
    """What variances are expected to be, and what they become, for o scans of f features.

    Attributes:
        prior: (f, o) variances that are expected; missing for features without a variance.
        prior_df: (o,) degrees of freedom that the expectation is worth; infinite where variances differ by
            no more than chance.
        variance: (f, o) the means of both, weighted by degrees of freedom.
        df: (o,) of the moderated t; no more than all features have together.
    """

    prior: Floats
    prior_df: Floats
    variance: Floats
    df: Floats


def moderated(variance: Floats, df: int, mean: Floats | None = None) -> Moderated:
    """Moderates (f, o) residual variances of `df` degrees of freedom each; those that are missing stay so.

    Args:
        mean: (f,) of the features, if the expected variance goes with them.
    """
    prior, drawn = np.full(variance.shape, np.nan), np.full(variance.shape, np.nan)
    prior_df, total = np.full((2, variance.shape[1]), np.nan)
    for k, known in enumerate(~np.isnan(variance.T)):
        if not known.any():
            continue
        own = variance[known, k]
        expected, worth = _prior(own, df, None if mean is None else mean[known])
        share = 1.0 if np.isinf(worth) else worth / (df + worth)
        prior[known, k], prior_df[k] = expected, worth
        drawn[known, k] = own + share * (expected - own)
        total[k] = min(df + worth, float(df * known.sum()))
    return Moderated(prior, prior_df, drawn, total)


def _prior(variance: Floats, df: int, mean: Floats | None) -> tuple[Floats, float]:
    """The (f,) expected variances and their degrees of freedom, by moments of the logarithms (`fitFDist`)."""
    median = float(np.median(variance)) or 1.0
    variance = np.maximum(variance, _LEAST * median)
    logs = np.log(variance) - digamma(df / 2) + np.log(df / 2)
    basis = np.ones((len(logs), 1)) if mean is None else natural_spline(mean, _spline_df(mean))
    orthogonal, _ = np.linalg.qr(basis)
    expected = orthogonal @ (orthogonal.T @ logs)
    rest = float(((logs - expected) ** 2).sum()) / (len(logs) - basis.shape[1])
    spread = rest - float(polygamma(1, df / 2))
    if spread <= 0:
        prior = np.exp(expected) if mean is not None else np.full(len(logs), variance.mean())
        return prior, np.inf
    prior_df = 2 * inverse_trigamma(spread)
    return np.exp(expected + digamma(prior_df / 2) - np.log(prior_df / 2)), prior_df


def _spline_df(mean: Floats) -> int:
    few = 1 + (len(mean) >= 3) + (len(mean) >= 6) + (len(mean) >= 30)
    return min(few, _SPLINE_DF, len(np.unique(mean)))


def natural_spline(x: Floats, df: int) -> Floats:
    """The (n, df) columns that span cubic splines of x, straight at its ends, with knots at quantiles.

    As R's `splines::ns(x, df, intercept = TRUE)` spans them: the curve fitted is the same.
    """
    if df == 1:
        return np.ones((len(x), 1))
    low, high = x.min(), x.max()
    z = (x - low) / (high - low)
    knots = np.concatenate([[0.0], np.quantile(z, np.arange(1, df - 1) / (df - 1)), [1.0]])
    cubes = np.maximum(z[:, None] - knots, 0.0) ** 3
    slopes = (cubes[:, :-1] - cubes[:, -1:]) / (1.0 - knots[:-1])
    return np.column_stack([np.ones(len(z)), z, slopes[:, :-1] - slopes[:, -1:]])


def inverse_trigamma(x: float) -> float:
    """The y > 0 whose trigamma is x > 0, by Newton's method on its reciprocal, which is nearly straight."""
    if x > 1e7:
        return float(1 / np.sqrt(x))
    if x < 1e-6:
        return 1 / x
    y = 0.5 + 1 / x
    for _ in range(50):
        value = float(polygamma(1, y))
        step = value * (1 - value / x) / float(polygamma(2, y))
        y += step
        if abs(step) < 1e-15 * y:
            break
    return y
