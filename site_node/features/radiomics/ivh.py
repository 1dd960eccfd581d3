"""Intensity-volume histogram features: how much of the region is at least how bright (IBSI 3.5, P88C)."""

import numpy as np
from numpy.typing import NDArray

from .discretise import bin_start, grey_levels
from .feature import Definition, Family
from .settings import FixedBinNumber, FixedBinSize, Settings

MAX_BINS = 2**20

FAMILY = Family(
    "Intensity-volume histogram features",
    "P88C",
    (
        Definition("ivh_v10", "Volume fraction at 10% intensity", "NK6P"),
        Definition("ivh_v90", "Volume fraction at 90% intensity", "4279"),
        Definition("ivh_i10", "Intensity at 10% volume", "PWN1", "I"),
        Definition("ivh_i90", "Intensity at 90% volume", "BOHI", "I"),
        Definition("ivh_diff_v10_v90", "Difference in volume fraction between 10% and 90% intensity", "WITY"),
        Definition("ivh_diff_i10_i90", "Difference in intensity between 10% and 90% volume", "JXJA", "I"),
    ),
)


def compute(ordered: NDArray[np.float64], settings: Settings) -> dict[str, float]:
    """The family's values by tag, of the intensity mask's (n,) sorted intensities.

    With FBS an intensity is the centre of its bin; with FBN it is the grey level itself.
    """
    axis, counts, low, high = _curve(ordered, settings)
    # ν_i: the share of voxels at or above intensity i
    volume = 1 - (np.cumsum(counts) - counts) / counts.sum()
    fraction = (axis - low) / (high - low) if high > low else np.full(axis.size, np.nan)
    v10, v90 = (_first(volume, fraction >= x, 0.0) for x in (0.1, 0.9))
    if not high > low:
        v10 = v90 = np.nan
    above = float(axis[-1])  # no intensity is rare enough: the brightest stands
    i10, i90 = (_first(axis, volume <= x, above) for x in (0.1, 0.9))
    return {
        "ivh_v10": v10,
        "ivh_v90": v90,
        "ivh_i10": i10,
        "ivh_i90": i90,
        "ivh_diff_v10_v90": v10 - v90,
        "ivh_diff_i10_i90": i10 - i90,
    }


def _first(values: NDArray[np.float64], where: NDArray[np.bool_], otherwise: float) -> float:
    return float(values[np.argmax(where)]) if where.any() else otherwise


def _curve(
    ordered: NDArray[np.float64], settings: Settings
) -> tuple[NDArray[np.float64], NDArray[np.int64], float, float]:
    """The histogram's intensities, their counts, and the ends of the intensity range."""
    method, resegmentation = settings.ivh, settings.resegmentation
    low, high = resegmentation.range or (None, None)
    if isinstance(method, FixedBinNumber | FixedBinSize):
        of_voxels = grey_levels(ordered, method, resegmentation)
        if of_voxels[-1] > MAX_BINS:
            nothing = np.full(1, np.nan)
            return nothing, np.ones(1, dtype=np.int64), np.nan, np.nan
        counts = np.bincount(of_voxels)[1:]
        levels = np.arange(1, counts.size + 1, dtype=np.float64)
        if isinstance(method, FixedBinNumber):
            return levels, counts, 1.0, float(counts.size)
        start = bin_start(ordered, method, resegmentation)
        axis = start + (levels - 0.5) * method.width
        top = axis[-1] if high is None else high - method.width / 2
        return axis, counts, float(axis[0]), float(top)
    axis, counts = _definite(ordered)
    return axis, counts, float(axis[0]) if low is None else low, float(axis[-1]) if high is None else high


def _definite(ordered: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Intensities and their counts without bins: every integer of the range counts, if all are integers."""
    span = ordered[-1] - ordered[0]
    if span < 1e6 and np.array_equal(ordered, np.rint(ordered)):
        counts = np.bincount((ordered - ordered[0]).astype(np.int64))
        return ordered[0] + np.arange(counts.size, dtype=np.float64), counts
    axis, counts = np.unique(ordered, return_counts=True)
    return axis, counts
