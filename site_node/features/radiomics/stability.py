"""Which features survive small changes of image and contour: perturbed cases and their ICC.

After Zwanenburg et al., Assessing robustness of radiomic features by image perturbation, Sci Rep 2019.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from site_node.features.arrays import Mask

from .model import Model, Spacing
from .region import bounding_box

Image = NDArray[np.float64]
"""A volume (z, y, x)."""

_ENOUGH_SQUARES = 200  # their median is within a tenth of the noise
_ROUNDING = 1e-12  # of a value: what spread of a feature is none


class Perturbation(NamedTuple):
    """One changed case: what was done, the image and the mask."""

    name: str
    image: Image
    mask: Mask


class Perturbations(Model):
    """Which changes are made, each by itself; all of them are small against what two readers differ by."""

    noise: int = 2  # images with noise as strong as the image's own
    translations: tuple[float, ...] = (0.25, 0.75)  # voxels, along y, x and, with several slices, z
    rotations_degree: tuple[float, ...] = (-4.0, 4.0)  # about z
    volume_changes: tuple[float, ...] = (-0.1, 0.1)  # share of the region's volume, at its border
    seed: int = 0


def perturbed(
    image: Image, mask: Mask, spacing_mm: Spacing, settings: Perturbations
) -> Iterator[Perturbation]:
    """The case as it is, then each change of it, on the same grid (z, y, x)."""
    yield Perturbation("none", image, mask)
    rng = np.random.default_rng(settings.seed)
    spread = noise_of(image, mask)
    for number in range(settings.noise):
        yield Perturbation(f"noise {number + 1}", image + rng.normal(0, spread, image.shape), mask)
    # a region of one slice is not moved out of it: less than half of a voxel would be left in any
    shifted = np.array([np.count_nonzero(mask.any(axis=(1, 2))) > 1, True, True], dtype=float)
    for share in settings.translations:
        moved = ndimage.shift(image, share * shifted, order=3, mode="nearest")
        drawn = ndimage.shift(mask.astype(np.float64), share * shifted, order=1) >= 0.5
        yield Perturbation(f"translation {share:g}", moved, drawn)
    for angle in settings.rotations_degree:
        yield _turned(image, mask, spacing_mm, angle)
    for change in settings.volume_changes:
        yield Perturbation(f"volume {change:+.0%}", image, _resized(mask, spacing_mm, change))


def noise_of(image: Image, mask: Mask | None = None) -> float:
    """The standard deviation of the white noise of an image (z, y, x): its median Haar detail (Donoho 1994).

    It is that inside the region where this has squares enough of four voxels in a plane, since noise can grow
    with the signal, and of the whole image but its padding elsewhere. Noise that neighbouring voxels share is
    not seen: behind a point-spread function of one voxel it reads as a fifth.
    """
    if mask is not None:
        inside = _detail(image, mask)
        if inside.size >= _ENOUGH_SQUARES:
            return _spread_of(inside, _step(image[mask]))
    used = ~_padding(image)
    return _spread_of(_detail(image, used), _step(image[used]))


def _detail(image: Image, used: Mask) -> NDArray[np.float64]:
    """(k,) diagonal Haar details of the squares in a plane (y, x) whose four voxels are all used."""
    corners = [np.s_[:, :-1, :-1], np.s_[:, 1:, :-1], np.s_[:, :-1, 1:], np.s_[:, 1:, 1:]]
    whole = np.logical_and.reduce([used[corner] for corner in corners])
    one, down, right, both = (image[corner][whole] for corner in corners)
    return np.asarray(one - down - right + both)


def _spread_of(detail: NDArray[np.float64], step: float) -> float:
    """The standard deviation of a voxel behind (k,) details of four voxels, on values of this step.

    Whole numbers make a median whole, and 0 of noise below a step: they are blurred by uniform numbers within
    a step, whose variance is then taken off.
    """
    if not detail.size:
        return 0.0
    if step:
        within = np.random.default_rng(0).uniform(-step / 2, step / 2, (4, detail.size))
        detail = detail + within.sum(axis=0)
    spread = float(np.median(np.abs(detail)) / 0.6745 / 2)
    return float(np.sqrt(max(spread**2 - step**2 / 12, 0.0)))


def _step(values: NDArray[np.float64]) -> float:
    """The step between values if there is one that they all keep, 0 if there is none or one value alone."""
    different = np.unique(values)
    if different.size < 2 or different.size > max(values.size / 2, 2):
        return 0.0
    step = float(np.diff(different).min())
    multiples = (different - different[0]) / step
    return step if np.abs(multiples - np.rint(multiples)).max() < 1e-6 * multiples[-1] + 1e-9 else 0.0


def _padding(image: Image) -> Mask:
    """Where the image (z, y, x) is one value up to its border, as a scanner or a converter pads it."""
    found = np.zeros(image.shape, dtype=bool)
    for plane, into in zip(image, found, strict=True):
        corners = plane[[0, 0, -1, -1], [0, -1, 0, -1]]
        values, times = np.unique(corners, return_counts=True)
        if times.max() == 1:
            continue
        same = plane == values[times.argmax()]
        labels, _ = ndimage.label(same)
        touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        into |= np.isin(labels, touching[touching > 0])
    return found


def _turned(image: Image, mask: Mask, spacing_mm: Spacing, angle: float) -> Perturbation:
    """Image and mask turned in the plane about the region's centre."""
    theta, (_, dy, dx) = np.deg2rad(angle), spacing_mm
    turn = np.array([[np.cos(theta), -np.sin(theta) * dx / dy], [np.sin(theta) * dy / dx, np.cos(theta)]])
    matrix = np.eye(3)
    matrix[1:, 1:] = turn
    centre = np.argwhere(mask).mean(axis=0) if mask.any() else np.zeros(3)
    offset = centre - matrix @ centre
    moved = ndimage.affine_transform(image, matrix, offset, order=3, mode="nearest")
    drawn = ndimage.affine_transform(mask.astype(np.float64), matrix, offset, order=1) >= 0.5
    return Perturbation(f"rotation {angle:g}", moved, drawn)


