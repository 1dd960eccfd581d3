"""Decision trees from histograms: sums by node, column and bin at the sites, splits at the coordinator.

A tree of depth d has 2^(d+1) - 1 places; place i has the children 2i + 1 and 2i + 2. A person with
x < threshold goes left; people without a value go where the training people without one were better off.

Reference: Chen & Guestrin, KDD 2016, eq. 6 and 7, algorithm 3 for missing values.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from protocols.core.cells import first_of_runs, gathered, last_of_runs
from protocols.core.disclosure import Array
from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Arrays, Coordination, Spec, ask
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.estimation.standards import fitting, shift_and_unit

if TYPE_CHECKING:
    from protocols.learning.tree_kernels import Bins

M = TypeVar("M")

GRID_CELLS = 256
"""Cells from which automatic cuts are taken, four standard deviations to either side of the mean."""

_REACH = 4.0
_REMEMBERED = 16  # sums over trees that a table keeps
_TIE = 1e-9  # gains that differ by less than this share are ties: rounding must not choose


@dataclass(frozen=True)
class Trees:
    """T trees of depth d; `leaf` places have feature -1.

    Attributes:
        feature: (T, places) column that splits; threshold: (T, places) left below it.
        missing_left: (T, places) 1 where people without a value go left.
        value: (T, places) of those who end there; places that are not reached have 0.
    """

    feature: Integers
    threshold: Floats
    missing_left: Integers
    value: Floats

    @classmethod
    def blank(cls, trees: int, depth: int) -> "Trees":
        """Trees of one leaf each, of value 0."""
        shape = (trees, 2 ** (depth + 1) - 1)
        return cls(np.full(shape, -1), np.zeros(shape), np.zeros(shape, dtype=np.int64), np.zeros(shape))

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> "Trees":
        """The trees of a question's arrays."""
        return cls(
            arrays["feature"].astype(np.int64),
            arrays["threshold"].astype(np.float64),
            arrays["missing_left"].astype(np.int64),
            arrays["value"].astype(np.float64),
        )

    def arrays(self) -> dict[str, Array]:
        """The trees as arrays of a question."""
        return {
            "feature": self.feature,
            "threshold": self.threshold,
            "missing_left": self.missing_left,
            "value": self.value,
        }

    def key(self) -> bytes:
        """A digest of the trees."""
        arrays = (self.feature, self.threshold, self.missing_left, self.value)
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).digest()

    def first(self, trees: int) -> "Trees":
        """The first so many trees."""
        return Trees(
            self.feature[:trees], self.threshold[:trees], self.missing_left[:trees], self.value[:trees]
        )

    def places(self, x: Floats, tree: int) -> Integers:
        """The (n,) places where people with (n, f) columns end in one tree."""
        feature, threshold = self.feature[tree], self.threshold[tree]
        missing_left = self.missing_left[tree] == 1
        place = np.zeros(len(x), dtype=np.int64)
        moving = np.flatnonzero(feature[place] >= 0)
        while len(moving):
            at = place[moving]
            value = x[moving, feature[at]]
            left = np.where(np.isnan(value), missing_left[at], value < threshold[at])
            place[moving] = 2 * at + 2 - left
            moving = moving[feature[place[moving]] >= 0]
        return place

    def sums(self, x: Floats) -> Floats:
        """The (n,) sums over trees of the values where people end."""
        total = np.zeros(len(x))
        for tree in range(len(self.feature)):
            total += self.value[tree][self.places(x, tree)]
        return total


def grid_moments(x: Floats, about: Mapping[str, Array]) -> Arrays:
    """How many people have each of (n, f) columns, its sum and sum of squares, times a power of two."""
    known = ~np.isnan(x)
    z = np.where(known, x, 0.0) * shift_and_unit(about, x.shape[1])[1]
    return {"known": known.sum(axis=0), **fitting(z.sum(axis=0), (z**2).sum(axis=0))}


def grid(moments: Arrays) -> tuple[Floats, Floats]:
    """The (f,) left edges and widths of the cells of each column."""
    n = np.maximum(moments["known"], 1)
    mean = moments["sum"] / n
    sd = np.sqrt(np.maximum(moments["square"] / n - mean**2, 0.0))
    sd = np.maximum(sd, 1e-9 * np.abs(mean) + 1e-300)
    return mean - (_REACH + 1e-4) * sd, 2 * (_REACH + 1e-4) * sd / GRID_CELLS


def grid_counts(x: Floats, low: Floats, width: Floats) -> Integers:
    """The (f, cells) people in each cell; who lies beyond the grid is in its first or last."""
    counts = np.zeros((x.shape[1], GRID_CELLS), dtype=np.int64)
    for j in range(x.shape[1]):
        values = x[~np.isnan(x[:, j]), j]
        cell = np.clip(np.floor((values - low[j]) / width[j]), 0, GRID_CELLS - 1)
        counts[j] = np.bincount(cell.astype(np.int64), minlength=GRID_CELLS)
    return counts


