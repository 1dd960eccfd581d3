"""Local intensity features: the mean in a sphere of 1 cm³ around a voxel (IBSI 3.2, 9ST6)."""

import numpy as np
from numpy.typing import NDArray

from . import geometry_kernels
from .feature import Definition, Family
from .region import Region

FAMILY = Family(
    "Local intensity features",
    "9ST6",
    (
        Definition("loc_peak_loc", "Local intensity peak", "VJGA", "I"),
        Definition("loc_peak_glob", "Global intensity peak", "0F91", "I"),
    ),
)
RADIUS_MM = 10 * (3 / (4 * np.pi)) ** (1 / 3)  # 6.2 mm


def compute(image: NDArray[np.float64], region: Region) -> dict[str, float]:
    """The family's values by tag; the spheres see the whole image (z, y, x), not the region alone."""
    inside = region.intensity[1:-1, 1:-1, 1:-1]
    local, everywhere = geometry_kernels.peaks(_sphere_means(image, region), image[region.box], inside)
    return {"loc_peak_loc": local, "loc_peak_glob": everywhere}


def _sphere_means(image: NDArray[np.float64], region: Region) -> NDArray[np.float32]:
    """The mean in the sphere around each voxel of the region's box."""
    spacing = np.asarray(region.spacing_mm)
    reach = np.floor(RADIUS_MM / spacing).astype(np.int64)
    near, missing = _surroundings(image, region, reach)
    dz, dy = (np.arange(-r, r + 1) * mm for r, mm in zip(reach[:2], spacing[:2], strict=True))
    left = RADIUS_MM**2 - dz[:, None] ** 2 - dy[None, :] ** 2
    half = np.where(left >= 0, np.floor(np.sqrt(np.maximum(left, 0)) / spacing[2] + 1e-12), -1)
    half = half.astype(np.int64)
    sums = geometry_kernels.sphere_sums(near, half)
    if not missing:
        return np.asarray(sums / np.float32(np.sum(np.maximum(2 * half + 1, 0))))
    present = _surroundings(np.ones_like(image), region, reach)[0]
    return np.asarray(sums / np.maximum(geometry_kernels.sphere_sums(present, half), 1))


def _surroundings(
    image: NDArray[np.float64], region: Region, reach: NDArray[np.int64]
) -> tuple[NDArray[np.float32], bool]:
    """The image in the region's box widened by `reach`, 0 beyond the image; and whether it goes beyond."""
    cut, pad = [], []
    for side, r, size in zip(region.box, reach.tolist(), image.shape, strict=True):
        low, high = side.start - r, side.stop + r
        cut.append(slice(max(low, 0), min(high, size)))
        pad.append((max(-low, 0), max(high - size, 0)))
    missing = any(before or after for before, after in pad)
    return np.pad(image[tuple(cut)].astype(np.float32), pad), missing
