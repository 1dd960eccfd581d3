"""Laplacian-of-Gaussian filter (IBSI-2 3.2, L6PA)."""

from typing import Literal

import numpy as np

from ..model import Model, Positive, Spacing
from .convolve import Boundary, Image, Taps, along


class LaplacianOfGaussian(Model):
    """The Laplacian of the image smoothed by a Gaussian of `sigma_mm`, cut at `cutoff` sigma."""

    filter: Literal["LoG"] = "LoG"
    sigma_mm: Positive = 3.0
    cutoff: Positive = 4.0
    dimension: Literal["2D", "3D"] = "3D"
    boundary: Boundary = "mirror"

    @property
    def name(self) -> str:
        return f"log_{self.dimension}_{self.sigma_mm:g}mm"

    def reach_mm(self, spacing_mm: Spacing) -> float | None:
        """How far the filter looks."""
        return self.sigma_mm * self.cutoff + max(spacing_mm)

    def response(self, image: Image, spacing_mm: Spacing) -> Image:
        """The filtered image: the sum of the second derivatives, each smoothed along the other axes."""
        axes = (2, 1, 0) if self.dimension == "3D" else (2, 1)
        smooth = {axis: self._taps(spacing_mm[axis], 0) for axis in axes}
        second = {axis: self._taps(spacing_mm[axis], 2) for axis in axes}
        # after each axis: what is only smoothed so far, and what has its derivative already
        plain, derived = image, None
        for axis in axes:
            curved = along(plain, axis, second[axis], self.boundary)
            if derived is not None:
                curved += along(derived, axis, smooth[axis], self.boundary)
            derived = curved
            if axis != axes[-1]:
                plain = along(plain, axis, smooth[axis], self.boundary)
        assert derived is not None
        return derived

    def _taps(self, spacing_mm: float, derivative: Literal[0, 2]) -> Taps:
        """The Gaussian, or its second derivative, in voxels of one axis."""
        sigma = self.sigma_mm / spacing_mm
        reach = int(np.floor(self.cutoff * sigma + 0.5))
        x = np.arange(-reach, reach + 1)
        gauss = np.exp(-(x**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
        if derivative == 2:
            gauss *= (x**2 / sigma**2 - 1) / sigma**2
        return Taps.centred(gauss)
