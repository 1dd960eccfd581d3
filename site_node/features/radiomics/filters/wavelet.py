"""Separable wavelets, undecimated (IBSI-2 3.5, 25BO)."""

from functools import reduce
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from site_node.features.arrays import Box

from ..model import Model, Spacing
from .convolve import Boundary, Pooling, Taps, Volume, centred, rotation_pooled, separable, with_level

_R3, _R10, _R7 = np.sqrt([3, 10, 7])
_D3 = np.sqrt(5 + 2 * _R10)
# Low-pass decomposition filters in closed form (Daubechies 1992, tables 6.1 and 8.1).
LOW_PASS = {
    "haar": np.array([1, 1]) / np.sqrt(2),
    "db2": np.array([1 - _R3, 3 - _R3, 3 + _R3, 1 + _R3]) / (4 * np.sqrt(2)),
    "db3": np.array(
        [
            1 + _R10 - _D3,
            5 + _R10 - 3 * _D3,
            10 - 2 * _R10 - 2 * _D3,
            10 - 2 * _R10 + 2 * _D3,
            5 + _R10 + 3 * _D3,
            1 + _R10 + _D3,
        ]
    )
    / (16 * np.sqrt(2)),
    "coif1": np.array([_R7 - 3, 1 - _R7, 14 - 2 * _R7, 14 + 2 * _R7, 5 + _R7, 1 - _R7]) / (16 * np.sqrt(2)),
}


class Wavelet(Model):
    """One band of a stationary wavelet decomposition: L or H along x, y (and z), at a level from 1.

    Bands of higher levels are taken of the band that is low along every axis.
    """

    filter: Literal["wavelet"] = "wavelet"
    family: Literal["haar", "db2", "db3", "coif1"] = "coif1"
    band: Annotated[str, Field(pattern=r"^[LH]{2,3}$")] = "HHH"
    level: Annotated[int, Field(ge=1, le=8)] = 1
    pooling: Pooling | None = None
    boundary: Boundary = "mirror"

    @property
    def name(self) -> str:
        return f"wavelet_{self.family}_{self.band}_{self.level}" + (
            f"_{self.pooling}" if self.pooling else ""
        )

    def reach_mm(self, spacing_mm: Spacing) -> float | None:
        """How far the filter looks."""
        return len(LOW_PASS[self.family]) * 2.0**self.level * max(spacing_mm)

    @property
    def taps(self) -> tuple[Taps, ...]:
        """The filter along x, y (and z)."""
        return tuple(band_taps(self.family, letter, self.level) for letter in self.band)

    def response(self, image: Volume, spacing_mm: Spacing, box: Box | None = None) -> Volume:
        """The filtered image in the box."""
        single, level = centred(image, self.boundary)
        if self.pooling is None:
            response = separable(single, self.taps, self.boundary, box)
        else:
            response = rotation_pooled(single, self.taps, self.pooling, self.boundary, box)
        return with_level(response, level, self.taps)


def band_taps(family: str, letter: str, level: int) -> Taps:
    """The filter of one axis: low-pass at each level before the last, with twice the holes each time."""
    low, high = decomposition(family)
    filters = [low] * (level - 1) + [low if letter == "L" else high]
    return reduce(Taps.then, (taps.dilated(2**n) for n, taps in enumerate(filters)))


def decomposition(family: str) -> tuple[Taps, Taps]:
    """The low-pass and high-pass filters of level 1 as correlations.

    A convolution turns a filter round; of an even filter's two middle weights the first falls on the voxel.
    """
    low = LOW_PASS[family]
    high = low[::-1] * (-1.0) ** np.arange(low.size)
    first = 1 - low.size // 2
    return Taps(first, tuple(low[::-1].tolist())), Taps(first, tuple((-high[::-1]).tolist()))
