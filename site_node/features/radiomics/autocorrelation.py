"""Moran's I and Geary's C over all pairs of voxels, exactly (IBSI 3.1.29, 3.1.30).

Both are sums over pairs weighted by 1/distance. On a regular grid the weight depends on the offset alone, so
such a sum is a correlation, and by Parseval a weighted sum over the spectrum: n log n instead of n² steps,
exact to rounding.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from .resample import Spacing


def moran_geary(
    image: NDArray[np.float64], mask: NDArray[np.bool_], spacing_mm: Spacing
) -> tuple[float, float]:
    """Moran's I (N365) and Geary's C (NPT7) of the masked voxels; NaN for constant intensities."""
    n = int(np.count_nonzero(mask))
    x = np.where(mask, image, 0.0)
    x[mask] -= x[mask].mean()
    energy = float(np.sum(x**2))
    if n < 2 or energy == 0:
        return np.nan, np.nan
    # no offset may wrap round: each side is padded to at least twice its size less one
    shape = [fft.next_fast_len(2 * size - 1, real=True) for size in mask.shape]
    weight = _spectrum_of_inverse_distance(shape, spacing_mm)
    ones, values, squares = (fft.rfftn(part, shape) for part in (mask.astype(np.float64), x, x**2))
    all_pairs = _weighted(weight, ones, ones, shape)
    products = _weighted(weight, values, values, shape)
    one_sided = _weighted(weight, squares, ones, shape)
    moran = n / all_pairs * products / energy
    # sum w (x_i - x_j)² = 2 sum w x_i² - 2 sum w x_i x_j
    geary = (n - 1) / all_pairs * (one_sided - products) / energy
    return moran, geary


def _spectrum_of_inverse_distance(shape: list[int], spacing_mm: Spacing) -> NDArray[np.float64]:
    """The spectrum of 1/distance over the wrapped offsets; real, since the weight is symmetric."""
    sides = [
        (np.minimum(np.arange(size), size - np.arange(size)) * mm) ** 2
        for size, mm in zip(shape, spacing_mm, strict=True)
    ]
    squared = sides[0][:, None, None] + sides[1][None, :, None] + sides[2][None, None, :]
    squared[0, 0, 0] = np.inf  # a voxel is no pair with itself
    return np.ascontiguousarray(fft.rfftn(1 / np.sqrt(squared)).real)


def _weighted(
    weight: NDArray[np.float64], a: NDArray[np.complex128], b: NDArray[np.complex128], shape: list[int]
) -> float:
    """The sum over all pairs i, j of w_ij a_i b_j."""
    spectrum = weight * (a.real * b.real + a.imag * b.imag)
    # the half spectrum holds every frequency twice but the first, and the last of an even size
    twice = 2 * spectrum.sum() - spectrum[:, :, 0].sum()
    if shape[2] % 2 == 0:
        twice -= spectrum[:, :, -1].sum()
    return float(twice / np.prod(shape))
