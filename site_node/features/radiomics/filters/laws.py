"""Laws kernels and their energy images (IBSI-2 3.3, JTXT)."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from site_node.features.arrays import Box

from ..model import Model, Spacing
from .convolve import Boundary, Pooling, Taps, Volume, centred, rotation_pooled, separable, with_level

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

    def response(self, image: Volume, spacing_mm: Spacing, box: Box | None = None) -> Volume:
        """The filtered image in the box."""
        single, level = centred(image, self.boundary)
        names = [self.kernels[i : i + 2] for i in range(0, len(self.kernels), 2)]
        taps = tuple(_taps(name) for name in names)
        wide = None if self.energy_distance is not None else box  # the energy looks around each voxel
        if self.pooling is None:
            of_single = separable(single, taps, self.boundary, wide)
        else:
            of_single = rotation_pooled(single, taps, self.pooling, self.boundary, wide)
        response = with_level(of_single, level, taps)
        if self.energy_distance is None:
            return response
        width = 2 * self.energy_distance + 1
        around = (Taps.centred([1 / width] * width),) * len(taps)
        magnitude, level = centred(np.abs(response), self.boundary)
        return with_level(separable(magnitude, around, self.boundary, box), level, around)


def _taps(name: str) -> Taps:
    """A kernel of unit length; convolution, which is meant, turns it round."""
    weights = np.array(KERNELS[name], dtype=np.float64)
    return Taps.centred(weights / np.linalg.norm(weights)).flipped
