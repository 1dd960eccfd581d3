"""An image whose numbers may be a map of functional imaging, made where regions lie."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from site_node.features.arrays import Box, Mask
from site_node.features.functional.maps import Volumes, compute
from site_node.features.functional.settings import UNITS, Adc, SeriesMap
from site_node.features.radiomics import Settings
from site_node.features.radiomics.neighbours import union

if TYPE_CHECKING:  # pydicom loads with the first DICOM
    from site_node.sources.dicom.geometry import Grid

Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Scan:
    """An image on a grid; `make` gives its numbers (z, y, x), those of a map inside a box and NaN outside.

    `modality` is DICOM's, empty where no header tells it; `grid` is None of a NIfTI, whose mask is one too.
    """

    spacing_mm: Spacing
    unit: str
    make: Callable[[Box], NDArray[np.number]]
    is_map: bool = False
    modality: str = ""
    grid: "Grid | None" = None

    def near(self, masks: Iterable[Mask], settings: Settings, grow: float = 0.0) -> NDArray[np.number]:
        """The numbers that a value of these regions can depend on.

        `grow` is the share of a region's extent that is needed around it too, and four voxels.
        """
        if not self.is_map:
            return self.make((slice(None), slice(None), slice(None)))
        from site_node.features.radiomics.processing import UnusableError, window_of  # numba loads with it

        windows = []
        for mask in masks:
            try:
                windows.append(window_of(mask.view(np.uint8), mask, self.spacing_mm, settings))
            except UnusableError:
                continue  # it has no feature, whatever the image
        if not windows:
            windows = [(slice(0, 0), slice(0, 0), slice(0, 0))]
        box = union(windows)
        if grow:
            more = [4 + round(grow * (side.stop - side.start)) for side in box]
            z, y, x = (
                slice(max(side.start - n, 0), side.stop + n) for side, n in zip(box, more, strict=True)
            )
            box = z, y, x
        return self.make(box)


def scan_of(
    volumes: Volumes,
    spacing_mm: Spacing,
    settings: SeriesMap,
    flips: Volumes | None = None,
    grid: "Grid | None" = None,
) -> Scan:
    """The map of volumes as a scan; of one volume that is an ADC map already, the volume."""

    def make(box: Box) -> NDArray[np.float64]:
        if len(volumes.signal) == 1 and isinstance(settings, Adc):
            return np.asarray(volumes.signal[0], dtype=np.float64)
        return compute(settings, volumes, box, flips)

    return Scan(spacing_mm, UNITS[settings.map], make, True, "MR" if grid else "", grid)
