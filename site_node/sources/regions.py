"""Regions of interest as boolean masks on an image's grid; what a DICOM SEG says is in segmentation.py.

A voxel belongs to a region when its centre lies inside. Contours of one plane are joined by the even-odd
rule: a contour inside another is a hole, whether it is drawn apart or connected by a keyhole.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.geometry import Floats, Grid
from site_node.sources.dicom.headers import REGIONS, RTSTRUCT, region_names
from site_node.sources.dicom.parser import parse, reading
from site_node.sources.segmentation import segment_masks

Mask = NDArray[np.bool_]

OFF_PLANE = 0.1  # slices: a contour that is tilted by more lies in no image plane
HALF = 0.5  # fractional segments: the share of the maximum from which a voxel belongs


def read_regions(
    path: Path, grid: Grid, names: Collection[str] | None = None, threshold: float = HALF
) -> dict[str, Mask]:
    """The masks (z, y, x) of an RTSTRUCT or SEG file by the names that `region_names` gives.

    Regions without a closed contour (points, lines) have no mask. `names` are the regions to read, None all;
    `threshold` is for fractional segments.

    Raises:
        DicomFault: the file is damaged, or its regions do not fit this grid.
    """
    with reading(Fault.UNREADABLE):
        dataset = parse(path)
        sop_class = str(dataset.SOPClassUID)
        if sop_class not in REGIONS:
            raise DicomFault(Fault.UNSUPPORTED_OBJECT)
        wanted = {n: name for n, name in region_names(dataset).items() if names is None or name in names}
        if sop_class == RTSTRUCT:
            return {wanted[number]: mask for number, mask in _drawn(dataset, grid, wanted)}
        return {wanted[number]: mask for number, mask in segment_masks(dataset, grid, wanted, threshold)}


def _drawn(dataset: pydicom.Dataset, grid: Grid, numbers: Collection[int]) -> Iterator[tuple[int, Mask]]:
    """ROI number and mask of the contoured regions."""
    for region in dataset.ROIContourSequence:
        number = int(region.ReferencedROINumber)
        if number in numbers:
            contours = [
                grid.to_index(np.asarray(contour.ContourData, dtype=float).reshape(-1, 3))
                for contour in region.ContourSequence
                if str(contour.ContourGeometricType).startswith("CLOSED")
            ]
            yield number, contour_mask(contours, grid.shape)


def contour_mask(contours: list[Floats], shape: tuple[int, int, int]) -> Mask:
    """The mask of one region's closed contours, given as voxel indices (n, 3) in x, y, z.

    A contour belongs to the slice nearest to it. Contours at one height are joined by the even-odd rule;
    where contours are denser than slices, several heights meet in one slice, and their insides are united.
    """
    planes: dict[float, list[Floats]] = defaultdict(list)
    for contour in contours:
        height = contour[:, 2].mean()
        if np.abs(contour[:, 2] - height).max() > OFF_PLANE:
            raise DicomFault(Fault.CONTOUR_OFF_PLANE)
        planes[round(float(height), 2)].append(contour[:, :2])
    mask = np.zeros(shape, dtype=bool)
    for height, polygons in planes.items():
        z = round(height)
        if not 0 <= z < shape[0]:
            raise DicomFault(Fault.REGION_OUTSIDE)
        mask[z] |= even_odd(polygons, (shape[1], shape[2]))
    return mask


def even_odd(polygons: list[Floats], shape: tuple[int, int]) -> Mask:
    """The pixels (y, x) whose centre an odd number of boundaries lies left of; polygons are (n, 2) in x, y.

    Every edge flips, in each row that it crosses, all pixels from its crossing on; two flips cancel. An edge
    owns its lower end and not its upper, and a crossing owns the pixel that it hits, so that two polygons
    that share an edge share no pixel.
    """
    rows, columns = shape
    flips = np.zeros((rows, columns + 1), dtype=np.int64)
    for polygon in polygons:
        start, end = polygon, np.roll(polygon, -1, axis=0)
        low = np.where((start[:, 1] <= end[:, 1])[:, None], start, end)
        high = np.where((start[:, 1] <= end[:, 1])[:, None], end, start)
        first = np.clip(np.ceil(low[:, 1]), 0, rows).astype(np.int64)
        count = np.clip(np.ceil(high[:, 1]), 0, rows).astype(np.int64) - first
        edge = np.repeat(np.arange(len(polygon)), count)
        y = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        slope = (high[edge, 0] - low[edge, 0]) / (high[edge, 1] - low[edge, 1])
        x = low[edge, 0] + (y - low[edge, 1]) * slope
        np.add.at(flips, (y, np.clip(np.ceil(x), 0, columns).astype(np.int64)), 1)
    return np.asarray(flips.cumsum(axis=1)[:, :-1] % 2 == 1)
