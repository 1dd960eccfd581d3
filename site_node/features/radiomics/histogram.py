"""Intensity histogram features: statistics of the grey levels and of their histogram (IBSI 3.4, ZVCW)."""

import numpy as np
from numpy.typing import NDArray

from . import intensity
from .feature import Definition, Family

_FEATURES = (
    ("mean", "mean", "X6K6"),
    ("var", "variance", "CH89"),
    ("skew", "skewness", "88K1"),
    ("kurt", "(excess) kurtosis", "C3I7"),
    ("median", "median", "WIFQ"),
    ("min", "minimum", "1PR8"),
    ("p10", "10th percentile", "GPMT"),
    ("p90", "90th percentile", "OZ0C"),
    ("max", "maximum", "3NCY"),
    ("mode", "mode", "AMMC"),
    ("iqr", "interquartile range", "WR0O"),
    ("range", "range", "5Z3W"),
    ("mad", "mean absolute deviation", "D2ZX"),
    ("rmad", "robust mean absolute deviation", "WRZB"),
    ("medad", "median absolute deviation", "4RNL"),
    ("cov", "coefficient of variation", "CWYJ"),
    ("qcod", "quartile coefficient of dispersion", "SLWD"),
    ("entropy", "entropy", "TLU2"),
    ("uniformity", "uniformity", "BJ5W"),
)
_GRADIENTS = (
    ("max_grad", "Maximum histogram gradient", "12CE"),
    ("max_grad_g", "Maximum histogram gradient grey level", "8E6O"),
    ("min_grad", "Minimum histogram gradient", "VQB3"),
    ("min_grad_g", "Minimum histogram gradient grey level", "RHQZ"),
)
FAMILY = Family(
    "Intensity histogram features",
    "ZVCW",
    tuple(
        [Definition(f"ih_{tag}", f"Intensity histogram {name}", code) for tag, name, code in _FEATURES]
        + [Definition(f"ih_{tag}", name, code) for tag, name, code in _GRADIENTS]
    ),
)


def compute(counts: NDArray[np.int64]) -> dict[str, float]:
    """The family's values by tag, of the (n,) voxels at each grey level 1..n."""
    levels = np.arange(1, counts.size + 1, dtype=np.float64)
    filled = np.flatnonzero(counts)
    values = intensity.statistics(intensity.Sample(levels[filled], counts[filled]))
    p = counts / counts.sum()
    values["mode"] = _mode(counts, values["mean"])
    values["entropy"] = float(-np.sum(p[p > 0] * np.log2(p[p > 0])))
    values["uniformity"] = float(p @ p)
    # central differences, one-sided at both ends (IBSI 3.4.20)
    gradient = np.gradient(counts.astype(np.float64)) if counts.size > 1 else np.full(1, np.nan)
    values["max_grad"], values["max_grad_g"] = float(gradient.max()), float(np.argmax(gradient) + 1)
    values["min_grad"], values["min_grad_g"] = float(gradient.min()), float(np.argmin(gradient) + 1)
    return {d.tag: values[d.tag.removeprefix("ih_")] for d in FAMILY.definitions}


def _mode(counts: NDArray[np.int64], mean: float) -> float:
    """The most frequent level; of several, the one nearest to the mean."""
    candidates = np.flatnonzero(counts == counts.max()) + 1
    return float(candidates[np.argmin(np.abs(candidates - mean))])
