"""The compiled loops of trees: the sums of numpy to the last bit, the places of the plain walk."""

from typing import Any

import numpy as np
import pytest

from protocols.core.table import AnalysisTable
from protocols.learning.trees import BinnedPeople, Trees, with_last

NAMES = ("a", "b", "c")


def some_people(bins: int = 8) -> tuple[AnalysisTable, BinnedPeople]:
    """500 people, a fifth of the values of each column missing."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(500, 3))
    x[rng.random(x.shape) < 0.2] = np.nan
    table = AnalysisTable("s", np.arange(500), {name: x[:, j].copy() for j, name in enumerate(NAMES)})
    cuts = np.sort(rng.normal(size=(3, bins - 1)), axis=1)
    cuts[:, -1] = np.inf
    return table, BinnedPeople.of(table, NAMES, cuts)


def some_tree(people: BinnedPeople, **changed: float) -> Trees:
    """One tree of depth 2 whose left child has split too."""
    trees = Trees.blank(1, 2)
    cuts = with_last(people.cuts)
    for place, column, cut in ((0, 1, 3), (1, 2, len(cuts[0]) - 1)):
        trees.feature[0, place], trees.threshold[0, place] = column, cuts[column, cut]
    trees.missing_left[0, 0] = 1
    for place, threshold in changed.items():
        trees.threshold[0, int(place[1:])] = threshold
    return trees


@pytest.mark.parametrize("bins", [8, 256])
def test_sums_by_bin_are_those_of_bincount_to_the_last_bit(bins: int) -> None:
    _, people = some_people(bins)
    rng = np.random.default_rng(4)
    node, weights = rng.integers(-1, 2, 500), rng.normal(size=(500, 2))
    columns = np.array([[2, 0], [1, 1]])
    found = people.sums(columns, node, weights)
    for at, own in enumerate(columns):
        here = node == at
        for j, column in enumerate(own):
            for sums, weight in zip(found, (None, *weights.T), strict=True):
                kept = None if weight is None else weight[here]
                expected = np.bincount(people.bins[here, column], kept, minlength=bins + 1)
                assert np.array_equal(sums[at, j], expected)


def test_people_end_by_their_bins_where_they_end_by_their_values() -> None:
    table, people = some_people()
    trees = some_tree(people)
    assert np.array_equal(people.places(trees, 0), trees.places(table.matrix(NAMES), 0))
    assert len(np.unique(people.places(trees, 0))) == 3


@pytest.mark.parametrize(("place", "threshold"), [("p0", 0.123), ("p1", -0.5)])
def test_a_tree_that_splits_between_two_cuts_is_refused(place: str, threshold: float) -> None:
    _, people = some_people()
    with pytest.raises(ValueError, match="between two cuts"):
        people.places(some_tree(people, **{place: threshold}), 0)


@pytest.mark.parametrize(("place", "column"), [(0, 3), (3, 0), (6, 2)])
def test_a_tree_beyond_its_columns_or_its_depth_is_refused(place: int, column: int) -> None:
    _, people = some_people()
    trees = some_tree(people)
    trees.feature[0, place] = column
    with pytest.raises(ValueError, match="splits where it cannot"):
        people.places(trees, 0)


@pytest.mark.parametrize(
    "changed", [{"columns": np.array([[3]])}, {"columns": np.array([[-1]])}, {"node": np.full(500, 1)}]
)
def test_a_column_or_a_node_that_is_not_there_is_refused(changed: dict[str, Any]) -> None:
    _, people = some_people()
    asked = {"columns": np.array([[0]]), "node": np.zeros(500, dtype=np.int64), **changed}
    with pytest.raises(ValueError, match="no such"):
        people.sums(weights=np.ones((500, 2)), **asked)
