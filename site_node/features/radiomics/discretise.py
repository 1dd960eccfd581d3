"""Intensities to grey levels 1..n (IBSI 2.7)."""

import numpy as np
from numpy.typing import NDArray

from .settings import Discretisation, FixedBinNumber, FixedBinSize, Resegmentation


def grey_levels(
    intensities: NDArray[np.float64], method: Discretisation, resegmentation: Resegmentation
) -> NDArray[np.int64]:
    """The grey level, from 1, of each of the region's (n,) intensities; all 1 where they are constant."""
    if intensities.size == 0:
        return np.empty(0, dtype=np.int64)
    if isinstance(method, FixedBinNumber):
        return _fixed_number(intensities, method.bins)
    if isinstance(method, FixedBinSize):
        start = bin_start(intensities, method, resegmentation)
        return np.maximum(np.floor((intensities - start) / method.width).astype(np.int64) + 1, 1)
    return np.maximum(np.rint(intensities).astype(np.int64), 1)


def bin_start(
    intensities: NDArray[np.float64], method: FixedBinSize, resegmentation: Resegmentation
) -> float:
    """Where the first bin begins: as set, or the low end of re-segmentation or of (n,) intensities."""
    low = resegmentation.range[0] if resegmentation.range else None
    if method.start is not None:
        return method.start
    return low if low is not None else float(intensities.min())


def _fixed_number(intensities: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    low, high = intensities.min(), intensities.max()
    if high <= low:
        return np.ones(intensities.size, dtype=np.int64)
    levels = np.floor(bins * (intensities - low) / (high - low)).astype(np.int64) + 1
    return np.asarray(np.minimum(levels, bins))  # the maximum itself belongs to the last bin
