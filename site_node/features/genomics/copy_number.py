"""Copy number of genes from the segments of a sample, as a log2 ratio and as a call from -2 to 2."""

from typing import NamedTuple

import numpy as np

from site_node.features.arrays import Floats, Integers

# CNVkit's thresholds of `call` (-1.1, -0.25, 0.2, 0.7): the log2 ratios between 0, 1, 2, 3 and 4 copies of a
# diploid genome, with room for the normal cells of a sample.
DEEP_LOSS, LOSS, GAIN, AMPLIFICATION = -1.1, -0.25, 0.2, 0.7
DIPLOID = 2.0


class Segments(NamedTuple):
    """Segments of one chromosome of one sample, in ascending order and without overlap.

    Attributes:
        start, end: (k,) first and last base, from 1.
        log2_ratio: (k,) mean log2 ratio to a diploid genome.
    """

    start: Integers
    end: Integers
    log2_ratio: Floats


def calls(log2_ratio: Floats) -> Floats:
    """-2 deep loss, -1 loss, 0 neutral, 1 gain, 2 amplification, of any shape; NaN of NaN."""
    found = np.digitize(log2_ratio, (DEEP_LOSS, LOSS, GAIN, AMPLIFICATION), right=True) - 2.0
    return np.where(np.isnan(log2_ratio), np.nan, found)


def copies(log2_ratio: Floats, purity: Floats | float = 1.0) -> Floats:
    """Copies in a tumour cell: (2 2^r - 2 (1 - purity)) / purity, at least 0; of any shape, broadcast."""
    total = DIPLOID * np.exp2(log2_ratio)
    return np.maximum(0.0, (total - DIPLOID * (1.0 - purity)) / purity)


def of_genes(segments: Segments, start: Integers, end: Integers) -> Floats:
    """(g,) the log2 ratio of the segment that covers most of each gene; NaN where none covers half of it.

    Args:
        start, end: (g,) first and last base of each gene on the segments' chromosome.
    """
    best = np.zeros(len(start), dtype=np.int64)
    chosen = np.full(len(start), -1, dtype=np.int64)
    first = np.searchsorted(segments.end, start, side="left")
    last = np.searchsorted(segments.start, end, side="right")
    for step in range(int((last - first).max(initial=0))):  # genes lie on one segment, seldom on two
        place = np.minimum(first + step, len(segments.start) - 1)
        overlap = np.minimum(segments.end[place], end) - np.maximum(segments.start[place], start) + 1
        better = (first + step < last) & (overlap > best)
        best[better], chosen[better] = overlap[better], place[better]
    covered = (chosen >= 0) & (2 * best >= end - start + 1)
    found = np.full(len(start), np.nan)
    found[covered] = segments.log2_ratio[chosen[covered]]
    return found
