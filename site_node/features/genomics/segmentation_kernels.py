"""The loops of circular binary segmentation: the largest arc statistic, and how often chance reaches it."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from site_node.features.arrays import Floats

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """The function compiled by numba at its first call, kept on disk for the next process."""
    compiled: F = numba.njit(cache=True, nogil=True)(function)
    return compiled


@kernel
def largest_arc(sums: Floats, least: int, known: float, first_only: bool) -> tuple[float, int, int]:
    """(statistic, i, j) of the arc (i, j] whose mean differs most from that of the rest.

    The statistic is n (S_j - S_i)^2 / (L (n - L)) with L = j - i: Olshen's Z squared times the variance.
    All pairs of a block of i and a block of j are left out at once where the range of S over the two blocks
    does not let any of them exceed the best: exact, and near n^(4/3) steps instead of n^2.

    Args:
        sums: (n + 1,) cumulative sums S_0 = 0, S_1, …, S_n of centred values, so that S_n is 0.
        least: markers that an arc and its complement have at least.
        known: arcs up to this statistic are of no interest.
        first_only: stop at the first arc above it, the largest or not.
    """
    n = len(sums) - 1
    width = max(4, int((n / 4.0) ** (1.0 / 3.0)))
    blocks = (n + width) // width
    low, high = np.empty(blocks), np.empty(blocks)
    for block in range(blocks):
        part = sums[block * width : min(n + 1, (block + 1) * width)]
        low[block], high[block] = part.min(), part.max()
    best, best_i, best_j = known, -1, -1
    for apart in range(blocks):
        shortest = max(least, (apart - 1) * width + 1)
        longest = min(n - least, (apart + 1) * width - 1)
        if shortest > longest:
            continue
        # L (n - L) is concave, so it is smallest at one end of the range of lengths
        scale = n / min(shortest * float(n - shortest), longest * float(n - longest))
        for a in range(blocks - apart):
            b = a + apart
            rise = max(high[b] - low[a], high[a] - low[b])
            if rise * rise * scale <= best:
                continue
            for i in range(a * width, min(n + 1, (a + 1) * width)):
                for j in range(max(b * width, i + least), min(n + 1, (b + 1) * width, i + n - least + 1)):
                    length = j - i
                    difference = sums[j] - sums[i]
                    statistic = n * difference * difference / (length * float(n - length))
                    if statistic > best:
                        best, best_i, best_j = statistic, i, j
                        if first_only:
                            return best, best_i, best_j
    return best, best_i, best_j


@kernel
def arcs_by_chance(values: Floats, least: int, observed: float, draws: int, most: int, seed: int) -> int:
    """In how many of `draws` orders of (n,) centred values an arc reaches `observed`; stops above `most`."""
    np.random.seed(seed)
    shuffled = values.copy()
    sums = np.zeros(len(values) + 1)
    reached = 0
    for _ in range(draws):
        np.random.shuffle(shuffled)
        sums[1:] = np.cumsum(shuffled)
        # an order that gives the very same arc has reached it: rounding must not decide
        if largest_arc(sums, least, observed * (1.0 - 1e-12), True)[1] >= 0:
            reached += 1
            if reached > most:
                break
    return reached


@kernel
def means_by_chance(values: Floats, n_left: int, draws: int, most: int, seed: int) -> int:
    """In how many orders of (n,) values the mean of the first `n_left` is as far from the others' as here."""
    np.random.seed(seed)
    shuffled = values - values.mean()
    observed = abs(shuffled[:n_left].sum()) * (1.0 - 1e-12)
    reached = 0
    for _ in range(draws):
        np.random.shuffle(shuffled)
        if abs(shuffled[:n_left].sum()) >= observed:
            reached += 1
            if reached > most:
                break
    return reached
