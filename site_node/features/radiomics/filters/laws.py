"""Laws kernels and their energy images (IBSI-2 3.3, JTXT)."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from site_node.features.arrays import Box

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

    def response(self, image: Image, spacing_mm: Spacing, box: Box | None = None) -> Image:
        """The filtered image in the box."""
        names = [self.kernels[i : i + 2] for i in range(0, len(self.kernels), 2)]
        taps = tuple(_taps(name) for name in names)
        wide = None if self.energy_distance is not None else box  # the energy looks around each voxel
        if self.pooling is None:
            response = separable(image, taps, self.boundary, wide)
        else:
            response = rotation_pooled(image, taps, self.pooling, self.boundary, wide)
        if self.energy_distance is None:
            return response
        width = 2 * self.energy_distance + 1
        mean = Taps.centred([1 / width] * width)
        return separable(np.abs(response), (mean,) * len(taps), self.boundary, box)


def _taps(name: str) -> Taps:
    """A kernel of unit length; convolution, which is meant, turns it round."""
    weights = np.array(KERNELS[name], dtype=np.float64)
    return Taps.centred(weights / np.linalg.norm(weights)).flipped
