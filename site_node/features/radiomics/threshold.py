"""Thresholds and bins chosen by a principle instead of by hand."""

from math import inf, isfinite, log, sqrt
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtr

from site_node.features.arrays import Floats

BITS_PER_NAT = 1 / log(2)
NEAR_BITS = 0.1  # how far the entropy of the width that is found may be from the one that was asked


class Normal(NamedTuple):
    """One class of intensities."""

    mean: float
    sd: float


class Threshold(NamedTuple):
    """From which intensity on, and on which side of it, a voxel is taken for tumour.

    Attributes:
        intensity: infinite where every voxel is best taken for tumour, or none.
        side: on which tumour lies, that of its mean.
        error: the share of voxels that are misclassified, at most that of one class everywhere.
    """

    intensity: float
    side: Literal["above", "below"]
    error: float


def bayes_threshold(background: Normal, tumour: Normal, purity: float) -> Threshold:
    """The one threshold by which the fewest voxels are misclassified.

    `purity` is the prior share of tumour, such as a biopsy's. With one standard deviation for both classes it
    is (mt + mb) / 2 + sd² / (mt - mb) log((1 - purity) / purity), beyond both means for a strong prior. With
    two, the densities cross twice, and the crossing with the smaller error counts; where no threshold
    is better than one class everywhere, it is infinite. Raises ValueError for a purity outside 0..1 or
    classes that do not differ.
    """
    if not 0 < purity < 1:
        raise ValueError("purity must lie between 0 and 1")
    if not all(map(isfinite, (*background, *tumour))):
        raise ValueError("the classes must have a finite mean and standard deviation")
    if background.mean == tumour.mean or min(background.sd, tumour.sd) <= 0:
        raise ValueError("the classes must differ in mean and have a spread")
    sign = 1.0 if tumour.mean > background.mean else -1.0

    def error(at: float) -> float:
        missed = float(ndtr(sign * (at - tumour.mean) / tumour.sd))
        return purity * missed + (1 - purity) * float(ndtr(-sign * (at - background.mean) / background.sd))

    crossings = _crossings(background, tumour, purity)
    # a single crossing is always best, though rounding may not show it; of ties a finite one is named
    best = crossings[0] if len(crossings) == 1 else min((*crossings, -inf, inf), key=error)
    return Threshold(best, "above" if sign > 0 else "below", error(best))


def _crossings(background: Normal, tumour: Normal, purity: float) -> list[float]:
    """Where purity N(x; tumour) = (1 - purity) N(x; background): two places, one, or none."""
    # about the middle of the means, in units of their distance, so that rounding knows no offset
    middle, unit = (tumour.mean + background.mean) / 2, abs(tumour.mean - background.mean)
    mt, mb, st, sb = (
        x / unit for x in (tumour.mean - middle, background.mean - middle, tumour.sd, background.sd)
    )
    # log of the ratio of both sides: a x² + b x + c
    a = (1 / sb**2 - 1 / st**2) / 2
    b = mt / st**2 - mb / sb**2
    c = (mb**2 / sb**2 - mt**2 / st**2) / 2 + log(purity / (1 - purity)) + log(sb / st)
    if abs(a) <= 1e-12 * (1 / sb**2 + 1 / st**2):
        return [middle - unit * c / b]
    within = b * b - 4 * a * c
    if within < 0:
        return []
    half = -(b + (sqrt(within) if b >= 0 else -sqrt(within))) / 2  # the sum that loses no digits
    return [middle + unit * x for x in (half / a, *((c / half,) if half else ()))]


def entropy_bits(intensities: Floats, width: float) -> float:
    """The entropy in bits of (n,) intensities in bins of one width, counted from their minimum."""
    bins = np.floor((intensities - intensities.min()) / width).astype(np.int64)
    counts = np.unique(bins, return_counts=True)[1]
    p = counts / counts.sum()
    return float(-np.sum(p * np.log2(p)))


def width_for_bits(intensities: Floats, bits: float, steps: int = 60) -> float:
    """The bin width with which the entropy of (n,) intensities is `bits`, to a tenth of a bit.

    Bits may be those of a tumour's clones. Entropy falls as bins widen, but for small steps upwards, so the
    width is found by halving. Raises ValueError for intensities that are constant or not finite, and for an
    entropy that they reach with no width: of whole numbers it is at most that of the numbers themselves.
    """
    if not np.isfinite(intensities).all():
        raise ValueError("the intensities must be finite")
    span = float(np.ptp(intensities))
    if span == 0 or not 0 < bits <= np.log2(intensities.size):
        raise ValueError("no bin width of these intensities has that entropy")
    narrow, wide = span / (4 * intensities.size), 2 * span
    for _ in range(steps):
        middle = float(np.sqrt(narrow * wide))
        if entropy_bits(intensities, middle) > bits:
            narrow = middle
        else:
            wide = middle
    apart, width = min((abs(entropy_bits(intensities, width) - bits), width) for width in (narrow, wide))
    if apart > NEAR_BITS:
        raise ValueError("no bin width of these intensities comes near to that entropy")
    return width


def width_for_nats(intensities: Floats, nats: float) -> float:
    """As `width_for_bits`, for an entropy in nats: of (n,) intensities of entropy h about exp(h - nats)."""
    return width_for_bits(intensities, nats * BITS_PER_NAT)
