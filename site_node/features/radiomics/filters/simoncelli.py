"""Non-separable wavelets: Simoncelli (IBSI-2 3.6, PRT7), and Riesz transforms (IBSI-2 3.7, AYRS)."""

from collections.abc import Callable
from math import factorial, prod
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import fft

from site_node.features.arrays import Box

from ..model import Model, Spacing
from .convolve import Volume, cut
from .laplacian import LaplacianOfGaussian

Order = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


Transfer = Callable[[list[NDArray[np.float64]]], NDArray[np.complex128]]


class Simoncelli(Model):
    """One isotropic band of frequencies; a level halves them. `riesz` derives it, orders along (x, y, z)."""

    filter: Literal["Simoncelli"] = "Simoncelli"
    level: Annotated[int, Field(ge=1, le=8)] = 1
    dimension: Literal["2D", "3D"] = "3D"
    riesz: Order | None = None

    @property
    def name(self) -> str:
        return f"simoncelli_{self.dimension}_{self.level}" + _riesz_name(self.riesz)

    def reach_mm(self, spacing_mm: Spacing) -> float | None:
        """None: the filter sees the whole image."""
        return None

    def response(self, image: Volume, spacing_mm: Spacing, box: Box | None = None) -> Volume:
        """The filtered image in the box."""

        def transfer(frequencies: list[NDArray[np.float64]]) -> NDArray[np.complex128]:
            radius = np.sqrt(sum(f**2 for f in frequencies)) * 2.0 ** (self.level - 1)  # 1 is Nyquist
            inside = (radius > 0.25) & (radius <= 1)
            band = np.where(inside, np.cos(np.pi / 2 * np.log2(2 * np.where(inside, radius, 1.0))), 0.0)
            return band * (1.0 if self.riesz is None else riesz_transfer(frequencies, self.riesz))

        return cut(in_frequencies(image, transfer, int(self.dimension[0])), box)


class RieszLaplacian(Model):
    """The Riesz transform of a Laplacian of Gaussian, orders along (x, y, z)."""

    filter: Literal["RieszLoG"] = "RieszLoG"
    laplacian: LaplacianOfGaussian = LaplacianOfGaussian()
    riesz: Order = (1, 0, 0)

    @property
    def name(self) -> str:
        return self.laplacian.name + _riesz_name(self.riesz)

    def reach_mm(self, spacing_mm: Spacing) -> float | None:
        """None: the filter sees the whole image."""
        return None

    def response(self, image: Volume, spacing_mm: Spacing, box: Box | None = None) -> Volume:
        """The filtered image in the box."""
        smooth = self.laplacian.response(image, spacing_mm)
        dimension = int(self.laplacian.dimension[0])
        return cut(in_frequencies(smooth, lambda f: riesz_transfer(f, self.riesz), dimension), box)


def _riesz_name(order: Order | None) -> str:
    return "" if order is None else "_riesz_" + "".join(map(str, order))


def riesz_transfer(frequencies: list[NDArray[np.float64]], order: Order) -> NDArray[np.complex128]:
    """The transfer function of eq. 34 on frequencies in the order (..., y, x)."""
    total = sum(order)
    radius = np.sqrt(sum(f**2 for f in frequencies))
    radius = np.where(radius == 0, 1.0, radius)
    product = np.ones_like(radius)
    for f, times in zip(frequencies[::-1], order, strict=False):
        product = product * f**times
    scale = np.sqrt(factorial(total) / prod(map(factorial, order)))
    return np.asarray((-1j) ** total * scale * product / radius**total)


def in_frequencies(image: Volume, transfer: Transfer, dimension: int) -> Volume:
    """The image filtered by a transfer function of the frequencies (1 is Nyquist) along its last axes.

    The image is periodic to a Fourier transform; IBSI-2's reference values are met without padding it.
    """
    axes = tuple(range(3 - dimension, 3))
    # IBSI's consensus maps sample frequencies from -1 to 1 inclusive, for even sizes too
    lines = [fft.ifftshift(np.linspace(-1, 1, image.shape[axis])) for axis in axes]
    frequencies = list(np.meshgrid(*lines, indexing="ij", sparse=True))
    spectrum = fft.fftn(image, axes=axes) * transfer(frequencies)
    return np.asarray(fft.ifftn(spectrum, axes=axes).real)
