"""The kinds of array that features are computed from."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Box = tuple[slice, slice, slice]
"""A part of a volume, (z, y, x)."""
