"""Moran's I and Geary's C over all pairs of voxels, exactly (IBSI 3.1.29, 3.1.30).

Both are sums over pairs weighted by 1/distance. On a regular grid the weight depends on the offset alone, so
such a sum is a correlation, and by Parseval a weighted sum over the spectrum: n log n steps instead of n².
Spectra are taken in single precision, which leaves a relative error of about 1e-6.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from . import geometry_kernels
from .feature import Definition, Family
from .model import Spacing
from .region import Region

FAMILY = Family(
    "Morphological features",
    "HCUG",
    (
        Definition("morph_moran_i", "Moran's I index", "N365"),
        Definition("morph_geary_c", "Geary's C measure", "NPT7"),
    ),
)
Spectrum = NDArray[np.complex64]


def compute(intensities: NDArray[np.float64], region: Region) -> dict[str, float]:
    """The features by tag, of the intensity mask's intensities."""
    moran, geary = moran_geary(intensities, region.intensity, region.spacing_mm)
    return {"morph_moran_i": moran, "morph_geary_c": geary}


def moran_geary(
    intensities: NDArray[np.float64], mask: NDArray[np.bool_], spacing_mm: Spacing
) -> tuple[float, float]:
    """Moran's I (N365) and Geary's C (NPT7) of a padded mask's voxels; NaN for constant intensities."""
    n = intensities.size
    centred = intensities - intensities.mean() if n else intensities
    spread = float(centred.std()) if n else 0.0
    if n < 2 or spread == 0:
        return np.nan, np.nan
    mask = mask[1:-1, 1:-1, 1:-1]
    # No offset may wrap round: a side is padded to twice its size. Even sizes, so that the cosine transform
    # of an octant is the whole spectrum.
    shape = [2 * fft.next_fast_len(size, real=axis == 2) for axis, size in enumerate(mask.shape)]
    octant = _octant_of_inverse_distance(shape, spacing_mm)
    x = np.zeros(mask.shape, dtype=np.float32)
    x[mask] = centred
    x /= np.float32(spread)
    del centred  # for a large region every copy counts; a spectrum is eight times it
    ones = _spectrum(mask, shape)
    all_pairs = geometry_kernels.weighted_product(octant, ones, ones)
    one_sided = geometry_kernels.weighted_product(octant, ones, _spectrum(x * x, shape))
    del ones
    values = _spectrum(x, shape)
    products = geometry_kernels.weighted_product(octant, values, values)
    moran = products / all_pairs
    # sum w (x_i - x_j)² = 2 sum w x_i² - 2 sum w x_i x_j
    geary = (n - 1) / n * (one_sided - products) / all_pairs
    return moran, geary


def _spectrum(volume: NDArray[np.generic], shape: list[int]) -> Spectrum:
    """The half spectrum of the volume padded with zeros to the shape; rows of zeros are not transformed."""
    along_x = fft.rfft(volume.astype(np.float32, copy=False), shape[2], axis=2)
    whole = np.zeros((*shape[:2], along_x.shape[2]), dtype=np.complex64)
    for z, plane in enumerate(along_x):  # plane by plane: it stays in the cache, and so does its padding
        whole[z] = fft.fft(plane, shape[1], axis=0)
    return np.asarray(fft.fft(whole, axis=0, overwrite_x=True))


def _octant_of_inverse_distance(shape: list[int], spacing_mm: Spacing) -> NDArray[np.float32]:
    """One octant of the spectrum of 1/distance over the wrapped offsets: even along each axis, so it holds
    all.

    A half spectrum shows each frequency of x for its mirror image too, but the first and the last: those in
    between count twice.
    """
    sides = [
        (np.arange(size // 2 + 1, dtype=np.float32) * np.float32(mm)) ** 2
        for size, mm in zip(shape, spacing_mm, strict=True)
    ]
    squared = sides[0][:, None, None] + sides[1][None, :, None] + sides[2][None, None, :]
    squared[0, 0, 0] = np.inf  # a voxel is no pair with itself
    octant = fft.dctn(1 / np.sqrt(squared), type=1, overwrite_x=True)
    octant[:, :, 1:-1] *= 2
    return np.asarray(octant)
