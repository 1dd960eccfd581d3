"""Regions of interest as boolean masks on an image's grid, from RTSTRUCT contours and from DICOM SEG.

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
from site_node.sources.dicom.pixels import frames as stored_frames

Mask = NDArray[np.bool_]

OFF_PLANE = 0.1  # slices: a contour that is tilted by more lies in no image plane
OFF_CENTRE = 0.1  # voxels: a segmentation that is shifted by more lies on another grid
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
        return {wanted[number]: mask for number, mask in _segmented(dataset, grid, wanted, threshold)}


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


def _segmented(
    dataset: pydicom.Dataset, grid: Grid, numbers: Collection[int], threshold: float
) -> Iterator[tuple[int, Mask]]:
    """Segment number and mask of the segments; segments may overlap."""
    frames = _frames(dataset)
    places = [_place(dataset, frame, grid) for frame in range(len(frames))]
    for number in numbers:
        mask = np.zeros(grid.shape, dtype=bool)
        for frame, (x, y, z) in enumerate(places):
            inside = _inside(dataset, frames[frame], frame, number, threshold)
            if inside.any():
                if not _fits(x[inside], y[inside], z[inside], grid.shape):
                    raise DicomFault(Fault.REGION_OUTSIDE)
                mask[z[inside], y[inside], x[inside]] = True
        yield number, mask


def _frames(dataset: pydicom.FileDataset) -> NDArray[np.generic]:
    """The stored pixels (frame, row, column), also of a single frame."""
    return np.stack(list(stored_frames(dataset)))


def _inside(
    dataset: pydicom.Dataset, pixels: NDArray[np.generic], frame: int, number: int, threshold: float
) -> Mask:
    """Which pixels of a frame belong to a segment."""
    if dataset.SegmentationType == "LABELMAP":
        return np.asarray(pixels == number)
    identified = _group(dataset, frame, "SegmentIdentificationSequence")
    if int(identified.ReferencedSegmentNumber) != number:
        return np.zeros(pixels.shape, dtype=bool)
    if dataset.SegmentationType == "FRACTIONAL":
        return np.asarray(pixels.astype(float) >= threshold * int(dataset.MaximumFractionalValue))
    return np.asarray(pixels == 1)


def _place(dataset: pydicom.Dataset, frame: int, grid: Grid) -> tuple[NDArray[np.int64], ...]:
    """The voxel x, y, z that each pixel (row, column) of a frame is, in any orientation."""
    position = np.asarray(_group(dataset, frame, "PlanePositionSequence").ImagePositionPatient, dtype=float)
    measures = _group(dataset, frame, "PixelMeasuresSequence").PixelSpacing
    cosines = np.asarray(
        _group(dataset, frame, "PlaneOrientationSequence").ImageOrientationPatient, dtype=float
    )
    corner = grid.to_index(position[None])[0]
    along_row = grid.step_index(cosines[:3] * float(measures[1]))
    along_column = grid.step_index(cosines[3:] * float(measures[0]))
    y, x = np.mgrid[: int(dataset.Rows), : int(dataset.Columns)]
    index = corner[:, None, None] + along_row[:, None, None] * x + along_column[:, None, None] * y
    voxel = np.round(index)
    if np.abs(index - voxel).max() > OFF_CENTRE or np.abs(np.round(along_row)).sum() != 1:
        raise DicomFault(Fault.SEG_OTHER_GRID)
    return tuple(voxel.astype(np.int64))


def _group(dataset: pydicom.Dataset, frame: int, keyword: str) -> pydicom.Dataset:
    """The item of a functional group of a frame: its own, or the one that all frames share."""
    own = dataset.PerFrameFunctionalGroupsSequence[frame]
    found = own if keyword in own else dataset.SharedFunctionalGroupsSequence[0]
    return found[keyword].value[0]


def _fits(x: NDArray[np.int64], y: NDArray[np.int64], z: NDArray[np.int64], shape: tuple[int, ...]) -> bool:
    return all(
        bool(index.min() >= 0) and bool(index.max() < size)
        for index, size in zip((z, y, x), shape, strict=True)
    )
