"""A series of many volumes of one place: which frame belongs to which, and what each was taken with.

Diffusion images differ in b-value, echoes in echo time, T1 images in flip angle, those of a bolus in time.
What a header does not say is not guessed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pydicom

from site_node.features.functional.maps import Lack, NoMapError, Quantity, lack_of
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.dicom.frames import frame_count, number, value_of
from site_node.sources.dicom.geometry import POSITION_TOLERANCE_MM, Grid, Slice, grid_of, normal, order
from site_node.sources.dicom.meaning import is_mosaic, private
from site_node.sources.dicom.pet import acquired

# b-values as vendors wrote them before the standard attribute, and beside it: group, creator, element
TEXT_B = ((0x0043, "GEMS_PARM_01", 0x39), (0x0019, "SIEMENS MR HEADER", 0x0C))
FLOAT_B = (0x2001, "Philips Imaging DD 001", 0x03)
GE_MARK = 10**6  # GE adds 10^9 to a b-value to say how it was made
NOT_SIGNAL = {"ADC", "FA", "P", "PHASE", "PHASE MAP", "PHASE_MAP", "R", "REAL", "I", "IMAGINARY", "TTEST"}
NUMBERS: dict[Quantity, str] = {
    "echo_time_ms": "EchoTime",
    "flip_angle_degrees": "FlipAngle",
    "repetition_time_ms": "RepetitionTime",
}
START = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Frame:
    """One frame of a series: which object and frame hold it, its height in the stack, and what it tells."""

    dataset: int
    frame: int
    z: int
    told: dict[Quantity, float | None]
    clocks: tuple[float | None, ...]  # of its time in s by several attributes, the most exact first
    is_trace: bool


@dataclass(frozen=True)
class Volume:
    """One volume: its frames at each height, several where it was taken in several directions."""

    told: dict[Quantity, float]
    frames: tuple[tuple[Frame, ...], ...]  # (z, frame)


def stack_of(slices: Sequence[Slice]) -> tuple[Grid, list[int]]:
    """The grid of volumes of one place, and the height in it of each slice.

    Raises:
        DicomFault: the positions are not a regular stack.
    """
    along = normal(slices[0].orientation)
    first_of: list[int] = []
    heights = [0] * len(slices)
    last = -np.inf
    for i in order(slices):
        at = float(np.dot(along, slices[i].position))
        if at - last > POSITION_TOLERANCE_MM:
            first_of.append(i)
            last = at
        heights[i] = len(first_of) - 1
    return grid_of([slices[i] for i in first_of]), heights


def frames_of(datasets: Sequence[pydicom.Dataset], heights: Sequence[int]) -> list[Frame]:
    """The frames that hold a signal; ADC and phase images that came along are left out.

    Raises:
        DicomFault: the frames are tiles of mosaics, which have no geometry.
    """
    if any(is_mosaic(dataset) for dataset in datasets):
        raise DicomFault(Fault.MOSAIC)
    found = []
    at = iter(heights)
    for index, dataset in enumerate(datasets):
        for frame in range(frame_count(dataset)):
            z = next(at)
            if not image_type(dataset, frame) & NOT_SIGNAL:
                found.append(_frame(dataset, index, frame, z))
    return found


def image_type(dataset: pydicom.Dataset, frame: int) -> set[str]:
    """The words of ImageType, of an enhanced object's FrameType."""
    words = value_of(dataset, "ImageType", frame) or []
    return {str(word).strip().upper() for word in ([words] if isinstance(words, str) else words)}


def _frame(dataset: pydicom.Dataset, index: int, frame: int, z: int) -> Frame:
    told: dict[Quantity, float | None] = {
        quantity: number(value_of(dataset, keyword, frame)) for quantity, keyword in NUMBERS.items()
    }
    told["b_s_mm2"] = b_value(dataset, frame)
    direction = str(value_of(dataset, "DiffusionDirectionality", frame) or "").strip()
    return Frame(index, frame, z, told, _clocks(dataset, frame), direction == "ISOTROPIC")


