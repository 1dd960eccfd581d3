"""The features of regions of one image: what the rest of the system calls."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from site_node.features.arrays import Box

from . import (
    autocorrelation,
    glcm,
    gldzm,
    glrlm,
    glszm,
    histogram,
    intensity,
    ivh,
    lesion,
    local_intensity,
    morphology,
    ngldm,
    ngtdm,
    texture,
)
from .discretise import grey_levels
from .feature import AGGREGATION_CODES, Feature, Reason
from .filters.bank import respond
from .memory import keep_freed_memory
from .model import Spacing
from .neighbours import neighbours, union, within
from .processing import Together, UnusableError, process_together, window_of
from .region import Region
from .settings import FamilyName, Settings

MODULES: Mapping[FamilyName, ModuleType] = {
    "morphology": morphology,
    "autocorrelation": autocorrelation,
    "local_intensity": local_intensity,
    "intensity": intensity,
    "histogram": histogram,
    "ivh": ivh,
    "glcm": glcm,
    "glrlm": glrlm,
    "glszm": glszm,
    "gldzm": gldzm,
    "ngtdm": ngtdm,
    "ngldm": ngldm,
}
TEXTURES: tuple[FamilyName, ...] = ("glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm")


def extract(
    image: NDArray[np.number], mask: NDArray[np.generic], spacing_mm: Spacing, settings: Settings
) -> list[Feature]:
    """Every feature that the settings ask for, in IBSI's order; a missing one carries its reason.

    Args:
        image: intensities, (z, y, x).
        mask: the region on the same grid; true or non-zero inside.
        spacing_mm: distance of voxel centres, (z, y, x).
    """
    return extract_regions(image, {"": mask}, spacing_mm, settings)[""]


def extract_regions(
    image: NDArray[np.number],
    masks: Mapping[str, NDArray[np.generic]],
    spacing_mm: Spacing,
    settings: Settings,
) -> dict[str, list[Feature]]:
    """The features of each region of an image (z, y, x), as `extract` gives them; regions may overlap.

    Regions near each other share the resampled image and the filters' responses.
    """
    keep_freed_memory()
    found = {}
    windows = {}
    for name, mask in masks.items():
        try:
            windows[name] = window_of(image, mask, spacing_mm, settings)
        except UnusableError as error:
            found[name] = _all_missing(error.reason, settings)
    for group in neighbours(windows):
        near = {name: masks[name] for name in group.names}
        found |= _of_neighbours(group.box, image, near, spacing_mm, settings)
    if settings.lesion_axes:
        found = {name: found[name] + lesion.features(mask, spacing_mm) for name, mask in masks.items()}
    return {name: found[name] for name in masks}


def _of_neighbours(
    window: Box,
    image: NDArray[np.number],
    masks: Mapping[str, NDArray[np.generic]],
    spacing_mm: Spacing,
    settings: Settings,
) -> dict[str, list[Feature]]:
    try:
        together = process_together(window, image, masks, spacing_mm, settings)
    except UnusableError as error:
        if len(masks) == 1:
            return {name: _all_missing(error.reason, settings) for name in masks}
        # what cannot be processed together may be so one by one; its axes are added for all
        alone = settings.model_copy(update={"lesion_axes": False})
        return {name: extract(image, mask, spacing_mm, alone) for name, mask in masks.items()}
    return _of_processed(together, masks, settings)


def _of_processed(together: Together, names: Iterable[str], settings: Settings) -> dict[str, list[Feature]]:
    found = {name: _all_missing(Reason.EMPTY_REGION, settings) for name in names}
    for name, region in together.regions.items():
        measured = measure(region.padded(together.image[region.box]), region, settings)
        if "local_intensity" in settings.families and region.n_voxels:
            measured.values.update(local_intensity.compute(together.image, region))
        found[name] = features(measured, settings)
    if settings.filters and together.regions:
        of_responses = settings.of_responses()
        spacing_mm = next(iter(together.regions.values())).spacing_mm
        box = union(region.box for region in together.regions.values())
        for filter_name, response in respond(settings.filters, together.image, spacing_mm, box):
            for name, region in together.regions.items():
                near = region.padded(response[within(region.box, box)])
                found[name] += features(measure(near, region, of_responses), of_responses, filter_name)
    return found


def _all_missing(reason: Reason, settings: Settings) -> list[Feature]:
    nothing = Measured({}, reason)
    result = features(nothing, settings)
    for filter_ in settings.filters:
        result += features(nothing, settings.of_responses(), filter_.name)
    return result


@dataclass
class Measured:
    """Values by tag (with aggregation), and why one can be missing or not finite."""

    values: dict[str, float]
    reason: Reason
    texture_reason: Reason | None = None  # where the grey levels have their own
    standardised: bool = False


def measure(near: NDArray[np.float64], region: Region, settings: Settings) -> Measured:
    """What the asked families say of the image (z, y, x) in the region's padded box."""
    asked = settings.families
    intensities = near.ravel()[region.index]
    measured = Measured({}, _missing_reason(intensities, region))
    values = measured.values
    if "morphology" in asked:
        values |= morphology.compute(near, region)
    if region.n_voxels == 0:
        return measured
    if "autocorrelation" in asked:
        values |= autocorrelation.compute(intensities, region)
    if settings.standardise:
        intensities, measured.standardised = standardised(intensities), True
    ordered = np.sort(intensities)
    if "intensity" in asked:
        values |= intensity.compute(ordered)
    if "ivh" in asked:
        values |= ivh.compute(ordered, settings)
    levels = grey_levels(intensities, settings.discretisation, settings.resegmentation)
    if not texture.fits(int(levels.max()), region, settings.texture):
        measured.texture_reason = Reason.TOO_MANY_LEVELS
    else:
        values |= _discretised(levels, region, settings)
    return measured


