"""Gabor filter, in planes (IBSI-2 3.4, Q88H)."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import fft

from site_node.features.arrays import Box

from ..model import Model, Positive, Spacing
from .convolve import PAD_MODES, Boundary, Image, Volume, centred, cut


class Gabor(Model):
    """The modulus of the response to a plane wave of `wavelength_mm` under a Gaussian of `sigma_mm`.

    `gamma` is the Gaussian's aspect ratio, `theta` the wave's direction; with `theta_step` the response is
    the mean over all directions, and with `orthogonal_planes` over the three orthogonal planes too.
    """

    filter: Literal["Gabor"] = "Gabor"
    sigma_mm: Positive = 5.0
    wavelength_mm: Positive = 2.0
    gamma: Positive = 1.5
    theta: float = 0.0
    theta_step: Positive | None = Field(default=None, le=float(np.pi))
    orthogonal_planes: bool = False
    cutoff: Positive = 4.0
    boundary: Boundary = "mirror"

    @property
    def name(self) -> str:
        turn = f"{self.theta:.4g}" if self.theta_step is None else f"step{self.theta_step:.4g}"
        planes = "3D" if self.orthogonal_planes else "2D"
        return f"gabor_{planes}_{self.sigma_mm:g}mm_{self.wavelength_mm:g}mm_{self.gamma:g}_{turn}"

    def reach_mm(self, spacing_mm: Spacing) -> float | None:
        """How far the filter looks."""
        return self._radius_mm + max(spacing_mm)

    @property
    def _radius_mm(self) -> float:
        return self.cutoff * self.sigma_mm * max(1.0, 1 / self.gamma)

    def response(self, image: Volume, spacing_mm: Spacing, box: Box | None = None) -> Volume:
        """The filtered image in the box."""
        # the plane's axes (rows, columns): transverse, then with z in the place of y, then of x
        planes = [(1, 2), (0, 2), (0, 1)] if self.orthogonal_planes else [(1, 2)]
        single, level = centred(image, self.boundary)
        response = np.mean([self._in_plane(single, level, plane, spacing_mm) for plane in planes], axis=0)
        return cut(response, box)

    def _in_plane(self, image: Image, level: float, plane: tuple[int, int], spacing_mm: Spacing) -> Image:
        """The mean modulus over all directions of the image with this level added."""
        spacing = (spacing_mm[plane[0]], spacing_mm[plane[1]])
        radius = [int(np.ceil(self._radius_mm / mm)) for mm in spacing]
        pad = [(0, 0)] * 3
        pad[plane[0]], pad[plane[1]] = (radius[0],) * 2, (radius[1],) * 2
        padded = np.pad(image, pad, mode=PAD_MODES[self.boundary])
        shape = [fft.next_fast_len(padded.shape[axis]) for axis in plane]
        spectrum = fft.fft2(padded, shape, axes=plane)
        inner = tuple(slice(low, low + size) for (low, _), size in zip(pad, image.shape, strict=True))
        total = np.zeros(image.shape, dtype=np.float32)
        angles = self._angles()
        for theta in angles:
            kernel = np.zeros(shape, dtype=np.complex64)
            weights = self._kernel(theta, radius, spacing)
            kernel[: 2 * radius[0] + 1, : 2 * radius[1] + 1] = weights
            kernel = np.roll(kernel, (-radius[0], -radius[1]), axis=(0, 1))
            wave = np.expand_dims(fft.fft2(kernel), next(iter({0, 1, 2} - set(plane))))
            constant = np.complex64(level * weights.sum())  # a constant passes by the weights' sum
            total += np.abs(fft.ifft2(spectrum * wave, axes=plane)[inner] + constant)
        return total / np.float32(len(angles))

    def _angles(self) -> NDArray[np.float64]:
        if self.theta_step is None:
            return np.array([self.theta])
        # half a turn is enough: turning by pi conjugates the response to a real image
        return np.arange(0, np.pi - 1e-9, self.theta_step)

    def _kernel(
        self, theta: float, radius: list[int], spacing: tuple[float, float]
    ) -> NDArray[np.complex128]:
        """The filter of eq. 22 on (rows, columns)."""
        k2, k1 = np.meshgrid(
            *(np.arange(-r, r + 1) * mm for r, mm in zip(radius, spacing, strict=True)), indexing="ij"
        )
        along = k1 * np.cos(theta) + k2 * np.sin(theta)
        across = -k1 * np.sin(theta) + k2 * np.cos(theta)
        decay = (along**2 + (self.gamma * across) ** 2) / (2 * self.sigma_mm**2)
        return np.asarray(np.exp(-decay + 2j * np.pi * along / self.wavelength_mm))
