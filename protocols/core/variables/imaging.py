"""Variables of images: features of regions, scores of readers, and the scanners that made them."""

from typing import Literal

from pydantic import Field

from protocols.core.variables.variable import VariableKind


class ImageFeature(VariableKind):
    """An image feature by its name in a site's table: a reader's score (`vasari_f5`) or another engine's."""

    kind: Literal["image_feature"]
    feature: str = Field(max_length=200)


class Radiomic(VariableKind):
    """A radiomic feature of a region: IBSI name or code, modality, region, filter."""

    kind: Literal["radiomic"]
    feature: str = Field(max_length=80)
    modality: Literal["CT", "MR", "PT"]
    region: str = Field(max_length=64)
    filter: str = "none"


ScannerPart = Literal[
    "manufacturer", "model", "kernel", "slice_thickness", "field_strength", "kvp", "contrast"
]


class Scanner(VariableKind):
    """A label: the scanner of this modality's images. It never leaves the site; ComBat batches on it."""

    kind: Literal["scanner"]
    modality: Literal["CT", "MR", "PT"]
    by: tuple[ScannerPart, ...] = ("manufacturer", "model")


Imaging = ImageFeature | Radiomic | Scanner
