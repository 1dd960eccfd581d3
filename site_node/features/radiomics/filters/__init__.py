"""The convolutional filters of IBSI-2; each is its own settings and has `response(image, spacing_mm)`."""

from typing import Annotated

from pydantic import Field

from .gabor import Gabor
from .laplacian import LaplacianOfGaussian
from .laws import Laws
from .mean import Mean
from .simoncelli import RieszLaplacian, Simoncelli
from .wavelet import Wavelet

__all__ = [
    "Filter", "Gabor", "LaplacianOfGaussian", "Laws", "Mean", "RieszLaplacian", "Simoncelli", "Wavelet",
]  # fmt: skip

Filter = Annotated[
    Mean | LaplacianOfGaussian | Laws | Gabor | Wavelet | Simoncelli | RieszLaplacian,
    Field(discriminator="filter"),
]
