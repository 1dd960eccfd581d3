"""The axes of RECIST 1.1 as features of a region. IBSI defines none of them: its diameter is of the volume.

They are of the mask as drawn, in the plane of the slices as acquired (`response/axes.py`). The parts of a
region that do not touch are added up.
"""

import numpy as np
from numpy.typing import NDArray

from ..response.axes import parts
from .feature import Definition, Feature, Reason
from .model import Spacing

FAMILY = "RECIST 1.1"
LONG = Definition("lesion_long_axis", "Longest diameter in a slice", "", "mm")
SHORT = Definition("lesion_short_axis", "Extent across the longest diameter", "", "mm")
PARTS = Definition("lesion_parts", "Parts that do not touch", "")
SLICES = Definition("lesion_slice_distance", "Distance of slices", "", "mm")


def features(mask: NDArray[np.generic], spacing_mm: Spacing) -> list[Feature]:
    """The four features of a mask (z, y, x); the axes of an empty one are missing."""
    found = parts(mask, spacing_mm)
    empty = None if found else Reason.EMPTY_REGION
    return [
        _feature(LONG, sum(one.long_mm for one in found), empty),
        _feature(SHORT, sum(one.short_mm for one in found), empty),
        _feature(PARTS, float(len(found)), empty),
        _feature(SLICES, float(spacing_mm[0]), None),
    ]


def _feature(of: Definition, value: float, reason: Reason | None) -> Feature:
    return Feature(of.name, of.code, FAMILY, None if reason else value, of.unit, reason, of.tag)
