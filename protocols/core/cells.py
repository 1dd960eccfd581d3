"""Cells of tables, histograms, life tables and trees: asked coarse first, refined where enough people stand.

A total over all sites hides a site's part and nothing else: whoever holds it (the center, each site of the
run) sees a cell of one person. So the sites say first, in whole floors (`Band`), whether a cell stands on
enough people, and the cells that do not are no part of the question that follows:

- cells without an order are hidden, and with them one that stands on enough, so that together they hold the
  floor and none follows from the total (`shown_cells`), nor from a margin (`shown_beside_margins`);
- cells along an axis (days, bins, cuts) are joined with their neighbours. The axis is halved again and again,
  and a border stays where both halves beside it stand on enough people (`parts_of`, `last_of_runs`).

Both are taken from joined whole floors, so that every site decides alike. A part under `min_count_in_sum`
people at a site adds no floor: cells that reach the floor by such parts alone are hidden or joined as well;
those without an order are hidden also where they do not reach it without any one site's own part.

Reference: Willenborg & de Waal, Elements of Statistical Disclosure Control (2001), ch. 4 and 7.
"""

from functools import cache

import numpy as np
from scipy.sparse.csgraph import connected_components

from protocols.core.disclosure import Array
from protocols.core.errors import Code, StudyError
from protocols.core.suppression import SUPPRESSED
from protocols.core.table import Integers, Mask

_TINY = 1e-6


def shown_cells(floors_of: Integers, enough: int, axes: int) -> Integers:
    """Which cells are asked for: 1, or 0 for those that are hidden.

    Args:
        floors_of: (..., cells) the joined whole floors of each cell; the last `axes` axes are one table.
        enough: what joined floors come to of enough people (`Thresholds.enough`).
        axes: of the table.
    """
    shape = floors_of.shape
    tables = floors_of.reshape(-1, int(np.prod(shape[len(shape) - axes :])))
    shown = tables >= enough
    for table, floors in zip(shown, tables, strict=True):
        if table.any() and not table.all():
            standing = np.flatnonzero(table)
            table[standing[np.argmin(floors[standing])]] = False
    return np.asarray(shown.reshape(shape)).astype(np.int64)


def shown_beside_margins(floors_of: Integers, enough: int) -> Integers:
    """As `shown_cells` with a table in each row, where the sums over rows may be shown by another analysis.

    None of the cells that are hidden follows from those that are shown and both margins.

    Args:
        floors_of: (rows, cells) the joined whole floors of each cell.
        enough: what joined floors come to of enough people (`Thresholds.enough`).
    """
    shown = shown_cells(floors_of, enough, axes=1)
    if min(shown.shape) > 1:
        while (known := _follows(shown == 0)).any():
            for row, cell in np.argwhere(known):
                closing = _closing(shown == 0, row, cell) & (shown == 1)
                if closing.any():
                    shown.flat[np.argmin(np.where(closing, floors_of, np.iinfo(np.int64).max))] = 0
    return shown


def _follows(hidden: Mask) -> Mask:
    """Which (rows, cells) that are hidden follow from their sums by row and by cell.

    As edges between rows and cells they are those on no cycle: what the sums say of one is all of it, which
    its leverage tells.
    """
    row, cell = np.nonzero(hidden)
    sums = np.zeros((sum(hidden.shape), len(row)))
    sums[row, range(len(row))] = sums[len(hidden) + cell, range(len(row))] = 1
    _, size, directions = np.linalg.svd(sums, full_matrices=False)
    found = np.zeros(hidden.shape, dtype=bool)
    # in a cycle of so many edges the leverage is as much below 1 as one over their number
    found[row, cell] = (directions[size > _TINY] ** 2).sum(axis=0) > 1 - _TINY
    return found


