"""How active a set of genes is in one person, from the ranks of this person's genes.

Reference: Barbie et al., Nature 462 (2009) 108 (ssGSEA); Haenzelmann et al., BMC Bioinformatics 14 (2013) 7
(GSVA). Details as in the Bioconductor package GSVA 1.46: an average rank of ties is cut to its whole part,
and ties in a walk go by the order of the genes.
"""

import numpy as np
from scipy.stats import rankdata

from protocols.core.table import Floats, Integers, Mask

SSGSEA_WEIGHT = 0.25
"""The power of a rank in the walk of ssGSEA."""


def ssgsea(x: Floats, members: Mask) -> Floats:
    """(n, s) enrichment scores of (m, s) sets in (n, m) numbers, not divided by their range.

    The sum over genes of the difference between two distributions along the ranks, from the largest down:
    of the set's genes, weighted by their rank to the power 0.25, and of all others.
    """
    m = x.shape[1]
    ranks = np.trunc(rankdata(x, axis=1))
    order = np.argsort(-ranks, axis=1, kind="stable")
    left = np.empty(x.shape)  # how many steps of the walk are left, its own among them
    np.put_along_axis(left, order, np.arange(m, 0, -1, dtype=np.float64)[None, :], axis=1)
    weight, inside = ranks**SSGSEA_WEIGHT, members.astype(np.float64)
    of_set = ((weight * left) @ inside) / (weight @ inside)
    of_others = (m * (m + 1) / 2 - left @ inside) / (m - inside.sum(axis=0))
    scores: Floats = of_set - of_others
    return scores


def gsva(density: Floats, members: Mask) -> Floats:
    """(n, s) enrichment scores of (m, s) sets from (n, m) places of a person's numbers among all people's.

    The largest deviation above zero and the largest below, added, of the walk along the ranks, where a gene
    of the set counts by its rank's distance from the middle.
    """
    n, m = density.shape
    order = np.argsort(-density, axis=1, kind="stable")
    weight = np.abs(np.arange(m, 0, -1, dtype=np.float64) - m / 2)
    scores = np.empty((n, members.shape[1]))
    for j, inside in enumerate(members.T):
        hits = inside[order]
        step_in = np.where(hits, weight, 0.0)
        walk = np.cumsum(step_in, axis=1) / step_in.sum(axis=1, keepdims=True)
        walk -= np.cumsum(~hits, axis=1) / (m - inside.sum())
        scores[:, j] = np.maximum(walk.max(axis=1), 0) + np.minimum(walk.min(axis=1), 0)
    return scores


def interpolated(grid: Floats, heights: Floats, x: Floats) -> Floats:
    """The (n, m) heights at x, straight between (g,) places of a grid, by each column's (m, g) heights."""
    step = grid[1] - grid[0]
    place = np.clip((x - grid[0]) / step, 0, len(grid) - 1)
    below: Integers = np.minimum(place.astype(np.int64), len(grid) - 2)
    column = np.arange(x.shape[1])
    low, high = heights[column, below], heights[column, below + 1]
    found: Floats = low + (high - low) * (place - below)
    return found
