"""Intensity-based statistics (IBSI 3.3, UHIW)."""

import numpy as np
from numpy.typing import NDArray

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


def percentile(ordered: NDArray[np.float64], percent: int) -> float:
    """The smallest value with at least `percent` of all values at or below it (nearest rank)."""
    rank = -(-percent * ordered.size // 100)
    return float(ordered[max(rank - 1, 0)])


def statistics(ordered: NDArray[np.float64]) -> dict[str, float]:
    """The 18 statistics of sorted values by their tag's end; constant values have skewness and kurtosis 0."""
    n = ordered.size
    mean = float(ordered.mean())
    p10, p25, p75, p90 = (percentile(ordered, p) for p in (10, 25, 75, 90))
    middle = float(ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    deviation = ordered - mean
    squared = deviation * deviation
    variance = float(squared.mean())
    constant = ordered[0] == ordered[-1]
    robust = ordered[np.searchsorted(ordered, p10) : np.searchsorted(ordered, p90, side="right")]
    energy = _dot(ordered, ordered)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "mean": mean,
            "var": variance,
            "skew": 0.0 if constant else _dot(squared, deviation) / n / variance**1.5,
            "kurt": 0.0 if constant else _dot(squared, squared) / n / variance**2 - 3,
            "median": middle,
            "min": float(ordered[0]),
            "p10": p10,
            "p90": p90,
            "max": float(ordered[-1]),
            "iqr": p75 - p25,
            "range": float(ordered[-1] - ordered[0]),
            "mad": float(np.abs(deviation).mean()),
            "rmad": float(np.abs(robust - robust.mean()).mean()),
            "medad": float(np.abs(ordered - middle).mean()),
            "cov": float(np.divide(np.sqrt(variance), mean)),
            "qcod": float(np.divide(p75 - p25, p75 + p25)),
            "energy": energy,
            "rms": float(np.sqrt(energy / n)),
        }


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    # not BLAS: it wakes threads that cost more than the product
    return float(np.einsum("i,i->", a, b))


def compute(ordered: NDArray[np.float64]) -> dict[str, float]:
    """The family's values by tag, of the intensity mask's sorted intensities."""
    return {f"stat_{tag}": value for tag, value in statistics(ordered).items()}
