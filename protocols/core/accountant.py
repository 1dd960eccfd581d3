"""What noisy sums over sampled people tell of one person: epsilon and delta, by Rényi differential privacy.

Each step takes every person with probability q, adds vectors of length at most C and normal noise of standard
deviation sigma C in every coordinate. Two data sets are neighbours when one person's vectors are zero in one
of them ("zero-out": the number of people is public).

Reference: Mironov, Talwar & Zhang, Rényi Differential Privacy of the Sampled Gaussian Mechanism (2019),
theorem 4 and section 3.3; Kairouz et al., ICML 2021, definition 1.1, for the neighbours; Balle et al.,
AISTATS 2020, theorem 21, for the conversion.
"""

from functools import lru_cache

import numpy as np

from protocols.core.table import Floats

ORDERS: Floats = np.concatenate([np.arange(1.1, 11, 0.1), np.arange(11.0, 64), [80, 128, 256, 512, 1024]])
"""Rényi orders among which the best is taken; any set gives a valid bound."""

# Steps of the quadrature in a standard deviation. The nearest singularity is pi noise² off the real line, so
# the error is exp(-2 pi (pi noise²) / step): 3e-21 for the least noise of 0.3.
_PER_DEVIATION = 8
_DEVIATIONS = 14.0  # beyond the outermost centre, where less than 1e-43 is left

LEAST_NOISE = 0.3
_LARGEST_NOISE = 1e4


def divergence(noise: float, sampling: float, orders: Floats = ORDERS) -> Floats:
    """The (k,) Rényi divergences of one step, by order.

    A(order) is the expectation, for z normal about 0 with deviation `noise`, of (1 - q + q exp((2 z - 1) / (2
    noise²)))^order: an analytic function that falls as a normal density does, so that equidistant points
    integrate it to rounding, whole orders and broken ones alike.

    Args:
        noise: sigma, the noise's standard deviation in units of the clipping length.
        sampling: q.
    """
    if sampling == 1:
        plain: Floats = orders / (2 * noise**2)
        return plain
    return np.array([_log_moment(noise, sampling, order) / (order - 1) for order in orders])


def _log_moment(noise: float, sampling: float, order: float) -> float:
    step = noise / _PER_DEVIATION
    reach = _DEVIATIONS * noise
    z = np.arange(-reach, order + reach, step)
    density = -0.5 * (z / noise) ** 2 - np.log(noise * np.sqrt(2 * np.pi))
    ratio = np.logaddexp(np.log1p(-sampling), np.log(sampling) + (2 * z - 1) / (2 * noise**2))
    from scipy.special import logsumexp  # who only lists studies does not wait for scipy

    return max(float(logsumexp(density + order * ratio) + np.log(step)), 0.0)


@lru_cache(maxsize=256)
def spent(noise: float, sampling: float, steps: int, delta: float) -> float:
    """The epsilon of so many steps at this delta."""
    return epsilon(steps * divergence(noise, sampling), delta)


def epsilon(rdp: Floats, delta: float) -> float:
    """The epsilon at this delta of (k,) Rényi divergences by `ORDERS`, of all that was answered."""
    bounds = rdp + np.log1p(-1 / ORDERS) - np.log(delta * ORDERS) / (ORDERS - 1)
    return max(float(bounds.min()), 0.0)


def noise_for(epsilon: float, sampling: float, steps: int, delta: float) -> float | None:
    """The least noise, to three digits and rounded up, that spends no more; None if there is none."""
    low, high = LEAST_NOISE, _LARGEST_NOISE
    if spent(high, sampling, steps, delta) > epsilon:
        return None
    while high > low * 1.001:
        middle = float(np.sqrt(low * high))
        if spent(middle, sampling, steps, delta) > epsilon:
            low = middle
        else:
            high = middle
    return high
