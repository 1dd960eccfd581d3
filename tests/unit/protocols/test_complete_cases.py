"""About whom the analyses of a study are: one set of people, declared sets, or each its own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.core.study import Study, parse_study
from protocols.core.suppression import SUPPRESSED
from protocols.core.table import AnalysisTable
from protocols.describe.left_out import KINDS
from protocols.exchange.local import run_locally
from protocols.exchange.site_answer import people_in
from tests.lib.studies import a_study_of

NAMES = ["x", "y", "z", "w"]
MODEL = {"protocol": "linear", "outcome": "y", "covariates": ["x"]}
OTHER = {**MODEL, "covariates": ["x", "z"]}
TABLE_1 = {"protocol": "summary", "of": ["x", "w"]}
IMPUTE = {"protocol": "impute", "mean": ["z"]}


def a_study(*specs: dict[str, Any], **changes: Any) -> Study:
    analyses = [{"name": f"a{i}", "spec": spec} for i, spec in enumerate(specs)]
    return a_study_of(NAMES, *analyses, **{"min_sites": 1, **changes})


def a_table(site: str = "a", n: int = 60, **lacking: int) -> AnalysisTable:
    """People of whom the first so many lack each variable."""
    draw = np.random.default_rng(ord(site))
    columns = {name: draw.normal(size=n) for name in NAMES}
    for name, count in lacking.items():
        columns[name][:count] = np.nan
    return AnalysisTable(site, 1000 * ord(site) + np.arange(n), columns)


def test_by_default_all_analyses_are_about_the_people_who_have_what_any_needs() -> None:
    study = a_study(MODEL, OTHER, TABLE_1)
    found = run_locally(study, [a_table("a", z=3), a_table("b", x=4), a_table("c", w=2)])
    assert (found["a0"].n, found["a1"].n) == (173, 173)
    assert found["a2"].total.n.tolist() == [[173, 171]]  # w, which is described alone, has a count of its own


def test_each_analysis_may_have_its_own_complete_cases() -> None:
    study = a_study(MODEL, OTHER, complete_cases="analysis")
    found = run_locally(study, [a_table("a", z=3)])
    assert (found["a0"].n, found["a1"].n) == (60, 57)


def test_an_analysis_goes_by_the_first_declared_set_that_holds_what_it_needs() -> None:
    study = a_study(MODEL, OTHER, complete_cases=[["x", "y"], NAMES])
    assert study.people_with == {"a0": ("x", "y"), "a1": tuple(NAMES)}
    found = run_locally(study, [a_table("a", z=20, w=24)])
    assert (found["a0"].n, found["a1"].n) == (60, 36)


@pytest.mark.parametrize(
    ("sets", "said"), [([["x", "y"]], "a1: no set in complete_cases holds"), ([["q"]], "no variable of")]
)
def test_sets_that_do_not_fit_are_refused(sets: list[list[str]], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        a_study(MODEL, OTHER, complete_cases=sets)


def test_a_site_without_a_variable_keeps_its_people_for_the_analyses_without_it() -> None:
    study, table = a_study(MODEL, OTHER), a_table(z=58, x=2)
    assert len(people_in(study, "a0", table)) == 58
    assert len(people_in(study, "a0", a_table(z=50))) == 10


def test_what_is_filled_before_every_analysis_is_not_needed() -> None:
    after = {"name": "a1", "spec": OTHER, "after": ["a0"]}
    filled = a_study_of(NAMES, {"name": "a0", "spec": IMPUTE}, after, min_sites=1)
    assert filled.people_with["a1"] == ("x", "y")
    assert run_locally(filled, [a_table(z=6)])["a1"].n == 60


def test_a_filling_that_would_fill_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="a0 fills z, which another analysis needs"):
        a_study(IMPUTE, OTHER)
    assert a_study(IMPUTE, OTHER, complete_cases="analysis").people_with["a1"] == ()


def test_a_study_that_says_nothing_keeps_its_hash_and_one_that_does_has_another() -> None:
    usual = a_study(MODEL)
    assert b"complete_cases" not in usual.canonical()
    other = a_study(MODEL, complete_cases=[["x", "y"]])
    assert other.hash() != usual.hash()
    assert parse_study(other.canonical()).people_with == other.people_with


def test_who_is_left_out_is_counted_by_analysis_variable_and_site() -> None:
    left_out = {"protocol": "left_out", "per_site": True}
    found = run_locally(
        a_study(MODEL, OTHER, left_out), [a_table("a", z=3), a_table("b", x=4), a_table("c", 20)]
    )["a2"]
    assert (found.people, found.analyses, found.counted.tolist()) == (140, ("a0", "a1"), [133, 133])
    assert dict(zip(found.variables, found.known.tolist(), strict=True)) == {"x": 136, "y": 140, "z": 137}
    assert {site: (people, known.tolist()) for site, (people, _, known) in found.by_site.items()} == {
        "a": (60, [60, 60, 57]),
        "b": (60, [56, 60, 60]),
        "c": (20, [20, 20, 20]),
    }


def test_where_one_site_has_nine_people_no_site_shows_its_own_beside_the_total() -> None:
    left_out = {"protocol": "left_out", "per_site": True}
    found = run_locally(a_study(MODEL, left_out), [a_table("a"), a_table("b"), a_table("c", 9)])["a1"]
    assert found.people == 129
    assert [people for people, *_ in found.by_site.values()] == [SUPPRESSED, SUPPRESSED]
    assert list(found.withheld) == ["c"]


def test_a_kind_of_doubt_is_told_where_enough_people_stand_in_it() -> None:
    tables = [
        replace(a_table(site), doubtful={"x": {"unit-missing": 12, "comparator": 3}, "w": {"gene-open": 30}})
        for site in ("a", "b", "c")
    ]
    found = run_locally(a_study(MODEL, {"protocol": "left_out"}), tables)["a1"]
    assert found.doubts()["people"].to_dict() == {("x", "unit-missing"): 36}  # w is in no analysis
    assert found.doubts()["share"].tolist() == [0.2]
    assert "give the unit in the source" in found.doubts()["way_out"].item()
    told = dict(zip(KINDS, found.doubtful[0].tolist(), strict=True))
    assert told == {**dict.fromkeys(KINDS, -1), "unit-missing": 36}  # three at each site, or none: who knows


def test_nobody_is_asked_again_where_nothing_is_in_doubt() -> None:
    outcome = run_locally(a_study(MODEL, {"protocol": "left_out"}), [a_table(site) for site in ("a", "b")])
    assert outcome["a1"].doubts().empty
    assert (outcome["a1"].doubtful == -1).all()