def _closing(hidden: Mask, row: int, cell: int) -> Mask:
    """The (rows, cells) of which one more hidden closes a cycle through a hidden one, or leads to one.

    None where it is on a cycle already; where one more closes none, all others of its row and its column.
    """
    rows, cells = hidden.shape
    edges = np.zeros((rows + cells, rows + cells))
    edges[:rows, rows:] = hidden
    edges[row, rows + cell] = 0
    _, part = connected_components(edges, directed=False)
    here, there = part == part[row], part == part[rows + cell]
    if here[rows + cell]:
        return np.zeros(hidden.shape, dtype=bool)
    found = (here[:rows, None] & there[None, rows:]) | (there[:rows, None] & here[None, rows:])
    if found.sum() == 1:  # itself
        found[row], found[:, cell] = True, True
    found[row, cell] = False
    return np.asarray(found, dtype=bool)


def without_hidden(counts: Integers, shown: Integers) -> Integers:
    """The counts (...) with what is not shown as -1."""
    return np.where(shown == 1, counts, SUPPRESSED).astype(np.int64)


def refuse_all_hidden(shown: Integers, what: str, floor: int) -> None:
    """Raises where none of the (rows, columns) cells of a table is shown.

    Raises:
        StudyError: withheld.
    """
    if not shown.any():
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {floor} people in cells of {what}",
            "merge levels, or use fewer of them",
        )


@cache
def _halves(cells: int) -> tuple[tuple[int, int], ...]:
    """The parts of an axis, from the first cell to before the last: the whole, then halves of halves."""
    found, waiting = [], [(0, cells)]
    while waiting:
        start, stop = waiting.pop(0)
        found.append((start, stop))
        if stop - start > 1:
            middle = (start + stop) // 2
            waiting += [(start, middle), (middle, stop)]
    return tuple(found)


def parts(cells: int) -> int:
    """How many parts `parts_of` counts on an axis of so many cells."""
    return max(2 * cells - 1, 0)


def parts_of(counts: Integers) -> Integers:
    """The (..., 2 cells - 1) people in the parts of an axis from (..., cells) counts of people."""
    cells = counts.shape[-1]
    if not cells:
        return counts
    before = np.concatenate([np.zeros((*counts.shape[:-1], 1), np.int64), np.cumsum(counts, axis=-1)], -1)
    start, stop = np.array(_halves(cells)).T
    return np.asarray(before[..., stop] - before[..., start], dtype=np.int64)


def last_of_runs(floors_of: Integers, enough: int) -> Integers:
    """The (..., cells) last cell of the run of neighbours that each cell is asked with.

    Each run has at least `enough` whole floors, if the whole axis has.

    Args:
        floors_of: (..., 2 cells - 1) the joined whole floors of `parts_of`.
        enough: what joined floors come to of enough people (`Thresholds.enough`).
    """
    cells = (floors_of.shape[-1] + 1) // 2
    stands = dict(zip(_halves(cells), np.moveaxis(floors_of >= enough, -1, 0), strict=True))
    ends = np.zeros((*floors_of.shape[:-1], cells), dtype=bool)
    ends[..., -1:] = True
    for start, stop in stands:
        if stop - start > 1:
            middle = (start + stop) // 2
            ends[..., middle - 1] = stands[start, middle] & stands[middle, stop]
    last = np.where(ends, np.arange(cells), cells)
    return np.asarray(np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]).astype(np.int64)


def first_of_runs(last: Integers) -> Integers:
    """The (..., cells) first cell of the run of each, from the last ones."""
    cells = last.shape[-1]
    ends = np.where(last == np.arange(cells), np.arange(1, cells + 1), 0)
    before = np.roll(np.maximum.accumulate(ends, axis=-1), 1, axis=-1)
    before[..., 0] = 0
    return np.asarray(before, dtype=np.int64)


def gathered(sums: Array, last: Integers) -> Array:
    """The (..., cells) sums, those of each run in its last cell and 0 before; `last` is (..., cells)."""
    cells = sums.shape[-1]
    rows = np.arange(sums.size // max(cells, 1)).reshape((*sums.shape[:-1], 1))
    place = rows * cells + np.broadcast_to(last, sums.shape)
    found = np.bincount(place.ravel(), sums.ravel(), minlength=sums.size).reshape(sums.shape)
    return found.astype(np.int64) if sums.dtype.kind == "i" else found
