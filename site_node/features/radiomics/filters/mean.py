"""Mean filter (IBSI-2 3.1, S60F)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from site_node.features.arrays import Box

from ..model import Model, Spacing
from .convolve import Boundary, Taps, Volume, centred, separable, with_level


class Mean(Model):
    """The mean over a square or cube of `support` voxels a side, an odd number."""

    filter: Literal["mean"] = "mean"
    support: Annotated[int, Field(ge=1)] = 5
    dimension: Literal["2D", "3D"] = "3D"
    boundary: Boundary = "mirror"

    @model_validator(mode="after")
    def check_odd(self) -> Self:
        if self.support % 2 == 0:
            raise ValueError("support must be odd")
        return self

    @property
    def name(self) -> str:
        return f"mean_{self.dimension}_{self.support}"

    def reach_mm(self, spacing_mm: Spacing) -> float | None:
        """How far the filter looks."""
        return self.support / 2 * max(spacing_mm)

    def response(self, image: Volume, spacing_mm: Spacing, box: Box | None = None) -> Volume:
        """The filtered image in the box."""
        taps = (Taps.centred([1 / self.support] * self.support),) * int(self.dimension[0])
        single, level = centred(image, self.boundary)
        return with_level(separable(single, taps, self.boundary, box), level, taps)
