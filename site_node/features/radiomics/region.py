"""One region of interest on its grid: IBSI's masks, and the geometry that every filtered image shares."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from site_node.features.arrays import Box, Mask

from . import geometry_kernels
from .model import Spacing


def bounding_box(mask: Mask) -> Box | None:
    """The smallest box around the true voxels of a mask (z, y, x), None where there are none."""
    z = _extent(mask, (1, 2))
    if z.stop == 0:
        return None
    y = _extent(mask[z], (0, 2))
    return z, y, _extent(mask[z, y], (0, 1))


def _extent(mask: Mask, across: tuple[int, int]) -> slice:
    found = np.flatnonzero(mask.any(axis=across))
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)


@dataclass(frozen=True)
class Region:
    """The region's voxels in its own bounding box, padded by one voxel of background on every side.

    `box` places the unpadded box in the image. `morphological` is the region as drawn; `intensity` leaves out
    what re-segmentation and outlier filtering took away (IBSI 2.5).
    """

    spacing_mm: Spacing
    box: Box
    morphological: Mask
    intensity: Mask

    @classmethod
    def of(cls, morphological: Mask, intensity: Mask, spacing_mm: Spacing) -> "Region | None":
        """The region of two masks (z, y, x) on the image's grid; None if the morphological one is empty."""
        box = bounding_box(morphological)
        if box is None:
            return None
        return cls(spacing_mm, box, np.pad(morphological[box], 1), np.pad(intensity[box], 1))

    @cached_property
    def index(self) -> NDArray[np.intp]:
        """(n_voxels,) the flat positions of the intensity mask's voxels in the padded box."""
        return np.flatnonzero(self.intensity)

    @cached_property
    def n_voxels(self) -> int:
        """Voxels of the intensity mask."""
        return int(self.index.size)

    def padded(self, image: NDArray[np.floating]) -> NDArray[np.float64]:
        """An image (z, y, x) of the box with the region's border of padding, 0."""
        result = np.zeros(self.intensity.shape)
        result[1:-1, 1:-1, 1:-1] = image
        return result

    @cached_property
    def extents(self) -> NDArray[np.int64]:
        """First voxel and one past the last of each row of the intensity mask, (z, y, 2)."""
        return geometry_kernels.row_extents(self.intensity)

    @cached_property
    def morphological_extents(self) -> NDArray[np.int64]:
        """As `extents`, of the morphological mask, (z, y, 2)."""
        return geometry_kernels.row_extents(self.morphological)

    @cached_property
    def _moments(self) -> NDArray[np.float64]:
        return geometry_kernels.moments(self.morphological, self.morphological_extents)

    @property
    def centre(self) -> NDArray[np.float64]:
        """The mean position (z, y, x) of the morphological mask's voxels, in voxels of the padded box."""
        return np.asarray(self._moments[1:4] / self._moments[0])

    @cached_property
    def principal_variances_mm(self) -> NDArray[np.float64]:
        """(3,) the eigenvalues of the positions' sample covariance in mm², largest first; 0 for one voxel."""
        n, zz, yy, xx, zy, zx, yx = self._moments[[0, 4, 5, 6, 7, 8, 9]]
        if n < 2:
            return np.zeros(3)
        second = np.array([[zz, zy, zx], [zy, yy, yx], [zx, yx, xx]])
        scatter = second - n * np.outer(self.centre, self.centre)
        covariance = scatter / (n - 1) * np.outer(self.spacing_mm, self.spacing_mm)
        return np.asarray(np.linalg.eigvalsh(covariance)[::-1])

    @cached_property
    def distance_3d(self) -> NDArray[np.int16]:
        """Steps (z, y, x) over faces to leave the morphological mask: 1 at its border (IBSI 3.9)."""
        return geometry_kernels.border_distance(self.morphological, 1)

    @cached_property
    def distance_2d(self) -> NDArray[np.int16]:
        """As `distance_3d`, (z, y, x), each slice by itself."""
        return geometry_kernels.border_distance(self.morphological, 0)

    @cached_property
    def hull(self) -> ConvexHull | None:
        """The convex hull in mm of the region's surface mesh, None where Qhull finds no volume.

        The mesh's vertices lie half a voxel from a border voxel along an axis, so their hull is that of the
        voxel centres with such a step added: only the centres on the hull of centres need it.
        """
        ends = _convex_ends(self.morphological_extents)
        steps = np.concatenate([np.eye(3), -np.eye(3)]) / 2
        points = (ends[:, None, :] + steps[None, :, :]).reshape(-1, 3)
        try:
            return ConvexHull(points * np.asarray(self.spacing_mm))
        except (QhullError, ValueError):
            return None


def _convex_ends(extents: NDArray[np.int64]) -> NDArray[np.float64]:
    """The first and last voxels of rows, (n, 3), without those that lie between their neighbours' ends.

    A point on or inside the segment from one neighbouring row's end to the other's is no hull corner.
    """
    filled = extents[:, :, 0] < extents[:, :, 1]
    ends = []
    for side, sign in ((0, 1.0), (1, -1.0)):
        # outward is towards smaller `reach`; an empty row reaches nowhere
        reach = np.where(filled, sign * (extents[:, :, side] - side), np.inf)
        corner = filled.copy()
        for step in (1, 2, 4, 8, 16):
            for dz, dy in ((step, 0), (0, step), (step, step), (step, -step)):
                corner &= 2 * reach < _shifted(reach, dz, dy) + _shifted(reach, -dz, -dy)
        z, y = np.nonzero(corner)
        ends.append(np.stack([z, y, sign * reach[z, y]], axis=1))
    return np.concatenate(ends)


def _shifted(reach: NDArray[np.float64], dz: int, dy: int) -> NDArray[np.float64]:
    """The reach of the row dz, dy away; infinite beyond the box."""
    n_z, n_y = reach.shape
    result = np.full_like(reach, np.inf)
    if abs(dz) < n_z and abs(dy) < n_y:
        to = slice(max(-dz, 0), n_z - max(dz, 0)), slice(max(-dy, 0), n_y - max(dy, 0))
        origin = slice(max(dz, 0), n_z + min(dz, 0)), slice(max(dy, 0), n_y + min(dy, 0))
        result[to] = reach[origin]
    return result
