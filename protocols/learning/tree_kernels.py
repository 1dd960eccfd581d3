"""Loops over people that trees need, compiled once and kept on disk: where people are, and sums by bin.

Sums are added in the order of rows and nothing is contracted or reordered, so they are those of
`numpy.bincount` to the last bit, on every processor. Indices are not checked here: the callers do.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from protocols.core.table import Floats, Integers

Bins = NDArray[np.uint16]

F = TypeVar("F", bound=Callable[..., Any])


def _kernel(function: F) -> F:
    """The function compiled by numba at its first call, kept on disk for the next process."""
    compiled: F = numba.njit(cache=True, nogil=True)(function)
    return compiled


@_kernel
def walk(bins: Bins, feature: Integers, cut: Integers, missing_left: Integers, missing: int) -> Integers:
    """The (n,) places where people with (n, f) bins end in one tree of (places,) splits.

    Whose bin is at most `cut` goes left; bin `missing` goes where `missing_left` says.
    """
    place = np.zeros(len(bins), dtype=np.int64)
    for i in range(len(bins)):
        at = 0
        while feature[at] >= 0:
            own = bins[i, feature[at]]
            left = missing_left[at] == 1 if own == missing else own <= cut[at]
            at = 2 * at + 2 - left
        place[i] = at
    return place


@_kernel
def sums_by_bin(bins: Bins, columns: Integers, node: Integers, weights: Floats, size: int) -> Floats:
    """The (nodes, m, size, 3) people and sums of (n, 2) weights by node, column of the node, and bin.

    A node looks at its row of the (nodes, m) columns; people of node -1 are left out.
    """
    nodes, m = columns.shape
    sums = np.zeros((nodes, m, size, 3))
    for i in range(len(bins)):
        at = node[i]
        if at < 0:
            continue
        first, second = weights[i, 0], weights[i, 1]
        for j in range(m):
            cell = sums[at, j, bins[i, columns[at, j]]]
            cell[0] += 1.0
            cell[1] += first
            cell[2] += second
    return sums
