"""The loops of separable filters.

`line` says which voxel of an axis stands at each place from the first that a tap can see, -1 for none; tap t
of place p is at line[p + offsets[t]]. Taps go four at a time, so that a result is loaded and stored once for
four.
"""

import numpy as np
from numpy.typing import NDArray

from ..compiled import inlined, kernel

Image = NDArray[np.float32]
"""A volume in single precision, (z, y, x) or (outer, axis, inner)."""
CHUNK = 2048  # voxels of a line that stay in the first cache with the lines they are made of


@inlined
def add_weighted(
    into: NDArray[np.float32],
    a: NDArray[np.float32],
    b: NDArray[np.float32],
    c: NDArray[np.float32],
    d: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> None:
    """Adds to (n,) `into` four (n,) lines by their (4,) weights."""
    p, q, r, s = weights[0], weights[1], weights[2], weights[3]
    for i in range(into.size):
        into[i] += p * a[i] + q * b[i] + r * c[i] + s * d[i]


@kernel
def correlate_middle(
    image: Image, line: NDArray[np.int64], offsets: NDArray[np.int64], weights: NDArray[np.float32]
) -> Image:
    """The image (outer, axis, inner) filtered along its middle axis; taps come in fours."""
    n_outer, _, n_inner = image.shape
    places = line.size - offsets.max()
    result = np.zeros((n_outer, places, n_inner), dtype=np.float32)
    nothing = np.zeros((1, n_inner), dtype=np.float32)
    for outer in range(n_outer):
        for low in range(0, n_inner, CHUNK):
            high = min(low + CHUNK, n_inner)
            for place in range(places):
                into = result[outer, place, low:high]
                for tap in range(0, offsets.size, 4):
                    e, f = line[place + offsets[tap]], line[place + offsets[tap + 1]]
                    g, h = line[place + offsets[tap + 2]], line[place + offsets[tap + 3]]
                    a = image[outer, e, low:high] if e >= 0 else nothing[0, low:high]
                    b = image[outer, f, low:high] if f >= 0 else nothing[0, low:high]
                    c = image[outer, g, low:high] if g >= 0 else nothing[0, low:high]
                    d = image[outer, h, low:high] if h >= 0 else nothing[0, low:high]
                    add_weighted(into, a, b, c, d, weights[tap : tap + 4])
    return result


@kernel
def correlate_last(
    image: Image, line: NDArray[np.int64], offsets: NDArray[np.int64], weights: NDArray[np.float32]
) -> Image:
    """The image (z, y, x) filtered along x; taps come in fours."""
    n_z, n_y, _ = image.shape
    places = line.size - offsets.max()
    result = np.zeros((n_z, n_y, places), dtype=np.float32)
    row = np.zeros(line.size, dtype=np.float32)
    for z in range(n_z):
        for y in range(n_y):
            for i in range(line.size):
                row[i] = image[z, y, line[i]] if line[i] >= 0 else np.float32(0)
            for tap in range(0, offsets.size, 4):
                a = row[offsets[tap] : offsets[tap] + places]
                b = row[offsets[tap + 1] : offsets[tap + 1] + places]
                c = row[offsets[tap + 2] : offsets[tap + 2] + places]
                d = row[offsets[tap + 3] : offsets[tap + 3] + places]
                add_weighted(result[z, y], a, b, c, d, weights[tap : tap + 4])
    return result
