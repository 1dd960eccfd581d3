"""The geometry of a stack of slices: where its voxels lie in the patient, or why that is not certain.

Coordinates are DICOM's (PS3.3 C.7.6.2.1.1), in millimetres: x to the patient's left, y back, z to the head.
Arrays are (z, y, x): slice, row, column; points are (x, y, z).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from site_node.features.arrays import Floats
from site_node.sources.dicom.faults import DicomFault, Fault

Triple = tuple[float, float, float]

ANGLE_TOLERANCE = 1e-3  # of a direction cosine: 0.06 degrees
POSITION_TOLERANCE_MM = 0.02  # scanners print positions with two or more decimals, and old ones with one
OFF_GRID = 0.1  # of a slice or pixel: so far may a slice lie from its place in a regular stack


@dataclass(frozen=True)
class Slice:
    """Where one image of a series lies, by its Image Plane Module, and its size."""

    position: Triple
    orientation: tuple[float, float, float, float, float, float]
    pixel_spacing: tuple[float, float]  # between rows, between columns
    rows: int
    columns: int
    thickness_mm: float | None = None
    frame_of_reference: str = ""  # its UID, or nothing


@dataclass(frozen=True)
class Grid:
    """A regular grid of voxel centres; the columns of `direction` are unit vectors along x, y, z index.

    `frame_of_reference` is the UID of the coordinates, `patient_id` the PatientID; empty where not told.
    """

    shape: tuple[int, int, int]
    spacing_mm: Triple
    origin: Triple
    direction: tuple[Triple, Triple, Triple]
    frame_of_reference: str = field(default="", compare=False)
    patient_id: str = field(default="", compare=False, repr=False)

    def to_patient(self, index_xyz: Floats) -> Floats:
        """The points (n, 3) in the patient of indices (x, y, z); 0 is the centre of the first voxel."""
        return np.asarray(index_xyz @ self._steps().T + np.asarray(self.origin))

    def to_index(self, points: Floats) -> Floats:
        """The indices (x, y, z) of points (n, 3) in the patient; 0 is the centre of the first voxel."""
        return np.asarray((points - np.asarray(self.origin)) @ np.linalg.inv(self._steps()).T)

    def step_index(self, vector: Floats) -> Floats:
        """A displacement (3,) in the patient counted in voxels (x, y, z)."""
        return np.asarray(np.linalg.inv(self._steps()) @ vector)

    def _steps(self) -> Floats:
        return np.asarray(np.asarray(self.direction) * np.asarray(self.spacing_mm)[::-1])


def normal(orientation: Sequence[float]) -> Floats:
    """The unit vector along which the slices of this ImageOrientationPatient are stacked."""
    return np.asarray(np.cross(np.asarray(orientation[:3]), np.asarray(orientation[3:])))


def order(slices: Sequence[Slice]) -> list[int]:
    """The indices of the slices in ascending position along the normal of the first."""
    along = normal(slices[0].orientation)
    return sorted(range(len(slices)), key=lambda i: float(np.dot(along, slices[i].position)))


def grid_of(slices: Sequence[Slice]) -> Grid:
    """The grid of a stack, whatever the order its slices come in.

    Raises:
        DicomFault: the slices are not a regular stack; the code says which rule they break.
    """
    _one_plane(slices)
    stack = [slices[i] for i in order(slices)]
    first = stack[0]
    along = normal(first.orientation)
    positions = np.array([s.position for s in stack])
    rounding_mm = _rounding_mm(positions)
    spacing = _slice_spacing(positions @ along, first.thickness_mm, rounding_mm)
    _no_shear(positions, along, max(OFF_GRID * min(first.pixel_spacing), rounding_mm))
    row, column = np.asarray(first.orientation[:3]), np.asarray(first.orientation[3:])
    return Grid(
        shape=(len(stack), first.rows, first.columns),
        spacing_mm=(spacing, *first.pixel_spacing),
        origin=first.position,
        direction=_rows_of(np.column_stack([row, column, along])),
        frame_of_reference=first.frame_of_reference,
    )


def _rows_of(matrix: Floats) -> tuple[Triple, Triple, Triple]:
    x, y, z = ((float(a), float(b), float(c)) for a, b, c in matrix)
    return x, y, z


def _one_plane(slices: Sequence[Slice]) -> None:
    """All slices share frame of reference, size, orientation and pixel spacing; these are orthonormal."""
    if len({s.frame_of_reference for s in slices}) > 1:
        raise DicomFault(Fault.MIXED_FRAME)
    orientations = np.array([s.orientation for s in slices])
    if np.abs(orientations - orientations[0]).max() > ANGLE_TOLERANCE:
        raise DicomFault(Fault.MIXED_ORIENTATION)
    row, column = orientations[0, :3], orientations[0, 3:]
    unit = np.array([row @ row - 1, column @ column - 1, row @ column])
    if np.abs(unit).max() > ANGLE_TOLERANCE:
        raise DicomFault(Fault.MALFORMED_GEOMETRY)
    if len({(s.rows, s.columns) for s in slices}) > 1:
        raise DicomFault(Fault.MIXED_SIZE)
    spacings = np.array([s.pixel_spacing for s in slices])
    if spacings.min() <= 0:
        raise DicomFault(Fault.MALFORMED_GEOMETRY)
    if np.abs(spacings - spacings[0]).max() > 1e-3 * spacings[0].max():
        raise DicomFault(Fault.MIXED_SPACING)


def _slice_spacing(heights: Floats, thickness_mm: float | None, rounding_mm: float) -> float:
    """The distance between slices at these ascending heights; the thickness stands in for a single slice."""
    if len(heights) == 1:
        if not thickness_mm or thickness_mm <= 0:
            raise DicomFault(Fault.NO_THICKNESS)
        return thickness_mm
    gaps = np.diff(heights)
    if gaps.min() < POSITION_TOLERANCE_MM:
        raise DicomFault(_repeated(heights))
    usual = float(np.median(gaps))
    mean = float((heights[-1] - heights[0]) / (len(heights) - 1))
    regular = heights[0] + mean * np.arange(len(heights))
    if np.abs(heights - regular).max() <= max(OFF_GRID * mean, rounding_mm):
        return mean
    whole = np.round(gaps / usual)
    if whole.min() >= 1 and np.abs(gaps - whole * usual).max() <= max(2 * OFF_GRID * usual, 2 * rounding_mm):
        raise DicomFault(Fault.MISSING_SLICE)
    raise DicomFault(Fault.IRREGULAR_SPACING)


def _repeated(heights: Floats) -> Fault:
    """Every position equally often means several volumes (times, b-values, echoes); else a duplicate."""
    counts = Counter(np.round(heights / POSITION_TOLERANCE_MM).astype(np.int64).tolist())
    return (
        Fault.SEVERAL_VOLUMES
        if len(counts) > 1 and len(set(counts.values())) == 1
        else Fault.DUPLICATE_POSITION
    )


def _rounding_mm(positions: Floats) -> float:
    """How far a point may be from where it was printed: all with one decimal, or more exact."""
    has_one_decimal = np.abs(positions - np.round(positions, 1)).max() < 1e-6
    return float(np.sqrt(3) * 0.05) if has_one_decimal else POSITION_TOLERANCE_MM


def _no_shear(positions: Floats, along: Floats, allowed_mm: float) -> None:
    """The slices are stacked along their normal; a tilted gantry shears the stack, which needs resampling."""
    shift = positions - positions.mean(axis=0)
    sideways = shift - np.outer(shift @ along, along)
    allowed = allowed_mm + ANGLE_TOLERANCE * np.linalg.norm(shift, axis=1)
    if (np.linalg.norm(sideways, axis=1) > allowed).any():
        raise DicomFault(Fault.SHEARED_STACK)
