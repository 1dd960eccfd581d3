"""Intensity-based statistics (IBSI 3.3, UHIW)."""

import numpy as np
from numpy.typing import NDArray

from site_node.features.arrays import Floats

from .feature import Definition, Family

_STATISTICS = (
    ("mean", "Mean", "Q4LE", "I"),
    ("var", "Variance", "ECT3", "I²"),
    ("skew", "Skewness", "KE2A", "1"),
    ("kurt", "(Excess) kurtosis", "IPH6", "1"),
    ("median", "Median", "Y12H", "I"),
    ("min", "Minimum", "1GSF", "I"),
    ("p10", "10th percentile", "QG58", "I"),
    ("p90", "90th percentile", "8DWT", "I"),
    ("max", "Maximum", "84IY", "I"),
    ("iqr", "Interquartile range", "SALO", "I"),
    ("range", "Range", "2OJQ", "I"),
    ("mad", "Mean absolute deviation", "4FUA", "I"),
    ("rmad", "Robust mean absolute deviation", "1128", "I"),
    ("medad", "Median absolute deviation", "N72L", "I"),
    ("cov", "Coefficient of variation", "7TET", "1"),
    ("qcod", "Quartile coefficient of dispersion", "9S40", "1"),
    ("energy", "Energy", "N8CA", "I²"),
    ("rms", "Root mean square", "5ZWQ", "I"),
)
FAMILY = Family(
    "Intensity-based statistical features",
    "UHIW",
    tuple(Definition(f"stat_{tag}", name, code, unit) for tag, name, code, unit in _STATISTICS),
)


WITHOUT_SCALE = ("stat_mean", "stat_var", "stat_cov", "stat_qcod", "stat_energy", "stat_rms")
"""What standardisation sets (mean 0, variance 1, energy the number of voxels) or divides by nothing."""

_ROUNDING = 1e-12  # the share of a spread below which a centre is 0 but for rounding


class Sample:
    """Sorted values with how often each occurs, all once where `counts` is None."""

    def __init__(self, values: Floats, counts: NDArray[np.int64] | None = None) -> None:
        self.values = values
        self.counts = counts
        self.n = values.size if counts is None else int(counts.sum())
        self._last_rank = None if counts is None else np.cumsum(counts)

    def at_rank(self, rank: int) -> float:
        """The value of a rank from 1 to n."""
        place = rank - 1 if self._last_rank is None else np.searchsorted(self._last_rank, rank)
        return float(self.values[place])

    def percentile(self, percent: int) -> float:
        """The smallest value with at least `percent` of all values at or below it (nearest rank)."""
        return self.at_rank(max(-(-percent * self.n // 100), 1))

    def within(self, low: float, high: float) -> "Sample":
        """The values from low to high, both included."""
        part = slice(np.searchsorted(self.values, low), np.searchsorted(self.values, high, side="right"))
        return Sample(self.values[part], None if self.counts is None else self.counts[part])

    def mean_product(self, a: Floats, b: Floats) -> float:
        """The mean of a times b, each (values,)."""
        if self.counts is not None:
            return float(np.sum(a * b * self.counts)) / self.n
        return float(np.einsum("i,i->", a, b)) / self.n  # not BLAS: it wakes threads that cost more

    def mean(self) -> float:
        if self.counts is None:
            return float(self.values.mean())
        return float(np.sum(self.values * self.counts)) / self.n

    def spread(self, centre: float) -> float:
        """The mean absolute difference to a centre."""
        if self.counts is not None:
            return float(np.sum(np.abs(self.values - centre) * self.counts)) / self.n
        split = np.searchsorted(self.values, centre)
        above, below = self.values[split:], self.values[:split]
        return float(above.sum() - below.sum() - centre * (above.size - below.size)) / self.n


def statistics(sample: Sample) -> dict[str, float]:
    """The 18 statistics by their tag's end; constant values have skewness and kurtosis 0."""
    mean = sample.mean()
    low, high = float(sample.values[0]), float(sample.values[-1])
    p10, p25, p75, p90 = (sample.percentile(p) for p in (10, 25, 75, 90))
    median = (sample.at_rank((sample.n + 1) // 2) + sample.at_rank(sample.n // 2 + 1)) / 2
    deviation = sample.values - mean
    squared = deviation * deviation
    variance = sample.mean_product(deviation, deviation)
    robust = sample.within(p10, p90)
    square = sample.mean_product(sample.values, sample.values)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "mean": mean,
            "var": variance,
            "skew": 0.0 if low == high else sample.mean_product(squared, deviation) / variance**1.5,
            "kurt": 0.0 if low == high else sample.mean_product(squared, squared) / variance**2 - 3,
            "median": median,
            "min": low,
            "p10": p10,
            "p90": p90,
            "max": high,
            "iqr": p75 - p25,
            "range": high - low,
            "mad": sample.spread(mean),
            "rmad": robust.spread(robust.mean()),
            "medad": sample.spread(median),
            "cov": _relative(float(np.sqrt(variance)), mean),
            "qcod": _relative(p75 - p25, p75 + p25),
            "energy": square * sample.n,
            "rms": float(np.sqrt(square)),
        }


def _relative(spread: float, centre: float) -> float:
    """A spread over a centre; NaN around 0, where rounding would draw the quotient and its sign."""
    return spread / centre if abs(centre) > _ROUNDING * spread else float("nan")


def compute(ordered: Floats) -> dict[str, float]:
    """The family's values by tag, of the intensity mask's (n,) sorted intensities."""
    return {f"stat_{tag}": value for tag, value in statistics(Sample(ordered)).items()}
