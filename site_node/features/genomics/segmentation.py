"""Circular binary segmentation of log2 ratios (Olshen et al. 2004, Biostatistics 5:557, section 3).

The two ends of a chromosome are joined to a circle. Of all arcs the one whose mean differs most from that of
the rest is tested against the largest arc of random orders of the same values; where chance reaches it
seldom, its ends are change points, each tested once more against its neighbour alone (an arc that ends near
the end of the chromosome has one change point, not two), and the parts are treated in the same way.

The published procedure is kept, without the later approximation of the tail (Venkatraman and Olshen 2007):
the exact search for the largest arc is fast enough for 10,000 markers per chromosome.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from site_node.features.arrays import Floats
from site_node.features.genomics.segmentation_kernels import arcs_by_chance, largest_arc, means_by_chance


@dataclass(frozen=True)
class Segmentation:
    """How segments are found.

    Attributes:
        alpha: a change is believed where chance makes as large a one in at most this fraction of orders.
        draws: random orders a test.
        least_markers: markers that a segment has at least.
        seed: of the random orders; the same values give the same segments.
    """

    alpha: float = 0.01
    draws: int = 999
    least_markers: int = 2
    seed: int = 2004

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 1 and self.draws > 0 and self.least_markers >= 1):
            raise ValueError("alpha is between 0 and 1, draws and least_markers are at least 1")
        if (self.draws + 1) * self.alpha < 1:
            raise ValueError("with so few draws no change can be believed at this alpha")

    @property
    def most_by_chance(self) -> int:
        """How often chance may reach what was observed: p = (reached + 1) / (draws + 1) <= alpha."""
        return int((self.draws + 1) * self.alpha + 1e-9) - 1


USUAL = Segmentation()


def segment(values: Floats, how: Segmentation = USUAL) -> NDArray[np.int64]:
    """(k + 1,) the ends 0 < … < n of the segments: segment s is values[ends[s] : ends[s + 1]].

    Args:
        values: (n,) finite log2 ratios of one chromosome in the order of their positions.
    """
    ends = {0, len(values)}
    open_parts = [(0, len(values))]
    while open_parts:
        start, stop = open_parts.pop()
        changes = [start + change for change in _changes(values[start:stop], how)]
        ends.update(changes)
        bounds = [start, *changes, stop]
        if changes:
            open_parts.extend(pairwise(bounds))
    return np.array(sorted(ends), dtype=np.int64)


def means(values: Floats, ends: NDArray[np.int64]) -> Floats:
    """(k,) the mean of each segment."""
    if len(values) == 0:
        return np.zeros(0)
    return np.add.reduceat(values, ends[:-1]) / np.diff(ends)


def _changes(values: Floats, how: Segmentation) -> list[int]:
    """The change points inside one part: none, one or two."""
    n = len(values)
    if n < 2 * how.least_markers:
        return []
    centred = values - values.mean()
    total = float(centred @ centred)
    if total <= 1e-20 * max(1.0, float(values @ values)):
        return []  # constant up to rounding
    sums = np.concatenate([[0.0], np.cumsum(centred)])
    sums[-1] = 0.0
    statistic, i, j = largest_arc(sums, how.least_markers, 0.0, False)
    if i < 0:
        return []
    most = how.most_by_chance
    if arcs_by_chance(centred, how.least_markers, statistic, how.draws, most, how.seed) > most:
        return []
    inner = [change for change in (i, j) if how.least_markers <= change <= n - how.least_markers]
    if len(inner) < 2:
        return inner or [change for change in (i, j) if 0 < change < n]
    return [change for change in inner if _is_change(centred, change, i, j, how)]


def _is_change(values: Floats, change: int, i: int, j: int, how: Segmentation) -> bool:
    """Whether the arc differs from its neighbour on this side."""
    part = values[:j] if change == i else values[i:]
    n_left = i if change == i else j - i
    reached = means_by_chance(part, n_left, how.draws, how.most_by_chance, how.seed)
    return reached <= how.most_by_chance
