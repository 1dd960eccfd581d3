"""One region of interest on its grid: IBSI's masks, and the geometry that every filtered image shares."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from .resample import Spacing

Mask = NDArray[np.bool_]
Box = tuple[slice, slice, slice]


def bounding_box(mask: Mask) -> Box | None:
    """The smallest box around the true voxels, None where there are none."""
    found = ndimage.find_objects(mask.view(np.uint8))
    return found[0] if found else None


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
        """The region of two masks on the image's grid; None where the morphological one is empty."""
        box = bounding_box(morphological)
        if box is None:
            return None
        return cls(spacing_mm, box, np.pad(morphological[box], 1), np.pad(intensity[box], 1))

    @cached_property
    def index(self) -> NDArray[np.intp]:
        """Flat positions of the intensity mask's voxels in the padded box."""
        return np.flatnonzero(self.intensity)

    @cached_property
    def n_voxels(self) -> int:
        """Voxels of the intensity mask."""
        return int(self.index.size)

    def crop(self, image: NDArray[np.floating]) -> NDArray[np.float64]:
        """The image in the padded box; the padding is 0."""
        return np.pad(np.asarray(image[self.box], dtype=np.float64), 1)

    @cached_property
    def coordinates_mm(self) -> NDArray[np.float64]:
        """Positions in mm, (n, 3) in (z, y, x), of the morphological mask's voxels."""
        return np.asarray(np.argwhere(self.morphological) * np.asarray(self.spacing_mm))

    @cached_property
    def distance_3d(self) -> NDArray[np.int16]:
        """Steps over faces to leave the morphological mask: 1 at its border (IBSI 3.9)."""
        steps = ndimage.distance_transform_cdt(self.morphological, metric="taxicab")
        return np.asarray(steps, dtype=np.int16)

    @cached_property
    def distance_2d(self) -> NDArray[np.int16]:
        """As `distance_3d`, each slice by itself."""
        planes = [ndimage.distance_transform_cdt(plane, metric="taxicab") for plane in self.morphological]
        return np.stack(planes).astype(np.int16)

    @cached_property
    def hull(self) -> ConvexHull | None:
        """The convex hull in mm of the region's surface mesh, None where Qhull finds no volume.

        The mesh's vertices lie half a voxel from a border voxel along an axis, so their hull is that of the
        voxel centres with such a step added: only the centres on the hull of centres need it.
        """
        ends = _row_ends(self.morphological)
        with suppress(QhullError, ValueError):  # flat or tiny: every end is kept
            ends = ends[ConvexHull(ends).vertices]
        steps = np.concatenate([np.eye(3), -np.eye(3)]) / 2
        points = (ends[:, None, :] + steps[None, :, :]).reshape(-1, 3)
        try:
            return ConvexHull(points * np.asarray(self.spacing_mm))
        except (QhullError, ValueError):
            return None


def _row_ends(mask: Mask) -> NDArray[np.float64]:
    """The first and last true voxel of every row that are also ends within their column (z, y, x)."""
    ends = np.zeros_like(mask)
    z, y = np.nonzero(mask.any(axis=2))
    rows = mask[z, y]
    ends[z, y, rows.argmax(axis=1)] = True
    ends[z, y, mask.shape[2] - 1 - rows[:, ::-1].argmax(axis=1)] = True
    z, x = np.nonzero(ends.any(axis=1))
    columns = ends[z, :, x]
    first = np.stack([z, columns.argmax(axis=1), x], axis=1)
    last = np.stack([z, mask.shape[1] - 1 - columns[:, ::-1].argmax(axis=1), x], axis=1)
    return np.unique(np.concatenate([first, last]), axis=0).astype(np.float64)
