"""DICOM SEG as boolean masks on an image's grid, whatever grid it was drawn on.

A voxel belongs to a segment when the SEG pixel nearest to the voxel's centre belongs; half way, the higher
index counts. On the image's own grid that is the pixel itself. A segment that reaches out of the image is
refused, not cut, since its volume would be wrong and nobody would know.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pydicom
from numpy.typing import NDArray

from site_node.features.arrays import Floats, Mask
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.frames import number, slices_of, value_of
from site_node.sources.dicom.geometry import POSITION_TOLERANCE_MM, Grid, Slice, normal
from site_node.sources.dicom.pixels import frames

OFF_PLANE = 0.1  # of the distance between planes: one that is off by more lies in no regular stack
OFF_EDGE = 0.1  # voxels that a pixel's centre may lie beyond the outer voxels' faces


def segment_masks(
    dataset: pydicom.FileDataset, grid: Grid, numbers: Collection[int], threshold: float
) -> Mapping[int, Mask | DicomFault]:
    """The mask (z, y, x) of each of these segments, which may overlap, or its fault: it leaves the image, or
    has two frames in one plane.

    Raises:
        DicomFault: the frames are not parallel, evenly spaced planes, or one is of no listed segment.
    """
    slices = slices_of(dataset)
    planes = _planes(dataset, slices, grid)
    masks = {wanted: np.zeros(grid.shape, dtype=bool) for wanted in numbers}
    faults: dict[int, DicomFault] = {}
    listed = {int(segment.SegmentNumber) for segment in dataset.SegmentSequence}
    seen: set[tuple[int, int]] = set()
    for index, pixels in enumerate(frames(dataset)):
        segments = _segments(dataset, index)
        if segments - listed:
            raise DicomFault(Fault.SEG_FRAMES)
        plane = round(float(planes.height(np.asarray([slices[index].position]))[0]))
        for wanted in masks.keys() & segments if segments else masks.keys():
            inside = _inside(dataset, pixels, wanted, threshold)
            if wanted in faults or not inside.any():
                continue
            try:
                if (wanted, plane) in seen:
                    raise DicomFault(Fault.SEG_FRAMES)
                seen.add((wanted, plane))
                planes.paint(slices[index], inside, grid, masks[wanted])
            except DicomFault as fault:
                faults[wanted] = fault
    return masks | faults


def _segments(dataset: pydicom.Dataset, frame: int) -> set[int]:
    """The segment of a frame; of a label map, whose frames hold all segments, none."""
    if dataset.SegmentationType == "LABELMAP":
        return set()
    for groups, item in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        group = dataset[groups].value[item] if groups in dataset else pydicom.Dataset()
        if "SegmentIdentificationSequence" in group:
            return {int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)}
    raise DicomFault(Fault.UNREADABLE)


def _inside(dataset: pydicom.Dataset, pixels: NDArray[np.generic], wanted: int, threshold: float) -> Mask:
    """Which pixels of a frame belong to a segment."""
    if dataset.SegmentationType == "LABELMAP":
        return np.asarray(pixels == wanted)
    if dataset.SegmentationType == "FRACTIONAL":
        return np.asarray(pixels.astype(float) >= threshold * int(dataset.MaximumFractionalValue))
    return np.asarray(pixels == 1)


@dataclass(frozen=True)
class _Planes:
    """The stack of planes that the frames lie in."""

    axes: Floats  # (3, 3): columns are the steps in mm along a pixel's x, y, and to the next plane
    lowest: float  # along the normal

    def height(self, points: Floats) -> Floats:
        """How many planes above the lowest these points (n, 3) lie."""
        step = np.linalg.norm(self.axes[:, 2])
        return np.asarray((points @ (self.axes[:, 2] / step) - self.lowest) / step)

    def paint(self, plane: Slice, inside: Mask, grid: Grid, mask: Mask) -> None:
        """Set the voxels of `mask` whose nearest pixel is one of `inside` in this plane."""
        origin = np.asarray(plane.position)
        rows, columns = np.nonzero(inside)
        centres = origin + np.column_stack([columns, rows]) @ self.axes[:, :2].T
        reached = grid.to_index(centres)
        limits = np.array(grid.shape[::-1]) - 0.5
        if reached.min() < -0.5 - OFF_EDGE or (reached > limits + OFF_EDGE).any():
            raise DicomFault(Fault.REGION_OUTSIDE)
        reach = np.abs(np.array([grid.step_index(axis) for axis in self.axes.T])).sum(axis=0) / 2 + 1e-6
        low = np.maximum(np.ceil(reached.min(axis=0) - reach), 0).astype(int)
        high = np.minimum(np.floor(reached.max(axis=0) + reach), limits - 0.5).astype(int) + 1
        x, y, z = (index.ravel() for index in np.meshgrid(*map(np.arange, low, high), indexing="ij"))
        points = grid.to_patient(np.column_stack([x, y, z]).astype(float))
        pixel = _nearest((points - origin) @ np.linalg.inv(self.axes).T)[:, :2]
        this = np.round(self.height(origin[None]))[0]
        near = (_nearest(self.height(points)) == this) & (pixel >= 0).all(axis=1)
        near &= (pixel < np.array([plane.columns, plane.rows])).all(axis=1)
        found = near.copy()
        found[near] = inside[pixel[near, 1], pixel[near, 0]]
        mask[z[found], y[found], x[found]] = True


def _nearest(index: Floats) -> NDArray[np.int64]:
    """The nearest whole index; half way the higher, but for what is rounding of coordinates."""
    return np.floor(index + 0.5 + 1e-6).astype(np.int64)


def _planes(dataset: pydicom.Dataset, slices: tuple[Slice, ...], grid: Grid) -> _Planes:
    if not slices:
        raise DicomFault(Fault.MALFORMED_GEOMETRY)
    first = slices[0]
    same = {(one.orientation, one.pixel_spacing) for one in slices}
    if len(same) > 1 or min(first.pixel_spacing) <= 0:
        raise DicomFault(Fault.SEG_OTHER_GRID)
    up = normal(first.orientation)
    if abs(np.linalg.norm(up) - 1) > 1e-3:
        raise DicomFault(Fault.MALFORMED_GEOMETRY)
    heights = np.unique(np.array([one.position for one in slices]) @ up)
    image_step_mm = 1 / float(np.abs(grid.step_index(up)).max())
    step = _step(dataset, heights - heights[0], image_step_mm)
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    axes = np.column_stack([row * first.pixel_spacing[1], column * first.pixel_spacing[0], up * step])
    return _Planes(axes, float(heights[0]))


def _step(dataset: pydicom.Dataset, heights: Floats, image_step_mm: float) -> float:
    """The distance between planes at these heights above the lowest.

    Planes without a voxel of any segment are often left out. So it is the declared distance, that of the
    image's slices, the declared thickness or the smallest gap: the first that all heights are multiples of.
    """
    gaps = np.diff(heights)
    gaps = gaps[gaps > POSITION_TOLERANCE_MM]
    declared = (number(value_of(dataset, keyword)) for keyword in ("SpacingBetweenSlices", "SliceThickness"))
    spacing, thickness = declared
    for step in (spacing, image_step_mm, thickness, float(gaps.min()) if len(gaps) else None):
        if step is None or step <= 0:
            continue
        count = round(heights[-1] / step)
        mean = float(heights[-1]) / count if count else step  # printed positions are rounded
        off = heights / mean - np.round(heights / mean)
        if abs(mean - step) < OFF_PLANE * step and np.abs(off).max() < OFF_PLANE:
            return mean
    raise DicomFault(Fault.SEG_OTHER_GRID)
