"""Laws kernels and their energy images (IBSI-2 3.3, JTXT)."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ..model import Model, Spacing
from .convolve import Boundary, Image, Pooling, Taps, rotation_pooled, separable

KERNELS = {
    "L3": (1, 2, 1),
    "L5": (1, 4, 6, 4, 1),
    "E3": (-1, 0, 1),
    "E5": (-1, -2, 0, 2, 1),
    "S3": (-1, 2, -1),
    "S5": (-1, 0, 2, 0, -1),
    "W5": (-1, 2, 0, -2, 1),
    "R5": (1, -4, 6, -4, 1),
}


class Laws(Model):
    """The response to one-dimensional kernels along x, y (and z), "L5E5" or "L5E5E5".

    `pooling` makes it invariant to right-angle rotations; `energy_distance` takes the mean absolute response
    within that Chebyshev distance.
    """

    filter: Literal["Laws"] = "Laws"
    kernels: Annotated[str, Field(pattern=r"^([LESWR][35]){2,3}$")] = "L5E5E5"
    pooling: Pooling | None = "max"
    energy_distance: Annotated[int, Field(ge=0)] | None = 7
    boundary: Boundary = "mirror"

    @property
    def name(self) -> str:
        energy = "" if self.energy_distance is None else f"_energy{self.energy_distance}"
        return f"laws_{self.kernels}" + (f"_{self.pooling}" if self.pooling else "") + energy

    def reach_mm(self, spacing_mm: Spacing) -> float | None:
        """How far the filter looks."""
        return (3 + (self.energy_distance or 0)) * max(spacing_mm)

    def response(self, image: Image, spacing_mm: Spacing) -> Image:
        """The filtered image."""
        names = [self.kernels[i : i + 2] for i in range(0, len(self.kernels), 2)]
        taps = tuple(_taps(name) for name in names)
        if self.pooling is None:
            response = separable(image, taps, self.boundary)
        else:
            response = rotation_pooled(image, taps, self.pooling, self.boundary)
        if self.energy_distance is None:
            return response
        width = 2 * self.energy_distance + 1
        return separable(np.abs(response), (Taps.centred([1 / width] * width),) * len(taps), self.boundary)


def _taps(name: str) -> Taps:
    """A kernel of unit length; convolution, which is meant, turns it round."""
    weights = np.array(KERNELS[name], dtype=np.float64)
    return Taps.centred(weights / np.linalg.norm(weights)).flipped
