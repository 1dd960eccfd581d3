"""Tables and row filters: nobody is in two folds, and folds are by person."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, SiteError, SpecError
from protocols.core.protocol import Ask, Transform
from protocols.core.table import AnalysisTable, Rows, fold_hashes
from protocols.exchange.site_answer import answer
from tests.lib.drawn_sites import SPLITS, study_of


def a_table(persons: list[int], site: str = "a") -> AnalysisTable:
    ids = np.array(persons, dtype=np.int64)
    return AnalysisTable(site, ids, {"x": ids.astype(float)}, fold_hashes=fold_hashes(ids, b"study"))


people = st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=60)


@given(people, st.integers(2, 20))
def test_folds_part_the_people(persons: list[int], of: int) -> None:
    table = a_table(persons)
    tests = [Rows(keep="test", fold=fold, of=of).mask(table) for fold in range(of)]
    trains = [Rows(keep="train", fold=fold, of=of).mask(table) for fold in range(of)]
    assert (np.sum(tests, axis=0) == 1).all()
    assert all((test ^ train).all() for test, train in zip(tests, trains, strict=True))


@given(people)
def test_a_person_has_one_fold_whatever_table_the_row_stands_in(persons: list[int]) -> None:
    rows = Rows(keep="test", fold=2, of=5)
    whole = a_table(persons)
    part = whole.select(np.arange(len(whole)) % 2 == 0)
    again = a_table(persons[::-1])
    assert set(part.persons[rows.mask(part)]) <= set(whole.persons[rows.mask(whole)])
    assert set(again.persons[rows.mask(again)]) == set(whole.persons[rows.mask(whole)])


def test_folds_are_even_and_need_the_key() -> None:
    persons = np.arange(5000)
    sizes = np.bincount((fold_hashes(persons, b"one") % np.uint64(5)).astype(int))
    assert sizes.min() > 900
    assert (fold_hashes(persons, b"one") != fold_hashes(persons, b"two")).all()


def test_a_site_left_out_is_that_site_alone() -> None:
    here, there = a_table([1, 2, 3], "a"), a_table([4, 5], "b")
    assert Rows(keep="train", sites=("a",)).mask(here).sum() == 0
    assert Rows(keep="train", sites=("a",)).mask(there).all()
    assert Rows(keep="test", sites=("a",)).mask(here).all()


@pytest.mark.parametrize("persons", [[1, 1], [2, 1, 2], [1, 2, 2, 3]])
def test_a_person_has_one_row(persons: list[int]) -> None:
    with pytest.raises(ValueError, match="more than one row"):
        a_table(persons)


def test_people_stand_in_any_order() -> None:
    assert len(a_table([3, 1, 2])) == 3


def test_who_misses_a_number_or_a_label_is_not_complete() -> None:
    table = AnalysisTable(
        "a",
        np.arange(4),
        {"x": np.array([1.0, np.nan, 3.0, 4.0])},
        {"scanner": np.array(["s", "s", None, "t"], dtype=object)},
    )
    assert table.complete(["x"]).persons.tolist() == [0, 2, 3]
    assert table.complete(["x", "scanner"]).persons.tolist() == [0, 3]
    with pytest.raises(SpecError):
        table.complete(["y"])


MODEL = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}
STUDY = study_of(
    MODEL,
    {"protocol": "discrimination", "model": MODEL, "scheme": {"kind": "folds", "of": 5}},
    {"protocol": "discrimination", "model": MODEL, "scheme": {"kind": "sites"}},
)
BIG, MIDDLE, SMALL = SPLITS["a site of nine"]
FOLDS, BY_SITE = "a1", "a2"


def asked(analysis: str, rows: Rows, table: AnalysisTable = BIG) -> object:
    part = () if analysis == "a0" else ("model",)
    return answer(STUDY, table, Ask("moments", analysis=analysis, part=part, rows=rows), Thresholds())


def test_a_small_site_is_not_left_out_since_the_difference_of_two_sums_would_show_it() -> None:
    with pytest.raises(SiteError) as caught:
        asked(BY_SITE, Rows(keep="train", sites=("c",)), SMALL)
    assert caught.value.code == Code.WITHHELD
    asked(BY_SITE, Rows(keep="train", sites=("a",)), SMALL)
    asked(BY_SITE, Rows(keep="train", sites=("a",)), BIG)


@pytest.mark.parametrize("analysis", ["a0", FOLDS, BY_SITE])
def test_everybody_may_be_asked_about(analysis: str) -> None:
    asked(analysis, Rows())
    asked(analysis, Rows(keep="train", fold=4, of=5) if analysis == FOLDS else Rows())


@pytest.mark.parametrize(
    ("analysis", "rows"),
    [
        ("a0", Rows(keep="train", fold=1, of=5)),
        ("a0", Rows(keep="train", sites=("b",))),
        (FOLDS, Rows(keep="train", fold=1, of=100)),
        (FOLDS, Rows(keep="train", fold=5, of=5)),
        (FOLDS, Rows(keep="train", of=5)),
        (FOLDS, Rows(keep="test", fold=1, of=5)),
        (FOLDS, Rows(keep="train", sites=("b",))),
        (FOLDS, Rows(keep="train", fold=1, of=5, sites=("b",))),
        (FOLDS, Rows(fold=1, of=5)),
        (BY_SITE, Rows(keep="test", sites=("b",))),
        (BY_SITE, Rows(keep="train", fold=1, of=5)),
        (BY_SITE, Rows(keep="train", fold=1, of=5, sites=("b",))),
        (BY_SITE, Rows(keep="train")),
    ],
)
def test_rows_that_the_study_does_not_ask_about_are_refused(analysis: str, rows: Rows) -> None:
    with pytest.raises(SpecError) as caught:
        asked(analysis, rows)
    assert caught.value.code == Code.INVALID_STUDY


def test_a_question_that_is_not_of_the_study_is_refused() -> None:
    for ask, code in (
        (Ask("moments", analysis="other"), Code.INVALID_STUDY),
        (Ask("no_such_step", analysis="a0"), Code.UNKNOWN_STEP),
        (Ask("moments", analysis="a0", part=("covariates",)), Code.INVALID_STUDY),
        (Ask("moments", analysis="a0", part=("__class__",)), Code.INVALID_STUDY),
        (Ask("moments", analysis="a0", transforms=(Transform("x", (), Rows(), {}),)), Code.INVALID_STUDY),
        (Ask("moments", analysis="a0", transforms=(Transform("a0", (), Rows(), {}),)), Code.INVALID_STUDY),
    ):
        with pytest.raises(SpecError) as caught:
            answer(STUDY, BIG, ask, Thresholds())
        assert caught.value.code == code
