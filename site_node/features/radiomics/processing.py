"""From an image and a mask to a region with intensities, in IBSI's order (IBSI 2, figure 2.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .feature import Reason
from .region import Mask, Region
from .resample import Axis, Spacing, resample
from .settings import Interpolation, Resegmentation, Settings

Image = NDArray[np.float64]


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


def process(
    image: NDArray[np.number], mask: NDArray[np.generic], spacing_mm: Spacing, settings: Settings
) -> Processed:
    """The interpolated image with the region's morphological and intensity masks. Raises UnusableError."""
    drawn = _checked(image, mask, spacing_mm)
    intensities = np.asarray(image, dtype=np.float64)
    finite = np.isfinite(intensities)
    if not finite[drawn].any():
        raise UnusableError(Reason.NOT_FINITE)
    if not finite.all():
        # such a voxel belongs to no intensity mask; interpolation sees the region's mean in its place
        intensities = np.where(finite, intensities, intensities[drawn & finite].mean())
    grid = Grid.of(drawn.shape, spacing_mm, settings.interpolation)
    intensities = grid.image(intensities)
    morphological = grid.mask(drawn)
    counted = morphological if finite.all() else morphological & grid.mask(finite)
    kept = resegment(intensities, counted, settings.resegmentation)
    region = Region.of(morphological, kept, grid.spacing_mm)
    if region is None:
        raise UnusableError(Reason.EMPTY_REGION)
    return Processed(intensities, region)


def _checked(image: NDArray[np.number], mask: NDArray[np.generic], spacing_mm: Spacing) -> Mask:
    if image.shape != mask.shape or image.ndim != 3:
        raise UnusableError(Reason.GRID_MISMATCH)
    if len(spacing_mm) != 3 or not all(np.isfinite(s) and s > 0 for s in spacing_mm):
        raise UnusableError(Reason.BAD_GRID)
    drawn = np.asarray(mask != 0)
    if not drawn.any():
        raise UnusableError(Reason.EMPTY_REGION)
    return drawn


@dataclass(frozen=True)
class Grid:
    """The grid that the settings ask for, and how image and mask come onto it (IBSI 2.4)."""

    axes: tuple[Axis, Axis, Axis] | None  # None: as it is
    spacing_mm: Spacing
    settings: Interpolation

    @classmethod
    def of(cls, shape: tuple[int, ...], spacing_mm: Spacing, settings: Interpolation) -> "Grid":
        if settings.spacing_mm is None:
            return cls(None, spacing_mm, settings)
        z, y, x = (new or old for new, old in zip(settings.spacing_mm, spacing_mm, strict=True))
        axes = (
            Axis.aligned(shape[0], spacing_mm[0], z),
            Axis.aligned(shape[1], spacing_mm[1], y),
            Axis.aligned(shape[2], spacing_mm[2], x),
        )
        return cls(axes, (z, y, x), settings)

    def image(self, image: Image) -> Image:
        """The image interpolated, and rounded where the settings say so."""
        if self.axes is not None:
            image = resample(image, self.axes, self.settings.image)
        return np.rint(image) if self.settings.round_intensities else image

    def mask(self, mask: Mask) -> Mask:
        """The mask of the voxels that lie inside for at least the settings' share."""
        if self.axes is None:
            return mask
        share = resample(mask.astype(np.float64), self.axes, self.settings.mask)
        # 1e-9: interpolation may leave one half a rounding below it
        return np.asarray(share >= self.settings.mask_threshold - 1e-9)


def resegment(image: Image, mask: Mask, settings: Resegmentation) -> Mask:
    """The mask without the voxels out of range and without outliers; both are judged on the mask as given."""
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
