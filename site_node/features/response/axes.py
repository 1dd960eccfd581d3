"""The longest diameter of a lesion in the plane of the slices, and its short axis, from a mask.

What is measured is the mask as drawn, before any resampling. The longest diameter is the greatest distance
of two voxel centres within one slice, as a ruler on a viewer joins them; the slice is the one with the
longest, the first of equal ones. The short axis is the lesion's extent perpendicular to that line in the same
slice, as calipers give it. Parts of a lesion that do not touch (26 neighbours) are measured one by one and
added up, as RECIST 1.1 asks for a lesion that has split. Of a ball of 18 mm on pixels of 0.8 mm the centres
say 17.8 mm, the outer corners of the pixels 18.9 mm.
"""

from itertools import product
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label
from scipy.spatial.distance import cdist

from site_node.features.arrays import Floats

Between = Literal["centers", "corners"]


class Axes(NamedTuple):
    """One lesion, or one part of it: millimetres, and the slice in which it was measured."""

    long_mm: float
    short_mm: float
    slice: int


def parts(
    mask: NDArray[np.generic], spacing_mm: tuple[float, float, float], between: Between = "centers"
) -> list[Axes]:
    """The axes of each connected part of a mask (z, y, x), in the order of their first voxels.

    Args:
        spacing_mm: distance of voxel centres, (z, y, x); slices are those of the first axis.
        between: whether distances join voxel centres or the outer corners of voxels.
    """
    labels, _ = label(np.asarray(mask) != 0, structure=np.ones((3, 3, 3)))
    found = []
    for number, box in enumerate(find_objects(labels), start=1):
        part = labels[box] == number
        axes = max(
            (_in_slice(part[z], spacing_mm[1:], z, between) for z in range(len(part))),
            key=lambda one: (one.long_mm, -one.slice),
        )
        found.append(axes._replace(slice=axes.slice + box[0].start))
    return found


def _in_slice(inside: NDArray[np.bool_], spacing_mm: tuple[float, float], z: int, between: Between) -> Axes:
    """Longest diameter and the extent across it of one slice (y, x), whether a voxel is inside or none."""
    points = _ends_of_rows(inside) * np.array(spacing_mm)
    if not len(points):
        return Axes(-1.0, 0.0, z)  # shorter than that of any slice with a voxel
    if between == "corners":
        half = np.array(spacing_mm) / 2
        corners = np.concatenate([points + half * np.array(side) for side in product((-1, 1), repeat=2)])
        points = np.unique(np.round(corners, 9), axis=0)
    distance = cdist(points, points)
    one, other = np.unravel_index(distance.argmax(), distance.shape)
    longest = float(distance[one, other])
    y, x = (points[other] - points[one]) / longest if longest > 0 else (0.0, 1.0)
    return Axes(longest, float(np.ptp(points @ np.array([-x, y]))), z)


def _ends_of_rows(inside: NDArray[np.bool_]) -> Floats:
    """(k, 2) the first and the last voxel of each row, in order: the outermost points are among them."""
    rows = np.flatnonzero(inside.any(axis=1))
    first = inside[rows].argmax(axis=1)
    last = inside.shape[1] - 1 - inside[rows, ::-1].argmax(axis=1)
    ends = np.stack([np.repeat(rows, 2), np.stack([first, last], axis=1).ravel()], axis=1)
    return np.unique(ends, axis=0).astype(np.float64)
