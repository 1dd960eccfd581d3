"""The loops of separable filters; `source` (place, tap) is the voxel a tap sees from a place, -1 for none."""

import numpy as np
from numpy.typing import NDArray

from ..compiled import kernel

Image = NDArray[np.float64]


@kernel
def correlate_middle(image: Image, source: NDArray[np.int64], weights: NDArray[np.float64]) -> Image:
    """The image (outer, axis, inner) filtered along its middle axis."""
    n_outer, n, n_inner = image.shape
    result = np.zeros_like(image)
    for outer in range(n_outer):
        for place in range(n):
            into = result[outer, place]
            for tap in range(weights.size):
                at = source[place, tap]
                if at >= 0:
                    weight = weights[tap]
                    line = image[outer, at]
                    for i in range(n_inner):
                        into[i] += weight * line[i]
    return result


@kernel
def correlate_last(image: Image, source: NDArray[np.int64], weights: NDArray[np.float64]) -> Image:
    """The image (z, y, x) filtered along x."""
    n_z, n_y, n_x = image.shape
    result = np.zeros_like(image)
    line = np.zeros((weights.size, n_x))
    for z in range(n_z):
        for y in range(n_y):
            row, into = image[z, y], result[z, y]
            for tap in range(weights.size):
                for x in range(n_x):
                    at = source[x, tap]
                    line[tap, x] = row[at] if at >= 0 else 0.0
            for tap in range(weights.size):
                weight = weights[tap]
                for x in range(n_x):
                    into[x] += weight * line[tap, x]
    return result
