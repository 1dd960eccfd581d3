"""What the engine returns: features named and coded by IBSI, or missing for a coded reason."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why a feature is missing."""

    EMPTY_REGION = "empty-region"
    TOO_SMALL = "region-too-small"
    CONSTANT = "constant-intensity"
    UNDEFINED = "undefined"
    STANDARDISED = "standardised"
    NOT_FINITE = "no-finite-intensity"
    GRID_MISMATCH = "image-and-mask-on-different-grids"
    BAD_GRID = "unusable-grid"
    TOO_MANY_LEVELS = "too-many-grey-levels"
    TOO_LARGE = "grid-too-large"


class Definition(NamedTuple):
    """One feature of a family: IBSI tag, name, code, and the unit it carries.

    In `unit`, "I" stands for the image's own intensity unit (HU, SUV, ...) and "1" for a pure number.
    """

    tag: str
    name: str
    code: str
    unit: str = "1"


class Family(NamedTuple):
    """One chapter of the IBSI manual with the features that it defines."""

    name: str
    code: str
    definitions: tuple[Definition, ...]


AGGREGATION_CODES = {
    "2D_avg": "BTW3",
    "2D_comb": "SUJT",
    "2.5D_avg": "JJUI",
    "2.5D_comb": "ZW7Z",
    "3D_avg": "ITBB",
    "3D_comb": "IAZD",
    "2D": "8QNN",
    "2.5D": "62GR",
    "3D": "KOBO",
}


@dataclass(frozen=True, slots=True)
class Feature:
    """One value of one region in one image; `value` is None exactly when `reason` says why.

    `tag` with `image` is unique in a result: IBSI's tag followed by the aggregation ("cm_contrast_3D_avg").
    """

    name: str
    code: str
    family: str
    value: float | None
    unit: str
    reason: Reason | None
    tag: str
    aggregation: str = ""
    aggregation_code: str = ""
    image: str = "original"
