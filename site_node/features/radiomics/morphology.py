"""Morphological features (IBSI 3.1, HCUG); those of pairs of voxels are in autocorrelation.py.

The oriented minimum bounding box (ZH1A, IQYR) and the minimum volume enclosing ellipsoid (SWZ1, BRI8) are not
computed: IBSI has withdrawn their reference values.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import eval_legendre

from . import geometry_kernels
from .feature import Definition, Family
from .mesh import area_and_volume
from .region import Region

FAMILY = Family(
    "Morphological features",
    "HCUG",
    (
        Definition("morph_volume", "Volume", "RNU0", "mm³"),
        Definition("morph_vol_approx", "Approximate volume", "YEKZ", "mm³"),
        Definition("morph_area_mesh", "Surface area", "C0JK", "mm²"),
        Definition("morph_av", "Surface to volume ratio", "2PR5", "1/mm"),
        Definition("morph_comp_1", "Compactness 1", "SKGS"),
        Definition("morph_comp_2", "Compactness 2", "BQWJ"),
        Definition("morph_sph_dispr", "Spherical disproportion", "KRCK"),
        Definition("morph_sphericity", "Sphericity", "QCFX"),
        Definition("morph_asphericity", "Asphericity", "25C7"),
        Definition("morph_com", "Centre of mass shift", "KLMA", "mm"),
        Definition("morph_diam", "Maximum 3D diameter", "L0JK", "mm"),
        Definition("morph_pca_maj_axis", "Major axis length", "TDIC", "mm"),
        Definition("morph_pca_min_axis", "Minor axis length", "P9VJ", "mm"),
        Definition("morph_pca_least_axis", "Least axis length", "7J51", "mm"),
        Definition("morph_pca_elongation", "Elongation", "Q3CK"),
        Definition("morph_pca_flatness", "Flatness", "N17B"),
        Definition("morph_vol_dens_aabb", "Volume density - axis-aligned bounding box", "PBX1"),
        Definition("morph_area_dens_aabb", "Area density - axis-aligned bounding box", "R59B"),
        Definition("morph_vol_dens_aee", "Volume density - approximate enclosing ellipsoid", "6BDE"),
        Definition("morph_area_dens_aee", "Area density - approximate enclosing ellipsoid", "RDD2"),
        Definition("morph_vol_dens_conv_hull", "Volume density - convex hull", "R3ER"),
        Definition("morph_area_dens_conv_hull", "Area density - convex hull", "7T7F"),
        Definition("morph_integ_int", "Integrated intensity", "99N0", "I·mm³"),
    ),
)


def compute(image: NDArray[np.float64], region: Region) -> dict[str, float]:
    """The family's values by tag. `image` (z, y, x) is the padded crop of the region's box."""
    area, volume = area_and_volume(region.morphological, region.spacing_mm)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "morph_vol_approx": np.count_nonzero(region.morphological) * float(np.prod(region.spacing_mm)),
            **_surface(area, volume),
            **_axes(area, volume, region),
            **_box(area, volume, region),
            **_hull(area, volume, region),
            **_intensity(image, volume, region),
        }


def _surface(area: float, volume: float) -> dict[str, float]:
    sphere = (36 * np.pi * volume**2) ** (1 / 3)  # area of the sphere of the same volume
    return {
        "morph_volume": volume,
        "morph_area_mesh": area,
        "morph_av": area / volume,
        "morph_comp_1": volume / (np.sqrt(np.pi) * area**1.5),
        "morph_comp_2": 36 * np.pi * volume**2 / area**3,
        "morph_sph_dispr": area / sphere,
        "morph_sphericity": sphere / area,
        "morph_asphericity": area / sphere - 1,
    }


def _axes(area: float, volume: float, region: Region) -> dict[str, float]:
    """Principal component lengths, and densities in the ellipsoid that they span."""
    eigenvalues = region.principal_variances_mm
    major, minor, least = 4 * np.sqrt(np.maximum(eigenvalues, 0))
    a, b, c = major / 2, minor / 2, least / 2
    return {
        "morph_pca_maj_axis": major,
        "morph_pca_min_axis": minor,
        "morph_pca_least_axis": least,
        "morph_pca_elongation": np.divide(minor, major),
        "morph_pca_flatness": np.divide(least, major),
        "morph_vol_dens_aee": volume / (4 / 3 * np.pi * a * b * c) if c > 0 else np.nan,
        "morph_area_dens_aee": area / _ellipsoid_area(a, b, c),
    }


def _ellipsoid_area(a: float, b: float, c: float) -> float:
    """The area of the ellipsoid with semi-axes a >= b >= c by the series of IBSI 3.1.22, to its 20th term."""
    if c <= 0:
        return np.nan
    alpha, beta = np.sqrt(1 - (b / a) ** 2), np.sqrt(1 - (c / a) ** 2)
    # a spheroid's zero would make the argument infinite, though not the terms
    alpha, beta = max(alpha, 1e-6), max(beta, 1e-6)
    order = np.arange(21)
    argument = (alpha**2 + beta**2) / (2 * alpha * beta)
    terms = (alpha * beta) ** order / (1 - 4 * order**2) * eval_legendre(order, argument)
    return float(4 * np.pi * a * b * terms.sum())


def _box(area: float, volume: float, region: Region) -> dict[str, float]:
    z, y, x = (np.asarray(region.morphological.shape) - 2) * region.spacing_mm
    return {
        "morph_vol_dens_aabb": volume / (z * y * x),
        "morph_area_dens_aabb": area / (2 * (z * y + z * x + y * x)),
    }


def _hull(area: float, volume: float, region: Region) -> dict[str, float]:
    hull = region.hull
    if hull is None:
        return {}
    return {
        "morph_diam": geometry_kernels.largest_distance(np.ascontiguousarray(hull.points[hull.vertices])),
        "morph_vol_dens_conv_hull": volume / hull.volume,
        "morph_area_dens_conv_hull": area / hull.area,
    }


def _intensity(image: NDArray[np.float64], volume: float, region: Region) -> dict[str, float]:
    if region.n_voxels == 0:
        return {}
    intensities = image.ravel()[region.index]
    weighted = geometry_kernels.weighted_sums(region.intensity, region.extents, image)
    shift = (region.centre - weighted[1:] / weighted[0]) * region.spacing_mm
    return {
        "morph_com": float(np.linalg.norm(shift)),
        "morph_integ_int": float(intensities.mean()) * volume,
    }
