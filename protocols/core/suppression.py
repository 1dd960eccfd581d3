"""Cells of a published table that are not shown, and those hidden with them so that none can be worked out.

The total is known, so one hidden cell alone would follow from the others; hidden cells together hold at least
the floor, so that each may be anything from 0 to that (RT04).

Reference: Willenborg & de Waal, Elements of Statistical Disclosure Control (2001), ch. 4.
"""

import numpy as np

from protocols.core.table import Integers

SUPPRESSED = -1
"""Stands for a count that is below the floor, zero included."""


def suppressed(counts: Integers, floor: int) -> Integers:
    """The counts of any shape, of a table without margins, with what may not be shown as -1.

    A cell under the floor is hidden, a true zero like a small number; then the smallest of the others, until
    at least two are hidden and they hold the floor or more. A table of which cells were not asked for stays
    as it is (`protocols.core.cells`).
    """
    cells = counts.ravel().astype(np.int64)
    if (cells == SUPPRESSED).any():
        return counts.astype(np.int64)
    hidden = cells < floor
    while hidden.any() and not hidden.all() and (hidden.sum() < 2 or cells[hidden].sum() < floor):
        shown = np.flatnonzero(~hidden)
        hidden[shown[np.argmin(cells[shown])]] = True
    shaped: Integers = np.where(hidden, SUPPRESSED, cells).reshape(counts.shape)
    return shaped