def standardised(intensities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (n,) intensities with mean 0 and variance 1 over the region; constant ones become 0."""
    centred = intensities - intensities.mean()
    spread = centred.std()
    return centred / spread if spread > 0 else np.zeros_like(centred)


def _discretised(levels: NDArray[np.int64], region: Region, settings: Settings) -> dict[str, float]:
    values: dict[str, float] = {}
    if "histogram" in settings.families:
        values |= histogram.compute(np.bincount(levels)[1:])
    wanted = tuple(family for family in TEXTURES if family in settings.families)
    if wanted:
        volume = np.zeros(region.intensity.shape, dtype=np.int16)
        volume.ravel()[region.index] = levels
        discretised = texture.Discretised(volume, int(levels.max()), region)
        values |= texture.compute(discretised, wanted, settings.texture)
    return values


def _missing_reason(intensities: NDArray[np.float64], region: Region) -> Reason:
    if region.n_voxels == 0:
        return Reason.EMPTY_REGION
    if region.n_voxels > 1 and intensities.min() == intensities.max():
        return Reason.CONSTANT
    if min(region.morphological.shape) < 4 or region.n_voxels < 8:  # with padding: one slice, or a line
        return Reason.TOO_SMALL
    return Reason.UNDEFINED


def aggregations_of(family: FamilyName, settings: Settings) -> tuple[str, ...]:
    """The aggregations that a family is reported in; ("",) for a family without matrices."""
    if family not in TEXTURES:
        return ("",)
    if family in ("glcm", "glrlm"):
        return settings.texture.aggregations
    return tuple(dict.fromkeys(a.split("_")[0] for a in settings.texture.aggregations))


def features(measured: Measured, settings: Settings, image: str = "original") -> list[Feature]:
    """The values as features; those absent or not finite are missing for the reason."""
    result = []
    for name in settings.families:
        family = MODULES[name].FAMILY
        of_levels = name == "histogram" or name in TEXTURES
        reason = (measured.texture_reason if of_levels else None) or measured.reason
        for aggregation in aggregations_of(name, settings):
            for tag, title, code, unit in family.definitions:
                full = f"{tag}_{aggregation}" if aggregation else tag
                why, value = reason, float(measured.values.get(full, math.nan))
                if measured.standardised and full in intensity.WITHOUT_SCALE:
                    why, value = Reason.STANDARDISED, math.nan
                known = math.isfinite(value)
                result.append(
                    Feature(
                        name=title,
                        code=code,
                        family=family.name,
                        value=value if known else None,
                        unit=unit.replace("I", settings.intensity_unit),
                        reason=None if known else why,
                        tag=full,
                        aggregation=aggregation,
                        aggregation_code=AGGREGATION_CODES.get(aggregation, ""),
                        image=image,
                    )
                )
    return result
