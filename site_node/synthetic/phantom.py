"""A head on a CT scanner: skull, brain, ventricles and a textured lesion, with the contour of a reader."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from site_node.synthetic.patients import Lesion
from site_node.synthetic.plan import Scanner

SHAPE = (20, 64, 64)  # (z, y, x)
SPACING_MM = (4.0, 3.0, 3.0)
ORIGIN_MM = tuple(-(n - 1) / 2 * step for n, step in zip(SHAPE, SPACING_MM, strict=True))

AIR_HU, SKULL_HU, CSF_HU, BRAIN_HU, OEDEMA_HU = -1000.0, 850.0, 8.0, 35.0, 26.0
_HEAD_MM, _SKULL_MM = (105.0, 88.0, 72.0), 7.0  # semi-axes (z, y, x)
_VENTRICLE_MM = (14.0, 24.0, 6.0)
_TEXTURE_MM = 2.5  # correlation length of the lesion's texture
_BRAIN_TEXTURE_HU = 2.0
_POINTS = 48  # of a contour, evenly spread around the lesion's axis

# centres of the lobes on the patient's left, in mm (z up, y back, x left)
_LOBES_MM = {
    "C71.1": (4.0, -38.0, 26.0),
    "C71.2": (-6.0, -2.0, 38.0),
    "C71.3": (8.0, 22.0, 30.0),
    "C71.4": (2.0, 46.0, 20.0),
}


@dataclass(frozen=True)
class Contour:
    """One closed outline in the plane of slice `index`: rows of (x, y) in mm."""

    index: int
    points_mm: NDArray[np.float64]


@dataclass(frozen=True)
class HeadCT:
    """A CT volume in whole HU (z, y, x) and the outlines of its lesion."""

    array: NDArray[np.int16]
    contours: tuple[Contour, ...]


def scan(lesion: Lesion, scanner: Scanner, rng: np.random.Generator) -> HeadCT:
    """The head with this lesion as this scanner shows it.

    Before the scanner acts, mean and standard deviation inside the contour are exactly the planted ones, so
    that both can be predicted: mean -> 35 + gain (mean - 35) + offset, variance -> gain^2 variance + noise^2.
    """
    brain, anatomy = _anatomy()
    tissue = anatomy + _BRAIN_TEXTURE_HU * _texture(SHAPE, 6.0, rng) * brain
    distance = _distance(lesion)
    tissue[(distance < 1.5) & brain] = OEDEMA_HU
    # drawn wider than the contour, so that interpolation at its border still sees tumour
    box = _bounding_box(distance < 1.25)
    texture = _texture(distance[box].shape, _TEXTURE_MM, rng)
    inside = distance[box] <= 1.0
    texture = (texture - texture[inside].mean()) / texture[inside].std()
    tumour = (distance[box] < 1.25) & brain[box]
    tissue[box][tumour] = (lesion.mean_hu + lesion.texture_hu * texture)[tumour]

    seen = np.where(brain, BRAIN_HU + scanner.gain * (tissue - BRAIN_HU) + scanner.offset_hu, tissue)
    seen += scanner.noise_hu * _texture(SHAPE, scanner.blur_mm, rng)
    return HeadCT(np.clip(np.rint(seen), -1024, 3071).astype(np.int16), outline(lesion))


def outline(lesion: Lesion) -> tuple[Contour, ...]:
    """The lesion's outline on every slice that it meets."""
    centre = centre_mm(lesion)
    angle = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)
    contours = []
    for index, z in enumerate(_axis(0)):
        height = 1 - ((z - centre[0]) / lesion.radius_mm) ** 2
        if height <= 0.05:  # a cap too small to be drawn
            continue
        radius = np.sqrt(height) * _lobed_radius(lesion, angle)
        points = np.column_stack((centre[2] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)))
        contours.append(Contour(index, points))
    return tuple(contours)


def contour_mask(lesion: Lesion) -> NDArray[np.bool_]:
    """The voxels (z, y, x) whose centre lies inside the outline."""
    return _distance(lesion) <= 1.0


def centre_mm(lesion: Lesion) -> tuple[float, float, float]:
    """The lesion's centre (z, y, x)."""
    z, y, x = _LOBES_MM[lesion.topography]
    return z, y, x if lesion.left else -x


def _distance(lesion: Lesion) -> NDArray[np.float64]:
    """For every voxel, how far out it lies: 0 the centre, 1 the outline."""
    z, y, x = (offset - c for offset, c in zip(_grid(), centre_mm(lesion), strict=True))
    in_plane = np.hypot(y, x) / _lobed_radius(lesion, np.arctan2(y, x))
    distance = np.hypot(in_plane, z / lesion.radius_mm)
    # the caps that `outline` leaves out
    distance[np.broadcast_to(1 - (z / lesion.radius_mm) ** 2 <= 0.05, distance.shape) & (distance <= 1.0)] = (
        1.01
    )
    return distance


def _lobed_radius(lesion: Lesion, angle: NDArray[np.float64]) -> NDArray[np.float64]:
    second, phase2, third, phase3 = lesion.lobes
    return lesion.radius_mm * (1 + second * np.cos(2 * angle + phase2) + third * np.cos(3 * angle + phase3))


def _texture(shape: tuple[int, ...], correlation_mm: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth random field of unit variance."""
    sigma = [correlation_mm / step for step in SPACING_MM]
    white = rng.standard_normal(shape, dtype=np.float32)
    field = gaussian_filter(white, sigma, mode="wrap", truncate=3.0)
    return np.asarray(field / field.std(), dtype=np.float64)


def _bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    spans = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)


def _axis(axis: int) -> NDArray[np.float64]:
    return np.asarray(ORIGIN_MM[axis] + SPACING_MM[axis] * np.arange(SHAPE[axis]), dtype=np.float64)


@cache
def _grid() -> tuple[NDArray[np.float64], ...]:
    return tuple(np.meshgrid(*(_axis(axis) for axis in range(3)), indexing="ij", sparse=True))


def _ellipsoid(axes_mm: tuple[float, ...], x_mm: float = 0.0) -> NDArray[np.bool_]:
    """The voxels of an ellipsoid on the axis of the head, or so far to its left."""
    z, y, x = _grid()
    a, b, c = axes_mm
    return np.asarray((z / a) ** 2 + (y / b) ** 2 + ((x - x_mm) / c) ** 2 <= 1)


@cache
def _anatomy() -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The voxels of soft tissue inside the skull, and the HU of the head without a lesion."""
    head, brain = _ellipsoid(_HEAD_MM), _ellipsoid(tuple(axis - _SKULL_MM for axis in _HEAD_MM))
    ventricles = _ellipsoid(_VENTRICLE_MM, x_mm=9.0) | _ellipsoid(_VENTRICLE_MM, x_mm=-9.0)
    anatomy = np.where(head, SKULL_HU, AIR_HU)
    anatomy = np.where(brain, np.where(ventricles, CSF_HU, BRAIN_HU), anatomy)
    anatomy.setflags(write=False)
    brain.setflags(write=False)
    return brain, anatomy
