"""The features of one region: what the rest of the system calls."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from . import (
    autocorrelation,
    glcm,
    gldzm,
    glrlm,
    glszm,
    histogram,
    intensity,
    ivh,
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
from .processing import UnusableError, process
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
    keep_freed_memory()
    try:
        processed = process(image, mask, spacing_mm, settings)
    except UnusableError as error:
        return _all_missing(error.reason, settings)
    region = processed.region
    near = region.padded(processed.image[region.box])
    measured = measure(near, region, settings)
    if "local_intensity" in settings.families and region.n_voxels:
        measured.values.update(local_intensity.compute(processed.image, region))
    result = features(measured, settings)
    if settings.filters:
        of_responses = settings.of_responses()
        single = np.ascontiguousarray(processed.image, dtype=np.float32)
        for name, response in respond(settings.filters, single, region.spacing_mm, region.box):
            measured = measure(region.padded(response), region, of_responses)
            result += features(measured, of_responses, name)
    return result


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


def measure(near: NDArray[np.float64], region: Region, settings: Settings) -> Measured:
    """What the asked families say of the image in the region's padded box."""
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
        intensities = standardised(intensities)
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
    """The intensities with mean 0 and variance 1 over the region; constant ones become 0."""
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
                value = float(measured.values.get(full, math.nan))
                known = math.isfinite(value)
                result.append(
                    Feature(
                        name=title,
                        code=code,
                        family=family.name,
                        value=value if known else None,
                        unit=unit.replace("I", settings.intensity_unit),
                        reason=None if known else reason,
                        tag=full,
                        aggregation=aggregation,
                        aggregation_code=AGGREGATION_CODES.get(aggregation, ""),
                        image=image,
                    )
                )
    return result
