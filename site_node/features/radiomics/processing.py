"""From an image and a mask to a region with intensities, in IBSI's order (IBSI 2, figure 2.1)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from site_node.features.arrays import Box, Mask

from .feature import Reason
from .model import Spacing
from .region import Region, bounding_box
from .resample import REACH, Axis, resample
from .settings import Interpolation, Resegmentation, Settings

Image = NDArray[np.float64]
"""A volume (z, y, x)."""

LARGEST = 1e30  # what single precision and fourth powers bear; beyond it a voxel has no number
MAX_VOXELS = 2**28  # of a resampled grid: 2 GB, and several of them are needed at once


class UnusableError(Exception):
    """The input cannot be processed; the reason becomes the reason of every missing feature."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True)
class Processed:
    """The image on the processed grid, and the region on it."""

    image: Image
    region: Region


@dataclass(frozen=True)
class Together:
    """The image on the processed grid, and the regions on it; one that interpolation lost is not there."""

    image: Image
    regions: dict[str, Region]


def process(
    image: NDArray[np.number], mask: NDArray[np.generic], spacing_mm: Spacing, settings: Settings
) -> Processed:
    """The interpolated image with the region's morphological and intensity masks, (z, y, x) each.

    Raises UnusableError. Only as much of the region's surroundings is processed as a value can depend on.
    """
    window = window_of(image, mask, spacing_mm, settings)
    found = process_together(window, image, {"": mask}, spacing_mm, settings)
    if not found.regions:
        raise UnusableError(Reason.EMPTY_REGION)
    return Processed(found.image, found.regions[""])


def process_together(
    window: Box,
    image: NDArray[np.number],
    masks: Mapping[str, NDArray[np.generic]],
    spacing_mm: Spacing,
    settings: Settings,
) -> Together:
    """The window of the image (z, y, x) interpolated once, with every region that lies in it.

    Raises UnusableError. Of several regions an image with voxels that have no number is refused: what takes
    their place is a matter of the one region.
    """
    drawn = {name: mask[window] != 0 for name, mask in masks.items()}
    intensities = np.asarray(image[window], dtype=np.float64)
    finite = None
    if not (intensities.min() > -LARGEST and intensities.max() < LARGEST):  # so it is with a NaN
        finite = np.abs(intensities) < LARGEST
        counted = finite & next(iter(drawn.values()))
        if len(drawn) > 1 or not counted.any():
            raise UnusableError(Reason.NOT_FINITE)
        # such a voxel belongs to no intensity mask; interpolation sees the region's mean in its place
        intensities = np.where(finite, intensities, intensities[counted].mean())
    grid = Grid.of(image.shape, window, spacing_mm, settings.interpolation)
    intensities = grid.image(intensities)
    regions = {}
    for name, mask in drawn.items():
        morphological = grid.mask(mask)
        usable = morphological if finite is None else morphological & grid.mask(finite)
        kept = resegment(intensities, usable, settings.resegmentation)
        region = Region.of(morphological, kept, grid.spacing_mm)
        if region is not None:
            regions[name] = region
    return Together(intensities, regions)


def window_of(
    image: NDArray[np.number], mask: NDArray[np.generic], spacing_mm: Spacing, settings: Settings
) -> Box:
    """The box of old voxels (z, y, x) that a value of the region can depend on. Raises UnusableError."""
    window = _window(_checked(image, mask, spacing_mm), spacing_mm, settings)
    z, y, x = (slice(*side.indices(size)) for side, size in zip(window, image.shape, strict=True))
    return z, y, x


def _window(box: Box, spacing_mm: Spacing, settings: Settings) -> Box:
    """The box of old voxels to work on: the region's, with the margin and what interpolation sees beyond."""
    wanted = settings.interpolation.spacing_mm or (None, None, None)
    z, y, x = (new or old for new, old in zip(wanted, spacing_mm, strict=True))
    margin_mm = settings.margin_mm((z, y, x))
    if margin_mm is None:
        return slice(None), slice(None), slice(None)
    reach = REACH[settings.interpolation.image] + 1
    grow = [
        int(np.ceil((margin_mm + (new or 0)) / old)) + (reach if new else 0)
        for old, new in zip(spacing_mm, wanted, strict=True)
    ]
    sides = [slice(max(side.start - g, 0), side.stop + g) for side, g in zip(box, grow, strict=True)]
    return sides[0], sides[1], sides[2]


def _checked(image: NDArray[np.number], mask: NDArray[np.generic], spacing_mm: Spacing) -> Box:
    """The region's bounding box."""
    if image.shape != mask.shape or image.ndim != 3:
        raise UnusableError(Reason.GRID_MISMATCH)
    if len(spacing_mm) != 3 or not all(np.isfinite(s) and s > 0 for s in spacing_mm):
        raise UnusableError(Reason.BAD_GRID)
    box = bounding_box(np.asarray(mask, dtype=np.bool_))
    if box is None:
        raise UnusableError(Reason.EMPTY_REGION)
    return box


@dataclass(frozen=True)
class Grid:
    """The grid that the settings ask for, and how image and mask come onto it (IBSI 2.4)."""

    axes: tuple[Axis, Axis, Axis] | None  # None: as it is
    spacing_mm: Spacing
    settings: Interpolation

    @classmethod
    def of(cls, shape: tuple[int, ...], window: Box, spacing_mm: Spacing, settings: Interpolation) -> "Grid":
        """The part of the image's new grid that lies in the window, aligned with the whole image."""
        if settings.spacing_mm is None:
            return cls(None, spacing_mm, settings)
        z, y, x = (new or old for new, old in zip(settings.spacing_mm, spacing_mm, strict=True))
        sides = [part.indices(size) for part, size in zip(window, shape, strict=True)]
        finer = np.prod(spacing_mm) / (z * y * x)
        if finer * np.prod([high - low for low, high, _ in sides]) > MAX_VOXELS:
            raise UnusableError(Reason.TOO_LARGE)
        axes = []
        for size, (low, high, _), old, new in zip(shape, sides, spacing_mm, (z, y, x), strict=True):
            axes.append(Axis.aligned(size, old, new).within(low, high))
        return cls((axes[0], axes[1], axes[2]), (z, y, x), settings)

    def image(self, image: Image) -> Image:
        """The image interpolated, and rounded where the settings say so."""
        if self.axes is not None:
            image = resample(image, self.axes, self.settings.image)
        return np.rint(image) if self.settings.round_intensities else image

    def mask(self, mask: Mask) -> Mask:
        """The mask (z, y, x) of the voxels that lie inside for at least the settings' share."""
        if self.axes is None:
            return mask
        share = resample(mask.astype(np.float64), self.axes, self.settings.mask)
        # 1e-9: interpolation may leave one half a rounding below it
        return np.asarray(share >= self.settings.mask_threshold - 1e-9)


def resegment(image: Image, mask: Mask, settings: Resegmentation) -> Mask:
    """The mask (z, y, x) without voxels out of range and outliers; both are judged on the mask as given."""
    kept = mask.copy()
    low, high = settings.range or (None, None)
    if low is not None:
        kept &= image >= low
    if high is not None:
        kept &= image <= high
    if settings.outlier_sigma is not None and mask.any():
        inside = image[mask]
        mean, spread = inside.mean(), settings.outlier_sigma * inside.std()
        kept &= (image >= mean - spread) & (image <= mean + spread)
    return kept
