"""Thresholds and bins chosen by a principle instead of by hand."""

from typing import NamedTuple

import numpy as np

from site_node.features.arrays import Floats


class Normal(NamedTuple):
    """One class of intensities."""

    mean: float
    sd: float


def bayes_threshold(background: Normal, tumour: Normal, purity: float) -> float:
    """The intensity from which a voxel is more likely tumour than background.

    `purity` is the prior share of tumour, such as a biopsy's. Between the two means, where
    purity N(x; tumour) = (1 - purity) N(x; background); the mean of one class where the prior outweighs all
    in between. Raises ValueError for a purity outside 0..1 or classes that do not differ.
    """
    if not 0 < purity < 1:
        raise ValueError("purity must lie between 0 and 1")
    if background.mean == tumour.mean or min(background.sd, tumour.sd) <= 0:
        raise ValueError("the classes must differ in mean and have a spread")
    # log of the ratio of both sides: a x² + b x + c
    one, other = 1 / tumour.sd**2, 1 / background.sd**2
    a = (other - one) / 2
    b = tumour.mean * one - background.mean * other
    c = (background.mean**2 * other - tumour.mean**2 * one) / 2
    c += np.log(purity / (1 - purity)) + np.log(background.sd / tumour.sd)
    roots = np.roots([a, b, c]) if abs(a) > 1e-15 * (one + other) else np.array([-c / b])
    low, high = sorted((background.mean, tumour.mean))
    between = [float(root.real) for root in roots if abs(root.imag) < 1e-12 and low <= root.real <= high]
    if between:
        return between[0]
    return background.mean if c + b * background.mean + a * background.mean**2 > 0 else tumour.mean


def entropy_of_bins(intensities: Floats, width: float) -> float:
    """The entropy in bits of (n,) intensities in bins of one width, counted from their minimum."""
    bins = np.floor((intensities - intensities.min()) / width).astype(np.int64)
    counts = np.unique(bins, return_counts=True)[1]
    p = counts / counts.sum()
    return float(-np.sum(p * np.log2(p)))


def width_for_entropy(intensities: Floats, bits: float, steps: int = 60) -> float:
    """The bin width with which the entropy of (n,) intensities comes nearest to `bits`.

    Bits may be those of a tumour's clones. Entropy falls as bins widen, so the width is found by halving.
    Raises ValueError for constant intensities or an entropy that their number cannot reach.
    """
    span = float(np.ptp(intensities))
    if span == 0 or not 0 < bits <= np.log2(intensities.size):
        raise ValueError("no bin width of these intensities has that entropy")
    narrow, wide = span / (4 * intensities.size), 2 * span
    for _ in range(steps):
        middle = float(np.sqrt(narrow * wide))
        if entropy_of_bins(intensities, middle) > bits:
            narrow = middle
        else:
            wide = middle
    nearest = min((narrow, wide), key=lambda width: abs(entropy_of_bins(intensities, width) - bits))
    return float(nearest)
