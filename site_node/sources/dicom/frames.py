"""The frames of an image object: one of a plain CT, MR or PET, many of an enhanced one, told in one way.

An enhanced object (PS3.3 C.7.6.16) keeps what differs between frames in functional groups: an attribute is
looked for in the frame's own group, then in the group that all frames share, then at the top. A legacy
object that was converted keeps what has no group in its own groups (C.7.6.16.2.25).
"""

import math
from typing import Any

import pydicom

from site_node.sources.dicom.geometry import Slice

PER_FRAME, SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
GROUPS = (PER_FRAME, SHARED)
CONVERTED = ("UnassignedPerFrameConvertedAttributesSequence", "UnassignedSharedConvertedAttributesSequence")
MAX_FRAMES = 20_000
WHERE = {  # attribute -> the functional group that holds it, and its name there
    "ImagePositionPatient": ("PlanePositionSequence", "ImagePositionPatient"),
    "ImageOrientationPatient": ("PlaneOrientationSequence", "ImageOrientationPatient"),
    "PixelSpacing": ("PixelMeasuresSequence", "PixelSpacing"),
    "SpacingBetweenSlices": ("PixelMeasuresSequence", "SpacingBetweenSlices"),
    "SliceThickness": ("PixelMeasuresSequence", "SliceThickness"),
    "RescaleSlope": ("PixelValueTransformationSequence", "RescaleSlope"),
    "RescaleIntercept": ("PixelValueTransformationSequence", "RescaleIntercept"),
    "RescaleType": ("PixelValueTransformationSequence", "RescaleType"),
    "ConvolutionKernel": ("CTReconstructionSequence", "ConvolutionKernel"),
    "KVP": ("CTXRayDetailsSequence", "KVP"),
    "EchoTime": ("MREchoSequence", "EffectiveEchoTime"),
    "RepetitionTime": ("MRTimingAndRelatedParametersSequence", "RepetitionTime"),
    "AcquisitionDateTime": ("FrameContentSequence", "FrameAcquisitionDateTime"),
    "ActualFrameDuration": ("FrameContentSequence", "FrameAcquisitionDuration"),
    "FlipAngle": ("MRTimingAndRelatedParametersSequence", "FlipAngle"),
    "ImageType": ("MRImageFrameTypeSequence", "FrameType"),
    "DiffusionBValue": ("MRDiffusionSequence", "DiffusionBValue"),
    "DiffusionDirectionality": ("MRDiffusionSequence", "DiffusionDirectionality"),
    "TemporalPositionIdentifier": ("FrameContentSequence", "TemporalPositionIndex"),
    "TemporalPositionTimeOffset": ("TemporalPositionSequence", "TemporalPositionTimeOffset"),
}


def is_enhanced(dataset: pydicom.Dataset) -> bool:
    """Whether the object tells of its frames in functional groups."""
    return PER_FRAME in dataset


def frame_count(dataset: pydicom.Dataset) -> int:
    """How many frames the object says it has."""
    return len(dataset[PER_FRAME].value) if is_enhanced(dataset) else int(dataset.get("NumberOfFrames") or 1)


def value_of(dataset: pydicom.Dataset, keyword: str, frame: int = 0) -> Any:
    """The value of an attribute for one frame; None where the object does not tell it."""
    if is_enhanced(dataset):
        for groups, index, converted in ((PER_FRAME, frame, CONVERTED[0]), (SHARED, 0, CONVERTED[1])):
            items = dataset.get(groups) or []
            group = items[index] if index < len(items) else pydicom.Dataset()
            sequence, name = WHERE.get(keyword, (converted, keyword))
            for inside in (*(group.get(sequence) or []), *(group.get(converted) or [])):
                if name in inside:
                    return inside.get(name)
    return dataset.get(keyword)


def mappings_of(dataset: pydicom.Dataset, frame: int) -> list[pydicom.Dataset]:
    """The linear real world value mappings of a frame of an enhanced object."""
    for groups, index in ((PER_FRAME, frame), (SHARED, 0)):
        items = dataset.get(groups) or []
        found = items[index].get("RealWorldValueMappingSequence") if index < len(items) else None
        if found:
            return [one for one in found if number(one.get("RealWorldValueSlope"))]
    return []


def number(value: Any) -> float | None:
    """A value as a finite number, or None."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def slices_of(dataset: pydicom.Dataset) -> tuple[Slice, ...]:
    """The geometry of every frame in the order of the pixels; empty where that of one is not valid."""
    count = frame_count(dataset)
    if not 1 <= count <= MAX_FRAMES:
        return ()
    found = [_slice(dataset, frame) for frame in range(count)]
    slices = tuple(one for one in found if one is not None)
    return slices if len(slices) == count else ()


def _slice(dataset: pydicom.Dataset, frame: int) -> Slice | None:
    try:
        position, orientation, spacing = (
            [float(v) for v in value_of(dataset, keyword, frame)]
            for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
        )
        rows, columns = int(dataset.Rows), int(dataset.Columns)
    except (AttributeError, TypeError, ValueError):
        return None
    if (len(position), len(orientation), len(spacing)) != (3, 6, 2) or min(rows, columns) < 1:
        return None
    if not all(map(math.isfinite, [*position, *orientation, *spacing])):
        return None
    x, y, z = position
    a, b, c, d, e, f = orientation
    thickness = number(value_of(dataset, "SliceThickness", frame))
    told = str(dataset.get("FrameOfReferenceUID") or "")
    return Slice((x, y, z), (a, b, c, d, e, f), (spacing[0], spacing[1]), rows, columns, thickness, told)
