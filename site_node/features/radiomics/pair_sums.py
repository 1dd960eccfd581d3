"""Sums over all pairs of voxels weighted by 1/distance, without visiting the pairs.

On a regular grid the weight depends on the offset alone, so such a sum is a correlation, and by Parseval a
weighted sum over spectra; but no offset may wrap round, which takes eight times the region's box. So 1/r is
split in two (Ewald's sum; Hockney and Eastwood, Computer Simulation Using Particles, chapter 8):

    1/r = [1/r - g(r)] + g(r),    g(r) = 1/r * integral of f from -r to r,

where f(s) ~ I0(SHARPNESS sqrt(1 - s²/R²)) is the Kaiser-Bessel window of half width R. The first part is 0
from R on: its box is the region's and R more. The second is smooth, its spectrum all but ends at SHARPNESS/R:
B-splines interpolate it between points R/4 apart, and the box that must hold it twice has few of these.

The split's error is a symmetric form of the fields x and y, at most ERROR (R²/voxel volume) |x| |y|. ERROR is
the form's largest eigenvalue, 7.8e-6 by power iteration on isotropic and anisotropic grids, rounded up. The
bound is compared with the sum itself for each region, a ball's is 3e-7 of it; a region that does not keep
BOUND, thin or scattered, is summed without a split. Spectra of a split are in single precision, which leaves
about 3e-7 of the largest term. A large box without a split, which may be one row of thousands of voxels, is
summed in double: there single precision left 6e-7 on one processor and 1.6e-6 on another.
"""

from math import comb, factorial
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from scipy import fft
from scipy.special import i0

from . import geometry_kernels
from .model import Spacing

Volume = NDArray[np.float32]
"""Numbers (z, y, x)."""
Spectrum = NDArray[np.complex64] | NDArray[np.complex128]
Field = NDArray[np.float32] | NDArray[np.float64]
Fields = tuple[Field, Field, Field]

SHARPNESS = 10.0
ORDER = 10  # of the splines: degree 9
POINTS_PER_RADIUS = 4.0
ERROR = 9e-6
BOUND = 1e-6
SMALL = 2**18  # points of a doubled box that is not worth a split


class PairSums(NamedTuple):
    """Sums over i != j of w_ij m_i m_j, w_ij m_i x_j² and w_ij x_i x_j; w is 1/distance in 1/mm."""

    mask: float
    squares: float
    products: float


def pair_sums(values: Volume, mask: NDArray[np.bool_], spacing_mm: Spacing) -> PairSums:
    """The sums over all pairs of voxels of a mask; `values` (z, y, x) are 0 outside it."""
    fields = mask.astype(np.float32), values * values, values
    voxel_mm3 = float(np.prod(spacing_mm))
    radius = 0.25 * float(np.count_nonzero(mask) * voxel_mm3) ** (1 / 3)
    if 8 * mask.size > SMALL:
        sums = PairSums(*_near(fields, spacing_mm, radius) + _far(fields, spacing_mm, radius))
        # by Cauchy and Schwarz the product of the first two norms is no less than the square of the third
        of_mask, of_squares = (float(np.linalg.norm(field)) for field in fields[:2])
        if ERROR * radius**2 / voxel_mm3 * of_mask * max(of_mask, of_squares) <= BOUND * sums.mask:
            return sums
        in_double = mask.astype(np.float64), fields[1].astype(np.float64), values.astype(np.float64)
        return PairSums(*_near(in_double, spacing_mm, np.inf))
    return PairSums(*_near(fields, spacing_mm, np.inf))