def cuts_of(counts: Integers, low: Floats, width: Floats, bins: int, floor: int) -> Floats:
    """The (f, bins - 1) ascending cuts, edges of cells, with about equally many people between two.

    At least `floor` people lie between; inf fills what is left.
    """
    cuts = np.full((len(counts), bins - 1), np.inf)
    for j, row in enumerate(counts):
        enough = max(row.sum() / bins, floor)
        inside, found, left = 0, 0, int(row.sum())
        for cell, people in enumerate(row):
            if inside >= enough and left >= floor and people and found < bins - 1:
                cuts[j, found] = low[j] + cell * width[j]
                found, inside = found + 1, 0
            inside, left = inside + int(people), left - int(people)
    return cuts


def chosen_cuts(
    covariates: Sequence[str],
    given: Mapping[str, Sequence[float]],
    bins: int,
    floor: int,
    moments: Arrays,
) -> Coordination[Floats]:
    """The (f, bins - 1) cuts: those given, the others from the grid's counts (steps `gridded`, `cells`).

    Raises:
        StudyError: withheld; a covariate without given cuts is of one or two people in effect at a site.
    """
    cuts = padded([given.get(name, ()) for name in covariates], bins)
    automatic = [j for j, name in enumerate(covariates) if name not in given]
    if not automatic:
        return cuts
    if names := [covariates[j] for j in automatic if moments["dominated"][j] > 0]:
        raise StudyError(
            Code.WITHHELD,
            f"one or two people make up nearly all of {', '.join(names)} at a site",
            "name its `cuts`, use its logarithm or rank, or declare its range in the study",
        )
    low, width = grid(moments)
    found = yield ask("gridded", low=low, width=width)
    last = last_of_runs(found["enough"], found.over_all)
    total = yield ask("cells", low=low, width=width, last=last)
    at_first = gathered(total["cells"], first_of_runs(last)).astype(
        np.int64
    )  # a cut lies before a run, never inside one
    cuts[automatic] = cuts_of(at_first, low, width, bins, floor)[automatic]
    return cuts


def padded(cuts: Sequence[Sequence[float]], bins: int) -> Floats:
    """The (f, bins - 1) cuts, filled with inf."""
    found = np.full((len(cuts), bins - 1), np.inf)
    for j, row in enumerate(cuts):
        found[j, : len(row)] = np.sort(np.asarray(row, dtype=np.float64))
    return found


def with_last(cuts: Floats) -> Floats:
    """The (f, bins) cuts with one above everybody."""
    return np.hstack([cuts, np.full((len(cuts), 1), np.inf)])


def binned(x: Floats, cuts: Floats) -> "Bins":
    """The (n, f) bins of people: how many cuts are not above; one more for people without a value."""
    bins = np.empty(x.shape, dtype=np.uint16)
    for j in range(x.shape[1]):
        bins[:, j] = np.searchsorted(cuts[j], x[:, j], side="right")
        bins[np.isnan(x[:, j]), j] = cuts.shape[1] + 1
    return bins


@dataclass(frozen=True)
class BinnedPeople:
    """A table's people by the bins of their columns.

    Attributes:
        bins: (n, f) by `binned`.
        cuts: (f, bins - 1) between which the bins lie.
    """

    bins: "Bins"
    cuts: Floats

    @classmethod
    def of(cls, table: AnalysisTable, covariates: Sequence[str], cuts: Floats) -> "BinnedPeople":
        """The people of a table, kept for the next round."""
        key = ("bins", tuple(covariates), cuts.tobytes())
        return table.derived(key, lambda: cls(binned(table.matrix(covariates), cuts), cuts))

    def places(self, trees: Trees, tree: int) -> Integers:
        """The (n,) places where people end in one tree that splits at the cuts.

        Raises:
            ValueError: a place splits at no cut of its column, or has no children.
        """
        from protocols.learning.tree_kernels import walk  # numba loads with the first tree that grows

        feature, f = trees.feature[tree], len(self.cuts)
        if (feature >= f).any() or (feature[len(feature) // 2 :] >= 0).any():
            raise ValueError("a tree splits where it cannot")
        cut = np.zeros(len(feature), dtype=np.int64)
        cuts = with_last(self.cuts)
        for place in np.flatnonzero(feature >= 0):
            own, threshold = cuts[feature[place]], trees.threshold[tree, place]
            cut[place] = np.searchsorted(own, threshold)
            if cut[place] == len(own) or own[cut[place]] != threshold:
                raise ValueError("a tree splits between two cuts")
        return walk(self.bins, feature, cut, trees.missing_left[tree], cuts.shape[1])

    def sums(self, columns: Integers, node: Integers, weights: Floats) -> tuple[Integers, Floats, Floats]:
        """(nodes, m, bins + 1) people, and sums of each of their (n, 2) weights, by node, its column and bin.

        Args:
            columns: (nodes, m) that a node looks at.
            node: (n,) of each person, -1 of those who are left out.

        Raises:
            ValueError: there is no such column or node.
        """
        from protocols.learning.tree_kernels import sums_by_bin

        if columns.min() < 0 or columns.max() >= len(self.cuts) or node.max(initial=-1) >= len(columns):
            raise ValueError("no such column or node")
        sums = sums_by_bin(self.bins, columns, node, weights, self.cuts.shape[1] + 2)
        people, first, second = np.moveaxis(sums, -1, 0).copy()
        return people.astype(np.int64), first, second


def in_runs(sums: Array, last: Integers) -> Array:
    """The (..., bins + 1) sums in runs of bins, each in its last bin; `last` is (..., bins + 1).

    People without a value who are in a run with others are in its last bin, so that a split takes them along.
    """
    bins = last.shape[-1] - 1
    with_missing = last[..., bins - 1 : bins] == bins
    return gathered(sums, np.where((last == bins) & with_missing, bins - 1, last))


def of_the_level(table: AnalysisTable, spec: Spec, question: Sequence[Array], make: Callable[[], M]) -> M:
    """What `make` sums for a level, kept until another one is asked: two questions in turn are about it.

    Args:
        question: arrays (...) that the sums depend on.
    """
    memory: dict[str, M] = table.derived(("sums of a level", spec.model_dump_json()), dict)
    key = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in question)).hexdigest()
    if key not in memory:
        memory.clear()
        memory[key] = make()
    return memory[key]


