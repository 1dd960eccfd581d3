"""All texture families of one discretised region, in every aggregation asked for (IBSI 3.6 to 3.11).

Counting is done once for a dimension; the aggregations are sums and means of what was counted: "avg" is the
mean of the features of single matrices, "comb" has the directions' matrices merged, and 2.5D the slices' as
well.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import glcm, gldzm, glrlm, glszm, ngldm, ngtdm, texture_kernels
from .region import Region
from .settings import FamilyName, Texture

Values = dict[str, float]

MAX_CELLS = 2**26  # of all matrices counted at once: 0.5 GB, and several copies of it
Batch = dict[str, NDArray[np.float64]]

# Half of the neighbours, a voxel's predecessors in scan order (z, y, x): 4 in the plane, 13 in space.
DIRECTIONS_2D = np.array([(0, 0, 1), (0, 1, -1), (0, 1, 0), (0, 1, 1)])
DIRECTIONS_3D = np.concatenate([DIRECTIONS_2D, [(1, dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]])


@dataclass(frozen=True)
class Discretised:
    """The grey levels of a region in its padded box: int16 from 1 to n_levels, 0 outside the mask."""

    levels: NDArray[np.int16]
    n_levels: int
    region: Region

    def voxels_by_slice(self) -> NDArray[np.int64]:
        """(z,) voxels of each slice of the unpadded box."""
        return np.asarray(np.count_nonzero(self.levels[1:-1], axis=(1, 2)), dtype=np.int64)


def fits(n_levels: int, region: Region, settings: Texture) -> bool:
    """Whether so many grey levels are allowed, and their matrices have room."""
    n_slices = region.intensity.shape[0] - 2
    matrices = {"2D": 4 * n_slices, "2.5D": 4, "3D": 13}
    most = max((matrices[a.split("_")[0]] for a in settings.aggregations), default=0)
    return n_levels <= settings.max_levels and most * n_levels**2 <= MAX_CELLS


def compute(discretised: Discretised, families: tuple[FamilyName, ...], settings: Texture) -> Values:
    """The values of the asked families by tag and aggregation ("cm_contrast_3D_avg", "szm_sze_2.5D")."""
    values: Values = {}
    for dimension in ("2D", "2.5D", "3D"):
        asked = tuple(a for a in settings.aggregations if a.split("_")[0] == dimension)
        if not asked:
            continue
        if "glcm" in families or "glrlm" in families:
            values |= _directional(discretised, dimension, asked, families)
        if "ngtdm" in families or "ngldm" in families:
            values |= _neighbourhood(discretised, dimension, families, settings.ngldm_coarseness)
        if "glszm" in families or "gldzm" in families:
            values |= _zones(discretised, dimension, families)
    return values


def co_occurrence_and_runs(
    discretised: Discretised, dimension: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """GLCM (slice, direction, level, level), symmetric, and GLRLM (slice, direction, level, length) counts.

    Slices are kept apart in 2D only; otherwise there is one.
    """
    levels, n = discretised.levels, discretised.n_levels
    directions = DIRECTIONS_3D if dimension == "3D" else DIRECTIONS_2D
    n_slices = levels.shape[0] - 2 if dimension == "2D" else 1
    pairs = np.zeros((n_slices, len(directions), n + 1, n + 1), dtype=np.uint32)
    later = np.zeros((n_slices, len(directions), n + 1, max(levels.shape)), dtype=np.uint32)
    extents = discretised.region.extents
    texture_kernels.count_pairs_and_runs(levels, extents, directions, dimension == "2D", pairs, later)
    unlike = pairs[:, :, 1:, 1:].astype(np.int64)
    longer = later[:, :, 1:].astype(np.int64)
    symmetric = unlike + unlike.swapaxes(2, 3)
    alike = np.arange(n)
    symmetric[:, :, alike, alike] = 2 * longer[:, :, :, 1:].sum(axis=3)
    starts = pairs[:, :, 1:].sum(axis=3, dtype=np.int64)  # a predecessor of another level, or none
    runs = glrlm.matrix(starts.reshape(-1, n), longer.reshape(-1, *longer.shape[2:]))
    return symmetric, runs.reshape(n_slices, len(directions), n, -1)


def _directional(
    discretised: Discretised, dimension: str, asked: tuple[str, ...], families: tuple[FamilyName, ...]
) -> Values:
    pairs, runs = co_occurrence_and_runs(discretised, dimension)
    n_directions = pairs.shape[1]
    by_slice = discretised.voxels_by_slice() if dimension == "2D" else np.array([discretised.region.n_voxels])
    filled = by_slice > 0
    pairs, runs, by_slice = pairs[filled], runs[filled], by_slice[filled]
    values: Values = {}
    for aggregation in asked:
        merged = aggregation.endswith("_comb")
        p = pairs.sum(axis=1) if merged else pairs.reshape(-1, *pairs.shape[2:])
        r = runs.sum(axis=1) if merged else runs.reshape(-1, *runs.shape[2:])
        voxels = by_slice * n_directions if merged else np.repeat(by_slice, n_directions)
        if "glcm" in families:
            values |= _mean(glcm.compute(p), aggregation)
        if "glrlm" in families:
            values |= _mean(glrlm.compute(r, voxels), aggregation)
    return values


def _mean(batch: Batch, aggregation: str) -> Values:
    """The mean over the matrices that define the feature; one without a pair defines none."""
    return {f"{tag}_{aggregation}": _finite_mean(value) for tag, value in batch.items()}


def _finite_mean(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def neighbourhoods(
    discretised: Discretised, dimension: str, coarseness: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """NGTDM's n_i and s_i, (slice, level) each, and NGLDM (slice, level, dependence); one slice unless 2D."""
    n = discretised.n_levels
    depth = 1 if dimension == "3D" else 0
    n_slices = discretised.levels.shape[0] - 2 if dimension == "2D" else 1
    voxels, differences = np.zeros((2, n_slices, n + 1))
    dependences = np.zeros((n_slices, n + 1, 27 if depth else 9), dtype=np.uint32)
    extents = discretised.region.extents
    texture_kernels.count_neighbours(
        discretised.levels, extents, depth, coarseness, dimension == "2D", voxels, differences, dependences
    )
    return voxels[:, 1:], differences[:, 1:], dependences[:, 1:].astype(np.int64)