def _resized(mask: Mask, spacing_mm: Spacing, change: float) -> Mask:
    """The mask grown or shrunk by a share of its volume, in order of the distance to its border."""
    box = bounding_box(mask)
    if box is None:
        return mask
    inward = ndimage.distance_transform_edt(mask, spacing_mm)
    outward = ndimage.distance_transform_edt(~mask, spacing_mm)
    depth = np.where(mask, inward, -outward)
    wanted = max(1, round(np.count_nonzero(mask) * (1 + change)))
    # of voxels equally deep those with more of the region around them come first
    surrounded = ndimage.gaussian_filter(mask.astype(np.float64), 2)
    order = np.lexsort((-surrounded.ravel(), -depth.ravel()))
    result = np.zeros(mask.size, dtype=bool)
    result[order[:wanted]] = True
    return result.reshape(mask.shape)


def icc(values: NDArray[np.float64], kind: Literal["ICC(1,1)", "ICC(3,1)"] = "ICC(1,1)") -> float:
    """The intraclass correlation of (case, repeat) values, single measurement (Shrout and Fleiss 1979).

    ICC(1,1) takes repeats as interchangeable; ICC(3,1) takes a shift common to a repeat out. Cases with a
    missing repeat are left out. NaN where fewer than two cases or repeats are complete, or where nothing
    varies by more than the rounding of the values.
    """
    complete = values[np.all(np.isfinite(values), axis=1)]
    n, k = complete.shape
    if n < 2 or k < 2:
        return float("nan")
    rounding = (_ROUNDING * np.abs(complete).max()) ** 2 * n * k
    complete = complete - complete[0, 0]
    mean = complete.mean()
    if np.sum((complete - mean) ** 2) <= rounding:
        return float("nan")
    between = k * np.sum((complete.mean(axis=1) - mean) ** 2) / (n - 1)
    within = np.sum((complete - complete.mean(axis=1, keepdims=True)) ** 2)
    if kind == "ICC(1,1)":
        error = within / (n * (k - 1))
    else:
        error = (within - n * np.sum((complete.mean(axis=0) - mean) ** 2)) / ((n - 1) * (k - 1))
    total = between + (k - 1) * error
    return float((between - error) / total) if total > 0 else float("nan")


def robust(values: Mapping[str, Sequence[Sequence[float]]], minimum: float = 0.75) -> dict[str, float]:
    """The features whose ICC(1,1) reaches the minimum, with it; `values` is (case, repeat) by feature."""
    found = {name: icc(np.asarray(each, dtype=np.float64)) for name, each in values.items()}
    return {name: value for name, value in found.items() if value >= minimum}