def b_value(dataset: pydicom.Dataset, frame: int = 0) -> float | None:
    """The b-value of a frame in s/mm²: DiffusionBValue (0018,9087), else a vendor's own attribute."""
    if (told := number(value_of(dataset, "DiffusionBValue", frame))) is not None:
        return told
    for where in TEXT_B:
        found = _first(private(dataset, *where))
        if found is not None and found >= 0:
            return found % GE_MARK
    value = private(dataset, *FLOAT_B)
    if isinstance(value, bytes):
        value = np.frombuffer(value, "<f4")[0] if len(value) == 4 else None
    return number(value)


def _first(value: Any) -> float | None:
    """The first number of a private value; where the file does not tell its type, that of its text."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace").strip("\0 ").split("\\")
    return number(value[0] if isinstance(value, list | pydicom.multival.MultiValue) and value else value)


def _clocks(dataset: pydicom.Dataset, frame: int) -> tuple[float | None, ...]:
    moment = acquired(dataset, frame)
    offset_s = number(value_of(dataset, "TemporalPositionTimeOffset", frame))
    trigger_ms = number(value_of(dataset, "TriggerTime", frame))
    position = number(value_of(dataset, "TemporalPositionIdentifier", frame))
    resolution_ms = number(value_of(dataset, "TemporalResolution", frame))
    return (
        offset_s,
        (moment - START).total_seconds() if moment else None,
        trigger_ms / 1000 if trigger_ms is not None else None,
        position * resolution_ms / 1000 if position is not None and resolution_ms else None,
    )


def arrange(frames: Sequence[Frame], depth: int, axis: Quantity) -> list[Volume]:
    """The volumes of a series in ascending order of what differs between them.

    Raises:
        NoMapError: it is not told, or not every volume has a frame at every height.
    """
    if axis == "time_s":
        return _by_time(frames, depth)
    groups: dict[float, list[Frame]] = defaultdict(list)
    for frame in frames:
        value = frame.told[axis]
        if value is None:
            raise lack_of(axis)
        groups[round(value, 3)].append(frame)
    return [_volume(_preferred(group), depth, {axis: value}) for value, group in sorted(groups.items())]


def _preferred(group: list[Frame]) -> list[Frame]:
    """The trace images of one b-value where the scanner has made them, else all directions."""
    traces = [frame for frame in group if frame.is_trace]
    return traces or group


def _by_time(frames: Sequence[Frame], depth: int) -> list[Volume]:
    """The n-th frame in time at each height makes the n-th volume."""
    at_height = _at_heights(frames, depth)
    count = len(at_height[0])
    if any(len(found) != count for found in at_height):
        raise NoMapError(Lack.INCOMPLETE)
    for clock in range(len(frames[0].clocks)):
        times = [[frame.clocks[clock] for frame in found] for found in at_height]
        if all(None not in found and len(set(found)) == count for found in times):
            ordered = [sorted(found, key=lambda f: f.clocks[clock] or 0.0) for found in at_height]
            # slices of one volume may follow each other: it has their median time
            middle = np.median([[f.clocks[clock] or 0.0 for f in found] for found in ordered], axis=0)
            return [
                _volume([found[n] for found in ordered], depth, {"time_s": float(middle[n] - middle[0])})
                for n in range(count)
            ]
    raise lack_of("time_s")


def _at_heights(frames: Iterable[Frame], depth: int) -> list[list[Frame]]:
    found: list[list[Frame]] = [[] for _ in range(depth)]
    for frame in frames:
        found[frame.z].append(frame)
    return found


def _volume(frames: Sequence[Frame], depth: int, told: dict[Quantity, float]) -> Volume:
    """The volume of these frames; a quantity on which they differ is not told."""
    at_height = _at_heights(frames, depth)
    if not all(at_height):
        raise NoMapError(Lack.INCOMPLETE)
    shared = dict(told)
    for quantity in NUMBERS:
        values = {frame.told[quantity] for frame in frames}
        value = values.pop()
        if not values and value is not None:
            shared.setdefault(quantity, value)
    return Volume(shared, tuple(tuple(found) for found in at_height))
