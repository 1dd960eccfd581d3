"""Regions of interest as boolean masks on an image's grid, of an RTSTRUCT or a SEG.

One region that cannot be read does not stop the others of its file.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
import pydicom

from site_node.features.arrays import Mask
from site_node.sources.contours import Contour, contour_mask
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.geometry import Grid
from site_node.sources.dicom.headers import REGIONS, RTSTRUCT, is_closed, region_names
from site_node.sources.dicom.parser import parse, reading
from site_node.sources.segmentation import segment_masks

HALF = 0.5  # fractional segments: the share of the maximum from which a voxel belongs


def read_regions(
    path: Path, grid: Grid, names: Collection[str] | None = None, threshold: float = HALF
) -> dict[str, Mask]:
    """The masks (z, y, x) of an RTSTRUCT or SEG file by the names that `region_names` gives.

    Regions without a closed contour (points, lines) have no mask. `names` are the regions to read, None all;
    `threshold` is for fractional segments.

    Raises:
        DicomFault: the file is damaged, or one of the regions does not fit this grid.
    """
    masks: dict[str, Mask] = {}
    wanted = None if names is None else names.__contains__
    for name, found in each_region(path, grid, wanted, threshold).items():
        if isinstance(found, DicomFault):
            raise found
        masks[name] = found
    return masks


def each_region(
    path: Path, grid: Grid, is_wanted: Callable[[str], bool] | None = None, threshold: float = HALF
) -> dict[str, Mask | DicomFault]:
    """As `read_regions`, with its fault in place of the mask of a region that does not fit this grid.

    `is_wanted` says of a name whether its region is to be read, None of all.

    Raises:
        DicomFault: the file is damaged, or is another patient's.
    """
    with reading(Fault.UNREADABLE):
        dataset = parse(path)
        sop_class = str(dataset.SOPClassUID)
        if sop_class not in REGIONS:
            raise DicomFault(Fault.UNSUPPORTED_OBJECT)
        if grid.patient_id and str(dataset.get("PatientID") or "").strip() not in ("", grid.patient_id):
            raise DicomFault(Fault.OTHER_PATIENT)
        names = region_names(dataset)
        wanted = {n: name for n, name in names.items() if is_wanted is None or is_wanted(name)}
        if sop_class == RTSTRUCT:
            found = _drawn(dataset, grid, wanted)
        else:
            _in_frame(str(dataset.get("FrameOfReferenceUID") or ""), grid)
            found = segment_masks(dataset, grid, wanted, threshold)
        return {wanted[number]: mask for number, mask in found.items()}


def names_in(path: Path) -> list[str]:
    """The names of the regions of an RTSTRUCT or SEG file. Raises DicomFault."""
    with reading(Fault.UNREADABLE):
        dataset = parse(path)
        if str(dataset.SOPClassUID) not in REGIONS:
            raise DicomFault(Fault.UNSUPPORTED_OBJECT)
        return list(region_names(dataset).values())


def _drawn(dataset: pydicom.Dataset, grid: Grid, numbers: Collection[int]) -> Mapping[int, Mask | DicomFault]:
    """The mask of each contoured region by its number; its contours may stand in several items."""
    contours: dict[int, list[pydicom.Dataset]] = defaultdict(list)
    for item in dataset.get("ROIContourSequence") or []:
        number = int(item.ReferencedROINumber)
        if number in numbers and is_closed(item):
            contours[number] += [
                one
                for one in item.ContourSequence
                if str(one.ContourGeometricType).startswith("CLOSED") and one.get("ContourData")
            ]
    frames = _frames(dataset)
    found: dict[int, Mask | DicomFault] = {}
    for number, drawn in contours.items():
        try:
            _in_frame(frames.get(number, ""), grid)
            found[number] = contour_mask([_contour(one, grid) for one in drawn], grid.shape)
        except DicomFault as fault:
            found[number] = fault
    return found


def _contour(item: pydicom.Dataset, grid: Grid) -> Contour:
    points = np.asarray(item.ContourData, dtype=float).reshape(-1, 3)
    if not np.isfinite(points).all():
        raise DicomFault(Fault.UNREADABLE)
    offset = np.asarray(item.get("ContourOffsetVector") or 0.0, dtype=float)  # retired, and read by few
    if int(item.get("NumberOfContourPoints") or len(points)) != len(points) or offset.any():
        raise DicomFault(Fault.CONTOUR_INCOMPLETE)
    return Contour(grid.to_index(points), str(item.ContourGeometricType).strip() == "CLOSEDPLANAR_XOR")


def _frames(dataset: pydicom.Dataset) -> dict[int, str]:
    """The frame of reference of each region that the structure set lists (PS3.3 C.8.8.5).

    Regions that name one which it does not list are found in practice, drawn on its image all the same.
    """
    listed = [
        str(one.get("FrameOfReferenceUID") or "")
        for one in dataset.get("ReferencedFrameOfReferenceSequence") or []
    ]
    only = listed[0] if len(listed) == 1 else ""
    told = {
        int(roi.ROINumber): str(roi.get("ReferencedFrameOfReferenceUID") or only)
        for roi in dataset.get("StructureSetROISequence") or []
    }
    return {number: frame for number, frame in told.items() if frame in listed}


def _in_frame(frame: str, grid: Grid) -> None:
    """Raises where both frames are told and differ: their coordinates have no relation (C.7.4.1.1.1)."""
    if frame and grid.frame_of_reference and frame != grid.frame_of_reference:
        raise DicomFault(Fault.OTHER_FRAME)
