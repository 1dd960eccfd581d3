"""The sixteen features that runs, zones, distances and dependences share (IBSI 3.7 to 3.9 and 3.11).

All of them are made of a matrix r_ij: how many runs (zones, voxels) of grey level i have length (size,
distance, dependence) j. Each family names and codes them in its own file.
"""

import numpy as np
from numpy.typing import NDArray

from .glcm import entropy

SUFFIXES = (
    "short", "long", "low", "high", "short_low", "short_high", "long_low", "long_high",
    "level_nonuniformity", "level_nonuniformity_normalised", "nonuniformity", "nonuniformity_normalised",
    "percentage", "level_variance", "variance", "entropy",
)  # fmt: skip


def emphases(
    counts: NDArray[np.int64], sizes: NDArray[np.float64], n_voxels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The features in the order of SUFFIXES, (16, batch), of counts (batch, level, size).

    `sizes` is j of each column, `n_voxels` (batch,) what the percentage divides by. Empty gives NaN.
    """
    n_levels = counts.shape[1]
    assert sizes.shape == counts.shape[2:]
    i = np.arange(1, n_levels + 1, dtype=np.float64)
    total = counts.sum(axis=(1, 2)).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = counts / total[:, None, None]
        percentage = total / n_voxels
    of_level, of_size = p.sum(axis=2), p.sum(axis=1)
    # rows: 1/i², 1, i²; columns: 1/j², 1, j²
    by_level = np.stack([i**-2.0, np.ones_like(i), i**2])
    by_size = np.stack([sizes**-2.0, np.ones_like(sizes), sizes**2])
    table = by_level @ (p @ by_size.T)  # (batch, 3, 3)
    level_nonuniformity = np.sum(of_level**2, axis=1)
    nonuniformity = np.sum(of_size**2, axis=1)
    return np.stack(
        [
            table[:, 1, 0],
            table[:, 1, 2],
            table[:, 0, 1],
            table[:, 2, 1],
            table[:, 0, 0],
            table[:, 2, 0],
            table[:, 0, 2],
            table[:, 2, 2],
            level_nonuniformity * total,
            level_nonuniformity,
            nonuniformity * total,
            nonuniformity,
            percentage,
            _variance(of_level, i),
            _variance(of_size, sizes),
            entropy(p),
        ]
    )


def _variance(p: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = p @ x
    return np.asarray(np.sum(p * (x - mean[:, None]) ** 2, axis=1))
