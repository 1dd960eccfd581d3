"""Laplacian-of-Gaussian filter (IBSI-2 3.2, L6PA)."""

from typing import Literal

import numpy as np

from site_node.features.arrays import Box

from ..model import Model, Positive, Spacing
from .convolve import WHOLE, Boundary, Taps, Volume, along, centred


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

    def response(self, image: Volume, spacing_mm: Spacing, box: Box | None = None) -> Volume:
        """The filtered image in the box: the sum of second derivatives, smoothed along the other axes."""
        keep = box or (WHOLE, WHOLE, WHOLE)
        axes = (0, 1, 2) if self.dimension == "3D" else (1, 2)
        single, level = centred(image, self.boundary)
        # after each axis: what is only smoothed so far, and what has its derivative already; so of a constant
        plain, derived = (single if axes[0] == 0 else np.ascontiguousarray(single[keep[0]])), None
        smoothed, curvature = level, 0.0
        for axis in axes:
            smooth, second = (self._taps(spacing_mm[axis], derivative) for derivative in (0, 2))
            curved = along(plain, axis, second, self.boundary, keep[axis])
            if derived is not None:
                curved += along(derived, axis, smooth, self.boundary, keep[axis])
            derived = curved
            if axis != 2:
                plain = along(plain, axis, smooth, self.boundary, keep[axis])
            curvature = smoothed * sum(second.weights) + curvature * sum(smooth.weights)
            smoothed *= sum(smooth.weights)
        assert derived is not None
        return np.add(derived, curvature, dtype=np.float64)

    def _taps(self, spacing_mm: float, derivative: int) -> Taps:
        """The Gaussian, or its second derivative, in voxels of one axis."""
        sigma = self.sigma_mm / spacing_mm
        reach = int(np.floor(self.cutoff * sigma + 0.5))
        x = np.arange(-reach, reach + 1)
        gauss = np.exp(-(x**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
        if derivative == 2:
            gauss *= (x**2 / sigma**2 - 1) / sigma**2
        return Taps.centred(gauss)
