"""The closed contours of one region (DICOM PS3.3 C.8.8.6) as a boolean mask on the image's grid.

A voxel belongs to a region when its centre lies inside. Each contour is a polygon of coplanar points and
stands for the space up to half way to its neighbours: so contours that are denser or sparser than the slices,
or lie half way between them, give the volume that was drawn. A drawing that can be read in two ways is
refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from site_node.features.arrays import Floats, Mask
from site_node.sources.dicom.faults import DicomFault, Fault

OFF_PLANE = 0.1  # slices: points of one plane differ by no more; a contour that does lies in no image plane
CONTIGUOUS = 1.25  # of the distance between contours: a wider gap has no contour
MOST_SLICES = 4.0  # that one contour may stand for
HOLE, APART = 0.9, 0.1  # share of the smaller of two contours that lies in the other, from and up to which
TIE = 1e-3  # slices: nearer to half way than this is half way


@dataclass(frozen=True)
class Contour:
    """A closed contour as voxel indices (n, 3) in x, y, z; `is_xor` is of the type CLOSEDPLANAR_XOR."""

    points: Floats
    is_xor: bool = False


def contour_mask(contours: Sequence[Contour], shape: tuple[int, int, int]) -> Mask:
    """The mask (z, y, x) of one region; empty where no contour has an inside.

    Raises:
        DicomFault: a contour lies in no plane or outside of the image, or the drawing has two readings.
    """
    mask = np.zeros(shape, dtype=bool)
    planes = _trimmed([(z, _filled(drawn, (shape[1], shape[2]))) for z, drawn in _planes(contours)])
    for part in _parts(planes):
        for z, plane in _slices_of([planes[i][0] for i in part], shape[0]):
            mask[z] = planes[part[plane]][1]
    return mask


def _planes(contours: Sequence[Contour]) -> list[tuple[float, list[Contour]]]:
    """The contours by the plane that they lie in, at its height in slices, ascending.

    Positions are printed with few decimals, so that heights of one plane may differ.
    """
    heights: list[tuple[float, Contour]] = []
    for contour in contours:
        z = contour.points[:, 2]
        if np.abs(z - z.mean()).max() > OFF_PLANE:
            raise DicomFault(Fault.CONTOUR_OFF_PLANE)
        if len(np.unique(contour.points[:, :2], axis=0)) > 2:  # a point or a line has no inside
            heights.append((float(z.mean()), contour))
    heights.sort(key=lambda one: one[0])
    groups: list[list[tuple[float, Contour]]] = []
    for one in heights:
        if groups and one[0] - groups[-1][-1][0] <= OFF_PLANE:
            groups[-1].append(one)
        else:
            groups.append([one])
    if any(group[-1][0] - group[0][0] > OFF_PLANE for group in groups):
        raise DicomFault(Fault.CONTOUR_AMBIGUOUS)  # planes too dense to tell which contours share one
    return [(float(np.mean([h for h, _ in group])), [contour for _, contour in group]) for group in groups]


def _trimmed(planes: list[tuple[float, Mask]]) -> list[tuple[float, Mask]]:
    """The planes from the first to the last that holds the centre of a pixel."""
    some = [i for i, (_, plane) in enumerate(planes) if plane.any()]
    return planes[some[0] : some[-1] + 1] if some else []


def _filled(contours: Sequence[Contour], shape: tuple[int, int]) -> Mask:
    """The pixels (y, x) inside of the contours of one plane, by the rule of their type."""
    areas = [area for area in (_placed(contour.points[:, :2], shape) for contour in contours) if area.any()]
    distinct = list({area.tobytes(): area for area in areas}.values())  # a contour may be written twice
    if any(contour.is_xor for contour in contours):
        if len(distinct) < len(areas) or not all(contour.is_xor for contour in contours):
            raise DicomFault(Fault.CONTOUR_AMBIGUOUS)
        return np.asarray(np.logical_xor.reduce([np.zeros(shape, dtype=bool), *distinct]), dtype=bool)
    return _nested(distinct, shape)


def _nested(areas: list[Mask], shape: tuple[int, int]) -> Mask:
    """CLOSED_PLANAR contours joined: one inside another is a hole, one inside the hole an island.

    Raises:
        DicomFault: two overlap in part, or differ by less than their outline: is one of them a hole?
    """
    joined = np.zeros(shape, dtype=bool)
    areas = sorted(areas, key=lambda area: -int(area.sum()))
    for i, area in enumerate(areas):
        depth, size = 0, int(area.sum())
        for other in areas[:i]:
            share = int((area & other).sum()) / size
            if APART < share < HOLE or (share >= HOLE and int((area ^ other).sum()) < _outline(area) / 2):
                raise DicomFault(Fault.CONTOUR_AMBIGUOUS)
            depth += share >= HOLE
        joined = joined & ~area if depth % 2 else joined | area
    return joined


def _outline(area: Mask) -> int:
    """How many pixels of an area have a neighbour outside of it."""
    wide = np.pad(area, 1)
    inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return int((area & ~inner).sum())


def _placed(polygon: Floats, shape: tuple[int, int]) -> Mask:
    """The inside of a polygon in the plane's pixels (y, x).

    Raises:
        DicomFault: it holds the centre of a pixel that the image does not have.
    """
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    if (low < -shape[1] - shape[0]).any() or (high > 2 * (shape[0] + shape[1])).any():
        raise DicomFault(Fault.REGION_OUTSIDE)
    (top, left), found = inside(polygon)
    y, x = (np.flatnonzero(found.any(axis=axis)) for axis in (1, 0))
    area = np.zeros(shape, dtype=bool)
    if not len(y):
        return area
    rows, columns = slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)
    top, left, found = top + rows.start, left + columns.start, found[rows, columns]
    if min(top, left) < 0 or top + len(found) > shape[0] or left + found.shape[1] > shape[1]:
        raise DicomFault(Fault.REGION_OUTSIDE)
    area[top : top + len(found), left : left + found.shape[1]] = found
    return area


def inside(polygon: Floats) -> tuple[tuple[int, int], Mask]:
    """The pixels (y, x) whose centre lies inside of a polygon (n, 2) in x, y, and where the first of them is.

    Even-odd: a hole that a keyhole joins to the outline lies outside. Every edge flips, in each row that it
    crosses, all pixels from its crossing on; two flips cancel. An edge owns its lower end and not its upper,
    and a crossing owns the pixel that it hits, so that two polygons that share an edge share no pixel.
    """
    half = len(polygon) // 2
    if len(polygon) == 2 * half and np.array_equal(polygon[:half], polygon[half:]):
        polygon = polygon[:half]  # drawn round twice
    start, end = polygon, np.roll(polygon, -1, axis=0)
    low = np.where((start[:, 1] <= end[:, 1])[:, None], start, end)
    high = np.where((start[:, 1] <= end[:, 1])[:, None], end, start)
    first = np.ceil(low[:, 1]).astype(np.int64)
    count = np.ceil(high[:, 1]).astype(np.int64) - first
    edge = np.repeat(np.arange(len(polygon)), count)
    y = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (high[edge, 0] - low[edge, 0]) / (high[edge, 1] - low[edge, 1])
    x = np.ceil(low[edge, 0] + (y - low[edge, 1]) * slope).astype(np.int64)
    top, left = (int(y.min()), int(x.min())) if len(y) else (0, 0)
    flips = np.zeros((int(y.max()) - top + 1, int(x.max()) - left + 1) if len(y) else (0, 0), dtype=np.int64)
    np.add.at(flips, (y - top, x - left), 1)
    return (top, left), np.asarray(flips.cumsum(axis=1) % 2 == 1)


def _parts(planes: Sequence[tuple[float, Mask]]) -> list[list[int]]:
    """The planes of each part of a region, which may have several above each other.

    Contours are drawn on every slice, or evenly on every second to fourth. A wider gap parts a region where
    its two sides do not overlap, or where the gap is wide and either side is drawn on every slice.

    Raises:
        DicomFault: a contour may be missing.
    """
    heights = np.array([height for height, _ in planes])
    gaps = np.diff(heights)
    step = max(1.0, float(gaps.min())) if len(gaps) else 1.0
    _check_dense(gaps)
    close = gaps <= CONTIGUOUS * step
    meet = [bool((one & other).any()) for (_, one), (_, other) in pairwise(planes)]
    if step > CONTIGUOUS and (not close.all() or not all(meet) or step > MOST_SLICES or len(gaps) < 2):
        raise DicomFault(Fault.CONTOUR_GAP)
    parts = [[0]] if len(heights) else []
    for i, is_close in enumerate(close):
        if is_close:
            parts[-1].append(i + 1)
            continue
        dense_around = close[max(i - 1, 0) : i + 2].sum() == 2
        if meet[i] and not (gaps[i] > MOST_SLICES and dense_around):
            raise DicomFault(Fault.CONTOUR_GAP)
        parts.append([i + 1])
    return parts


def _check_dense(gaps: Floats) -> None:
    """Raises where contours are closer than slices and not even: a hole may lie off its outline's plane."""
    close = gaps[gaps <= CONTIGUOUS]
    if len(close) and close.min() < 1 / CONTIGUOUS:
        is_even = close.max() <= 2 * CONTIGUOUS * close.min()
        if not is_even or (len(close) + 1) * close.mean() < 1:
            raise DicomFault(Fault.CONTOUR_AMBIGUOUS)