def _neighbourhood(
    discretised: Discretised, dimension: str, families: tuple[FamilyName, ...], coarseness: int
) -> Values:
    voxels, differences, dependences = neighbourhoods(discretised, dimension, coarseness)
    filled = dependences.any(axis=(1, 2))
    values: Values = {}
    if "ngtdm" in families:
        each = [ngtdm.compute(n, s) for n, s in zip(voxels[filled], differences[filled], strict=True)]
        values |= _mean(
            {d.tag: np.array([v[d.tag] for v in each]) for d in ngtdm.FAMILY.definitions}, dimension
        )
    if "ngldm" in families:
        dependences = dependences[filled]
        values |= _mean(ngldm.compute(dependences, dependences.sum(axis=(1, 2))), dimension)
    return values


def _zones(discretised: Discretised, dimension: str, families: tuple[FamilyName, ...]) -> Values:
    region = discretised.region
    flat = dimension != "3D"
    distance = region.distance_2d if flat else region.distance_3d
    level, size, nearest, plane = texture_kernels.find_zones(discretised.levels, distance, 0 if flat else 1)
    if dimension == "2D":
        voxels = discretised.voxels_by_slice()
        groups = [(plane == z, voxels[z]) for z in np.flatnonzero(voxels)]
    else:
        groups = [(np.ones(level.size, dtype=bool), region.n_voxels)]
    values: Values = {}
    makers: tuple[tuple[FamilyName, NDArray[np.integer], Callable[..., Batch]], ...] = (
        ("glszm", size, glszm.compute),
        ("gldzm", nearest, gldzm.compute),
    )
    for family, measure, features in makers:
        if family in families:
            each = [
                features(*glszm.matrix(level[g], measure[g], discretised.n_levels), np.array([n]))
                for g, n in groups
            ]
            values |= _mean({tag: np.concatenate([e[tag] for e in each]) for tag in each[0]}, dimension)
    return values
