"""Variables of images: features of regions, scores of readers, and the scanners that made them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

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


Region = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
MOST_TARGETS = 5
Lesions = Annotated[tuple[Region, ...], Field(max_length=20)]


class Response(VariableKind):
    """The response to treatment by RECIST 1.1, from the diameters of lesions at visits after the index date.

    targets, nodes: up to five regions to sum up, by longest diameters and, of lymph nodes, short axes.
    others: lesions that are followed and not summed; new: names under which a new lesion is drawn.
    says: objective_response is 1 for a best response CR or PR and 0 for SD, PD; disease_control is 1 for SD,
        too; best_change is the smallest change of the sum in percent. Without a baseline or a visit that
        can be evaluated all are missing.
    confirmed: whether a response counts only if a visit 28 days later or more says so again.
    baseline_days: how long before the index date the baseline may be; the last visit by that date counts.
    """

    kind: Literal["response"]
    modality: Literal["CT", "MR"]
    targets: Lesions = ()
    nodes: Lesions = ()
    others: Lesions = ()
    new: Lesions = ()
    says: Literal["objective_response", "disease_control", "best_change"] = "objective_response"
    confirmed: bool = True
    baseline_days: int = Field(default=28, ge=0, le=365)

    @model_validator(mode="after")
    def _has_targets(self) -> "Response":
        names = (*self.targets, *self.nodes, *self.others, *self.new)
        if len(set(names)) < len(names):
            raise ValueError("a region is named twice")
        if not 1 <= len(self.targets) + len(self.nodes) <= MOST_TARGETS:
            raise ValueError(f"name one to {MOST_TARGETS} regions in `targets` and `nodes` together")
        return self


Imaging = ImageFeature | Radiomic | Scanner | Response