def _slices_of(heights: Sequence[float], depth: int) -> list[tuple[int, int]]:
    """The slices in one part of a region, each with the plane that it lies nearest to.

    Half way between two planes it is the higher, or the lower where only so the part lies in the image.

    Raises:
        DicomFault: the part reaches beyond the first or last slice.
    """
    edges = _edges(np.asarray(heights))
    for nudge in (TIE, -TIE):
        first, last = (int(np.ceil(edge - nudge)) for edge in (edges[0], edges[-1]))
        if first >= 0 and last <= depth:
            return [(z, _plane_at(edges, z + nudge)) for z in range(first, last)]
    raise DicomFault(Fault.REGION_OUTSIDE)


def _plane_at(edges: Floats, height: float) -> int:
    found = int(np.searchsorted(edges, height, side="right")) - 1
    return min(max(found, 0), len(edges) - 2)


def _edges(heights: Floats) -> Floats:
    """Where the space of each plane begins and the last ends, in slices; even planes lie on a line."""
    if len(heights) == 1:
        return np.array([heights[0] - 0.5, heights[0] + 0.5])
    gaps = np.diff(heights)
    if np.ptp(gaps) <= (CONTIGUOUS - 1) * gaps.mean():
        order = np.arange(len(heights)) - (len(heights) - 1) / 2
        step = float(order @ heights) / float(order @ order)
        return np.asarray(heights.mean() + step * (np.append(order, order[-1] + 1) - 0.5))
    middles = (heights[:-1] + heights[1:]) / 2
    return np.concatenate([[heights[0] - gaps[0] / 2], middles, [heights[-1] + gaps[-1] / 2]])