def remembered_sums(
    table: AnalysisTable, covariates: Sequence[str], people: BinnedPeople, trees: Trees
) -> Floats:
    """The (n,) sums over trees at a table's people; all but the last tree's are kept from before."""
    memory: dict[bytes, Floats] = table.derived(("sums", tuple(covariates)), dict)
    key = trees.key()
    if key not in memory:
        last = len(trees.feature) - 1
        before = memory.get(trees.first(last).key()) if last > 0 else None
        grown = range(last + 1) if before is None else [last]
        sums = np.zeros(len(table)) if before is None else before
        for tree in grown:
            sums = sums + trees.value[tree][people.places(trees, tree)]
        if len(memory) >= _REMEMBERED:
            memory.clear()
        memory[key] = sums
    return memory[key]


@dataclass(frozen=True)
class Rules:
    """What makes a split: L2 penalty, least gain, least weight and least people of a child."""

    l2: float
    least_gain: float
    least_weight: float
    least_people: int


@dataclass(frozen=True)
class Split:
    """The best split of a node; `left` and `right` are the (gradient, weight) of its children."""

    column: int
    cut: int
    missing_left: bool
    gain: float
    left: tuple[float, float]
    right: tuple[float, float]


def best_split(gradient: Floats, weight: Floats, people: Floats, rules: Rules) -> Split | None:
    """The split of largest gain of one node from (f, bins + 1) sums, missing last; None if none is allowed.

    Gain is half of G²/(W + l2) of the children less that of the node (Chen & Guestrin, eq. 7). Of ties the
    first column, missing to the right, and the lowest cut win.
    """
    # The last cut is above everybody who has the column: it separates them from those without a value.
    below = [np.cumsum(sums[:, :-1], axis=1) for sums in (gradient, weight, people)]
    missing = [sums[:, -1:] for sums in (gradient, weight, people)]
    whole = [sums.sum(axis=1, keepdims=True) for sums in (gradient, weight, people)]
    # (f, 2, cuts): missing to the right, and to the left
    left = [np.stack([b, b + m], axis=1) for b, m in zip(below, missing, strict=True)]
    right = [w[:, :, None] - part for w, part in zip(whole, left, strict=True)]
    g, h = whole[0][0, 0], whole[1][0, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = left[0] ** 2 / (left[1] + rules.l2) + right[0] ** 2 / (right[1] + rules.l2)
        gain = 0.5 * (gain - g**2 / (h + rules.l2))
    allowed = np.ones(gain.shape, dtype=bool)
    for side in (left, right):
        allowed &= (side[1] >= rules.least_weight * (1 - _TIE)) & (side[2] >= rules.least_people)
    gain = np.where(allowed & np.isfinite(gain), gain, -np.inf)
    best = float(gain.max(initial=-np.inf))
    if not best > max(rules.least_gain, _TIE * abs(g)):
        return None
    first = int(np.argmax(gain >= best - _TIE * (abs(best) + abs(g))))
    column, direction, cut = (int(i) for i in np.unravel_index(first, gain.shape))
    at = (column, direction, cut)
    return Split(
        column,
        cut,
        direction == 1,
        float(gain[at]),
        (float(left[0][at]), float(left[1][at])),
        (float(right[0][at]), float(right[1][at])),
    )
