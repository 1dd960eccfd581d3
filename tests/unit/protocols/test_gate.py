"""The gate: what is declared, what is suppressed in the clear, what contributes to a sum."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.core.disclosure import (
    SUPPRESSED,
    Count,
    Declaration,
    Flag,
    Moment,
    Release,
    Statistic,
    Thresholds,
    Way,
    check_total,
    release,
)
from protocols.core.errors import Code, SiteError, StudyError

FLOORS = Thresholds()
AXES = {"cell": 3, "feature": 4}


def let_out(
    declared: dict[str, Declaration], way: Way = "clear", people: int = 100, **arrays: Any
) -> Release:
    as_arrays = {name: np.asarray(value) for name, value in arrays.items()}
    return release(declared, as_arrays, axes=AXES, people=people, way=way, thresholds=FLOORS)


def test_an_axis_of_people_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="people"):
        Moment("person", what="sums")


def test_a_release_is_made_by_the_gate_alone() -> None:
    with pytest.raises(TypeError):
        Release({}, "clear", object())


def test_a_small_cell_is_withheld_and_looks_like_a_true_zero() -> None:
    out = let_out({"n": Count("cell")}, n=[0, 9, 10]).arrays["n"]
    assert out.tolist() == [SUPPRESSED, SUPPRESSED, 10]


def test_what_is_left_by_a_small_group_is_withheld_with_it() -> None:
    declared = {"n": Count("group"), "total": Moment("group", behind="n", what="sums")}
    for n, shown in (([97, 3, 0], []), ([50, 40, 10], [0, 1, 2]), ([60, 30, 9], [0])):
        out = release(
            declared,
            {"n": np.array(n), "total": np.ones(3)},
            axes={"group": 3},
            people=100,
            way="clear",
            thresholds=FLOORS,
        ).arrays
        assert np.flatnonzero(out["n"] != SUPPRESSED).tolist() == shown
        assert np.flatnonzero(np.isfinite(out["total"])).tolist() == shown


def test_a_cell_whose_complement_is_small_is_withheld() -> None:
    declared = {"n": Count(), "part": Count("cell", of="n")}
    assert let_out(declared, n=50, part=[20, 41, 45]).arrays["part"].tolist() == [20, SUPPRESSED, SUPPRESSED]


def test_a_sum_on_few_people_is_missing_in_the_clear() -> None:
    declared = {"n": Count("cell"), "total": Moment("cell", "feature", what="sums")}
    out = let_out(declared, n=[9, 10, 11], total=np.ones((3, 4))).arrays["total"]
    assert np.isnan(out[0]).all()
    assert (out[1:] == 1).all()


def test_in_a_sum_what_stands_on_few_people_contributes_nothing() -> None:
    declared = {"n": Count("cell"), "total": Moment("cell", "feature", what="sums")}
    out = let_out(declared, "sum", n=[4, 5, 6], total=np.ones((3, 4))).arrays
    assert out["n"].tolist() == [0, 5, 6]
    assert out["total"][:, 0].tolist() == [0, 1, 1]


def test_a_part_of_a_count_stays_exact_in_a_sum_unless_the_whole_is_small() -> None:
    declared = {"n": Count(), "part": Count("cell", of="n")}
    assert let_out(declared, "sum", n=6, part=[1, 2, 3]).arrays["part"].tolist() == [1, 2, 3]
    assert let_out(declared, "sum", n=4, part=[1, 2, 1]).arrays["part"].tolist() == [0, 0, 0]


def test_a_site_with_few_people_says_nothing_in_the_clear() -> None:
    with pytest.raises(SiteError) as caught:
        let_out({"n": Count()}, people=9, n=9)
    assert caught.value.code == Code.WITHHELD


def test_a_statistic_that_is_no_sum_is_not_summed() -> None:
    with pytest.raises(SiteError):
        let_out({"n": Count(), "auc": Statistic(what="sums")}, "sum", n=50, auc=0.7)


@pytest.mark.parametrize(
    ("declared", "arrays"),
    [
        ({"n": Count()}, {"n": 20, "more": 1.0}),
        ({"n": Count(), "less": Moment(what="sums")}, {"n": 20}),
        ({"n": Count()}, {"n": [20, 20]}),
        ({"n": Count()}, {"n": 20.0}),
        ({"n": Count(), "x": Moment(what="sums")}, {"n": 20, "x": 1}),
        ({"n": Count(), "x": Moment(what="sums")}, {"n": 20, "x": np.inf}),
        ({"n": Count(), "x": Moment("feature", what="sums")}, {"n": 20, "x": np.zeros(5)}),
        ({"n": Count(), "x": Moment("feature", what="sums")}, {"n": 20, "x": np.zeros((4, 1))}),
    ],
)
@pytest.mark.parametrize("way", ["clear", "sum"])
def test_arrays_that_differ_from_their_declaration_are_refused(
    declared: dict[str, Declaration], arrays: dict[str, Any], way: Way
) -> None:
    with pytest.raises(SiteError) as caught:
        let_out(declared, way, **arrays)
    assert caught.value.code == Code.WITHHELD


def test_a_saturated_matrix_is_refused_in_the_clear_and_over_all_sites() -> None:
    declared = {"n": Count(), "xx": Moment("feature", "feature", what="sums")}
    with pytest.raises(SiteError):
        let_out(declared, people=11, n=11, xx=np.eye(4))
    totals = {"n": np.array(11), "xx": np.eye(4)}
    with pytest.raises(StudyError):
        check_total(declared, totals, axes=AXES, thresholds=FLOORS)


def test_a_total_on_few_people_is_taken_out() -> None:
    declared = {"n": Count("cell"), "x": Moment("cell", what="sums")}
    totals = {"n": np.array([9, 10, 20]), "x": np.array([1.0, 2.0, 3.0])}
    found = check_total(declared, totals, axes=AXES, thresholds=FLOORS)["x"]
    np.testing.assert_array_equal(found, [np.nan, 2.0, 3.0])


def test_a_study_with_too_few_people_cannot_go_on() -> None:
    with pytest.raises(StudyError) as caught:
        check_total({"n": Count()}, {"n": np.array(9)}, axes={}, thresholds=FLOORS)
    assert caught.value.code == Code.WITHHELD


@given(
    st.lists(st.integers(0, 60), min_size=3, max_size=3),
    st.integers(10, 30),
    st.integers(5, 9),
)
def test_no_small_count_ever_leaves(counts: list[int], floor: int, floor_in_sum: int) -> None:
    floors = FLOORS.stricter(Thresholds(min_count=floor, min_count_in_sum=floor_in_sum))
    declared = {"n": Count("cell"), "x": Moment("cell", what="sums")}
    arrays = {"n": np.array(counts), "x": np.array(counts, dtype=float)}
    clear = release(declared, arrays, axes=AXES, people=99, way="clear", thresholds=floors).arrays
    assert all(n == SUPPRESSED or n >= floor for n in clear["n"])
    assert (np.isnan(clear["x"]) == (clear["n"] == SUPPRESSED)).all()
    summed = release(declared, arrays, axes=AXES, people=99, way="sum", thresholds=floors).arrays
    assert all(n == 0 or n >= floor_in_sum for n in summed["n"])
    assert (summed["x"] == summed["n"]).all()


def test_thresholds_are_only_ever_raised() -> None:
    lax, strict = Thresholds(), Thresholds(min_count=20, min_sites_in_sum=5, max_parameters_per_person=0.1)
    assert lax.stricter(strict) == strict.stricter(lax) == strict
    with pytest.raises(ValueError):
        Thresholds(min_count=9)


SUMS = {
    "n": Count(),
    "part": Count("level", of="n"),
    "sites": Flag(what="sites of which it holds"),
    "squares": Moment(at_most=1.0, what="squared errors of probabilities"),
}
POSSIBLE = {"n": np.array(40), "part": np.array([28, 12]), "sites": np.array(3), "squares": np.array(-40.0)}


def test_sums_that_people_can_have_pass() -> None:
    found = check_total(SUMS, POSSIBLE, axes={"level": 2}, thresholds=Thresholds(), sites=3)
    assert found["squares"] == -40.0


@pytest.mark.parametrize(
    ("name", "total"),
    [("n", -40), ("part", [41, 12]), ("part", [28, -1]), ("sites", 4), ("squares", 40.001)],
)
def test_a_sum_that_no_people_can_have_is_refused(name: str, total: object) -> None:
    """A site that lies in a secure sum: every site joins the sum itself and goes no further."""
    lied = {**POSSIBLE, name: np.array(total)}
    with pytest.raises(StudyError) as refused:
        check_total(SUMS, lied, axes={"level": 2}, thresholds=Thresholds(), sites=3)
    assert refused.value.code == Code.TAMPERED
