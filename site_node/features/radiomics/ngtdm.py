"""Neighbourhood grey tone difference matrix features (IBSI 3.10, IPET)."""

import numpy as np
from numpy.typing import NDArray

from .feature import Definition, Family

FAMILY = Family(
    "Neighbourhood grey tone difference matrix features",
    "IPET",
    (
        Definition("ngt_coarseness", "Coarseness", "QCDE"),
        Definition("ngt_contrast", "Contrast", "65HE"),
        Definition("ngt_busyness", "Busyness", "NQ30"),
        Definition("ngt_complexity", "Complexity", "HDEZ"),
        Definition("ngt_strength", "Strength", "1X9X"),
    ),
)


def compute(voxels: NDArray[np.float64], differences: NDArray[np.float64]) -> dict[str, float]:
    """The family's values by tag, of (n,) n_i and s_i for levels 1..n; NaN: no voxel has a neighbour.

    Where every voxel equals its neighbourhood, coarseness is 10⁶ and busyness and strength are 0 (IBSI 3.10).
    """
    total = voxels.sum()
    if total == 0:
        return dict.fromkeys((d.tag for d in FAMILY.definitions), np.nan)
    level = np.flatnonzero(voxels) + 1.0
    p, s = voxels[voxels > 0] / total, differences[voxels > 0]
    gap = level[:, None] - level[None, :]
    n_present = level.size
    coarse = p @ s
    contrast = 0.0
    if n_present > 1:
        spread = p @ gap**2 @ p
        contrast = spread / (n_present * (n_present - 1)) * s.sum() / total
    weighted = level * p
    busy = np.abs(weighted[:, None] - weighted[None, :]).sum()
    pairs = p[:, None] + p[None, :]
    shared = (p * s)[:, None] + (p * s)[None, :]
    strength = np.sum(pairs * gap**2)
    return {
        "ngt_coarseness": float(min(1 / coarse, 1e6)) if coarse > 0 else 1e6,
        "ngt_contrast": float(contrast),
        "ngt_busyness": float(coarse / busy) if busy > 0 else 0.0,
        "ngt_complexity": float(np.sum(np.abs(gap) * shared / pairs) / total),
        "ngt_strength": float(strength / s.sum()) if s.sum() > 0 else 0.0,
    }
