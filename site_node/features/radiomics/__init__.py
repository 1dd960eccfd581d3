"""The IBSI radiomics engine: arrays in, named features out."""

from typing import TYPE_CHECKING

from .feature import Feature, Reason
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ENGINE", "VERSION", "Feature", "Reason", "Settings", "extract", "extract_regions"]

ENGINE = "shadowgraph-radiomics"
VERSION = "1.1.0"  # rises with every change of a value


def extract(
    image: "NDArray[np.number]",
    mask: "NDArray[np.generic]",
    spacing_mm: tuple[float, float, float],
    settings: Settings,
) -> list[Feature]:
    """Every feature that the settings ask for, of the mask's region in the image, both (z, y, x).

    A feature that cannot be had is missing with a reason; no region and no intensity raises.
    """
    from .extraction import extract as run

    return run(image, mask, spacing_mm, settings)


def extract_regions(
    image: "NDArray[np.number]",
    masks: "Mapping[str, NDArray[np.generic]]",
    spacing_mm: tuple[float, float, float],
    settings: Settings,
) -> dict[str, list[Feature]]:
    """The features of several regions of one image (z, y, x), by their names, as `extract` gives each.

    Regions may overlap; those near each other share the resampled image and the filters' responses.
    """
    from .extraction import extract_regions as run

    return run(image, masks, spacing_mm, settings)