def smooth_part(r: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """g(r), of any shape, which is 1/r from the radius on; 0 for an infinite radius."""
    if np.isinf(radius):
        return np.zeros_like(r)
    nodes, weights = leggauss(16)

    def inside(squared: NDArray[np.float64]) -> NDArray[np.float64]:
        s = np.sqrt(squared)[:, None] * ((nodes + 1) / 2)  # from 0 to r, in radii
        window = i0(SHARPNESS * np.sqrt(1 - s * s))  # its integral over s is 2 sinh(SHARPNESS) / SHARPNESS
        return np.asarray(window @ weights * (SHARPNESS / np.sinh(SHARPNESS) / (2 * radius)))

    smooth = 1 / np.maximum(r, radius)
    below = r < radius  # where g is a smooth function of r²
    smooth[below] = Chebyshev.interpolate(inside, 20, domain=(0, 1))((r[below] / radius) ** 2)
    return smooth


def _near(fields: Fields, spacing_mm: Spacing, radius: float) -> NDArray[np.float64]:
    """The sums with what is left of the weight below the radius: all of it where that is infinite."""
    sizes = fields[0].shape
    reach = [int(min(np.ceil(radius / mm), n)) for n, mm in zip(sizes, spacing_mm, strict=True)]
    shape = _even([n + r - 1 for n, r in zip(sizes, reach, strict=True)])
    distance = _distances(reach, spacing_mm)
    smooth = smooth_part(distance, radius)
    distance[0, 0, 0] = np.inf  # a voxel is not a pair with itself
    octant = np.zeros([n // 2 + 1 for n in shape], dtype=fields[0].dtype)
    octant[: reach[0], : reach[1], : reach[2]] = np.where(distance < radius, 1 / distance - smooth, 0)
    octant[0, 0, 0] = -smooth[0, 0, 0]
    return _forms(fields, fft.dctn(octant, type=1, overwrite_x=True), shape)


def _far(fields: tuple[Volume, Volume, Volume], spacing_mm: Spacing, radius: float) -> NDArray[np.float64]:
    """The sums with the smooth part of the weight, interpolated between points of a coarser grid."""
    step = radius / POINTS_PER_RADIUS
    axes = [np.arange(n) * (mm / step) for n, mm in zip(fields[0].shape, spacing_mm, strict=True)]
    ones, squares, values = (_on_points(field, axes) for field in fields)
    # The interpolation's coefficients reach beyond the largest offset: ORDER more, so that they see no wrap.
    shape = _even([2 * n + ORDER for n in ones.shape])
    octant = smooth_part(_distances([n // 2 + 1 for n in shape], (step, step, step)), radius)
    octant = fft.dctn(octant, type=1, overwrite_x=True)
    places = np.arange(-(ORDER // 2), ORDER // 2 + 1)
    for axis, n in enumerate(shape):
        # from the values at points to the splines' coefficients, once for either field
        frequency = np.arange(n // 2 + 1) * (2 * np.pi / n)
        transfer = np.cos(np.outer(frequency, places)) @ _spline(places)
        octant /= np.moveaxis(transfer[:, None, None] ** 2, 0, axis)
    return _forms((ones, squares, values), octant.astype(np.float32), shape)


def _spline(x: NDArray[np.generic]) -> NDArray[np.float64]:
    """The central B-spline of the order, by its truncated powers (Schoenberg)."""
    powers = (
        (-1) ** k * comb(ORDER, k) * np.maximum(ORDER / 2 - k - np.abs(x), 0) ** (ORDER - 1)
        for k in range(ORDER // 2)
    )
    return np.asarray(sum(powers) / factorial(ORDER - 1))


def _on_points(field: Volume, axes: list[NDArray[np.float64]]) -> Volume:
    """The sums of a field times the spline of each point; `axes` are the voxels' places between points."""
    for places in axes:  # along the first axis, which then becomes the last
        first = np.floor(places).astype(np.int64)
        points = first[:, None] + np.arange(1 - ORDER // 2, ORDER // 2 + 1)
        weights = _spline(points - places[:, None]).astype(np.float32)
        rows = geometry_kernels.spread(field.reshape(places.size, -1), first, weights)
        field = np.ascontiguousarray(np.moveaxis(rows.reshape(-1, *field.shape[1:]), 0, -1))
    return field


def _distances(sizes: list[int], spacing_mm: Spacing) -> NDArray[np.float64]:
    """The length in mm of each offset from 0 up to the sizes."""
    z, y, x = ((np.arange(n) * mm) ** 2 for n, mm in zip(sizes, spacing_mm, strict=True))
    return np.asarray(np.sqrt(z[:, None, None] + y[None, :, None] + x[None, None, :]))


def _even(sizes: list[int]) -> list[int]:
    """Sizes not below these, quick to transform, and even: so is a cosine transform the whole spectrum."""
    return [2 * fft.next_fast_len((n + 1) // 2, real=axis == 2) for axis, n in enumerate(sizes)]


def _forms(fields: Fields, octant: Field, shape: list[int]) -> NDArray[np.float64]:
    """The sums of weight times field times field, by one octant of the weight's spectrum.

    A half spectrum shows each frequency of x for its mirror image too, but the first and the last: those in
    between count twice.
    """
    octant[:, :, 1:-1] *= 2
    ones, squares, values = (_spectrum(field, shape) for field in fields)
    return np.asarray(geometry_kernels.weighted_products(octant, ones, squares, values) / np.prod(shape))


def _spectrum(volume: Field, shape: list[int]) -> Spectrum:
    """The half spectrum of the volume padded with zeros to the shape; rows of zeros are not transformed."""
    along_x = fft.rfft(volume, shape[2], axis=2)
    return np.asarray(fft.fft(fft.fft(along_x, shape[1], axis=1), shape[0], axis=0, overwrite_x=True))
