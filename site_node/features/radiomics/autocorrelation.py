"""Moran's I and Geary's C over all pairs of voxels, none left out (IBSI 3.1.29, 3.1.30)."""

import numpy as np
from numpy.typing import NDArray

from .feature import Definition, Family
from .pair_sums import pair_sums
from .region import Region

FAMILY = Family(
    "Morphological features",
    "HCUG",
    (
        Definition("morph_moran_i", "Moran's I index", "N365"),
        Definition("morph_geary_c", "Geary's C measure", "NPT7"),
    ),
)


def compute(intensities: NDArray[np.float64], region: Region) -> dict[str, float]:
    """The features by tag, of the (n,) intensities of the intensity mask's voxels."""
    moran, geary = moran_geary(intensities, region)
    return {"morph_moran_i": moran, "morph_geary_c": geary}


def moran_geary(intensities: NDArray[np.float64], region: Region) -> tuple[float, float]:
    """Moran's I (N365) and Geary's C (NPT7) of a region's (n,) intensities; NaN for constant ones."""
    n = intensities.size
    centred = intensities - intensities.mean() if n else intensities
    spread = float(centred.std()) if n else 0.0
    if n < 2 or spread == 0:
        return np.nan, np.nan
    x = np.zeros(region.intensity.shape, dtype=np.float32)
    x.ravel()[region.index] = centred / spread
    inner = slice(1, -1), slice(1, -1), slice(1, -1)
    sums = pair_sums(np.ascontiguousarray(x[inner]), region.intensity[inner], region.spacing_mm)
    # sum w (x_i - x_j)² = 2 sum w x_i² - 2 sum w x_i x_j
    return sums.products / sums.mask, (n - 1) / n * (sums.squares - sums.products) / sums.mask
