"""Cells of joint tables of 0/1 variables: named and refused where their people are few, before sums leave."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.core.errors import Code, StudyError
from protocols.core.joint_cells import MOST_IN_PAIRS, joint_cells, tables_of, together
from protocols.core.lockstep import Failure
from protocols.core.protocol import Result, parse_spec, protocol
from protocols.core.study import parse_study
from protocols.core.table import AnalysisTable
from protocols.exchange.envelope import unpack
from protocols.exchange.local import run_locally
from tests.conformance.examples import EXAMPLES
from tests.lib.studies import a_study_of

KINDS: dict[str, Any] = {
    **{name: {"kind": "measurement", "concept": f"LOCAL:{name}"} for name in ("g", "h", "k", "l", "x", "y")},
    "os": {"kind": "survival", "endpoint": "overall"},
}
LINEAR = {"protocol": "linear", "outcome": "y", "covariates": ["g", "h", "x"]}
PENALIZED = {"protocol": "penalized_logistic", "outcome": "l", "covariates": ["g", "h", "k"], "number": 2}


def a_site(site: str, both: int, n: int = 160) -> AnalysisTable:
    """Half have g, and of these `both` have h as well; h and k are of many otherwise."""
    draw, people = np.random.default_rng(ord(site)), np.arange(n)
    g, k = (people < n // 2).astype(float), (people % 5 < 2).astype(float)
    h = np.where(g == 1, people < both, people % 4 != 0).astype(float)
    x, y = draw.normal(size=(2, n))
    columns = {"g": g, "h": h, "k": k, "l": (people % 3 == 0).astype(float), "x": x, "y": y}
    columns |= {"os.time": np.ceil(draw.exponential(500, n)), "os.event": (draw.random(n) < 0.6) * 1.0}
    return AnalysisTable(site, people + 1000 * ord(site), columns)


def run(
    spec: Mapping[str, Any], both: int, variables: Mapping[str, Any] = KINDS, *, elsewhere: int = 0
) -> tuple[Result | Failure, set[str]]:
    """What is found where `both` people of one site have g and h, and the names of all joined arrays.

    `elsewhere`: so many of another one.
    """
    return over([a_site("a", both), a_site("b", elsewhere), a_site("c", 0)], spec, variables)


def over(
    sites: list[AnalysisTable], spec: Mapping[str, Any], variables: Mapping[str, Any] = KINDS
) -> tuple[Result | Failure, set[str]]:
    study = a_study_of([], {"name": "a", "spec": dict(spec)}, variables=dict(variables))
    memory: dict[int, bytes] = {}
    outcome = run_locally(study, sites, memory=memory)
    kept = [j for r in sorted(memory) for j in unpack(memory[r])["joined"] if "sum" in j]
    return outcome.results["a"], {name for joined in kept for name in joined["sum"]}


@pytest.mark.parametrize("both", [0, 1, 9])
def test_two_covariates_that_few_have_together_are_named_and_no_product_leaves(both: int) -> None:
    found, kept = run(LINEAR, both)
    assert isinstance(found, Failure)
    assert (found.code, "g by h" in found.text) == (Code.WITHHELD, True)
    assert "products" not in kept


def test_ten_people_with_both_are_enough_beside_the_other_site_s_own() -> None:
    found, kept = run(LINEAR, 10, elsewhere=10)
    assert not isinstance(found, Failure)
    assert {"pairs", "products"} <= kept


@pytest.mark.parametrize("elsewhere", [0, 1, 9])
def test_a_site_with_ten_does_not_see_how_few_others_have_both(elsewhere: int) -> None:
    found, kept = run(LINEAR, 80, elsewhere=elsewhere)
    assert isinstance(found, Failure)
    assert "products" not in kept


@pytest.mark.parametrize("protocol", ["penalized_logistic", "logistic"])
def test_sums_weighted_at_coefficients_are_judged_by_three_covariates(protocol: str) -> None:
    """18 people have g and h, 8 of them k: enough for every pair, too few for three together.

    No site sees the products of a climb; where it does, those of two sites are enough beside each other.
    """
    elsewhere = (lambda both: both) if protocol == "penalized_logistic" else lambda both: 0
    spec = {
        name: value
        for name, value in PENALIZED.items()
        if protocol == "penalized_logistic" or name != "number"
    }
    found, kept = run({**spec, "protocol": protocol}, 18, elsewhere=elsewhere(18))
    assert isinstance(found, Failure)
    assert "cells of g by h by k" in found.text
    assert "information" not in kept
    more, _ = run({**spec, "protocol": protocol}, 30, elsewhere=elsewhere(30))
    assert not isinstance(more, Failure)


def test_an_outcome_is_in_tables_of_two_alone() -> None:
    """12 people have g and h; 4 of them have l, which enters the sums beside one covariate."""
    spec = {"protocol": "logistic", "outcome": "l", "covariates": ["g", "h", "x"]}
    assert not isinstance(run(spec, 12)[0], Failure)


@pytest.mark.parametrize(("pick", "judged"), [("first", False), ("last", True)])
def test_values_of_one_finding_exclude_each_other(pick: str, judged: bool) -> None:
    """`last` gives 1 for each of two values of one day."""
    grade = {"kind": "finding", "concept": "LOCAL:grade", "pick": pick}
    kinds = {**KINDS, "g": {**grade, "values": ["G2"]}, "h": {**grade, "values": ["G3"]}}
    assert isinstance(run(LINEAR, 0, kinds)[0], Failure) == judged


def test_who_has_two_of_an_exclusive_set_counts_as_missing() -> None:
    study = a_study_of([], {"name": "a", "spec": LINEAR}, variables=KINDS, exclusive=[["g", "h"]])
    sites = [a_site("a", 7), a_site("b", 0), a_site("c", 0)]
    found = run_locally(study, sites)["a"]
    assert found.n == 3 * 160 - 7
    assert parse_study(study.canonical()).hash() == study.hash()
    plain = a_study_of([], {"name": "a", "spec": LINEAR}, variables=KINDS)
    assert b"exclusive" not in plain.canonical()


@pytest.mark.parametrize("exclusive", [[["g", "nobody"]], [["g"]], [["g", "g"]]])
def test_an_exclusive_set_is_of_different_variables_of_the_study(exclusive: list[list[str]]) -> None:
    with pytest.raises(ValidationError, match="exclusive"):
        a_study_of([], {"name": "a", "spec": LINEAR}, variables=KINDS, exclusive=exclusive)


def test_a_study_of_exact_cells_is_not_judged() -> None:
    study = a_study_of([], {"name": "a", "spec": LINEAR}, variables=KINDS, cells="exact")
    assert run_locally(study, [a_site("a", 3), a_site("b", 0), a_site("c", 0)])["a"].n == 480


def test_cells_are_those_of_the_tables() -> None:
    spec = parse_spec({"protocol": "linear", "outcome": "y", "covariates": ["g", "h", "k"]})
    table = a_site("a", 7)
    x = table.matrix(["g", "h", "k"]).astype(int)
    found = joint_cells(spec, table, **tables_of((0, 1, 2), 3))
    for at, places in enumerate(((0, 1), (0, 2), (1, 2))):
        code = x[:, places] @ [2, 1]
        np.testing.assert_array_equal(found["pairs"][at], np.bincount(code, minlength=4))
    np.testing.assert_array_equal(found["triples"][0], np.bincount(x @ [4, 2, 1], minlength=8))


def test_a_score_of_several_values_is_in_no_table() -> None:
    sites = [a_site(site, 40) for site in "abc"]
    scored = [t.with_columns({"h": t.column("h") + np.arange(len(t)) % 3}) for t in sites]
    assert "pairs" in over(sites, LINEAR)[1]
    assert "pairs" not in over(scored, LINEAR)[1]


def test_more_variables_than_are_judged_are_refused() -> None:
    with pytest.raises(StudyError, match="at most 500"):
        tables_of(range(MOST_IN_PAIRS + 1), 2)


def test_who_is_asked_about_tables_follows_from_what_the_steps_declare() -> None:
    wanted = {
        "linear": 2, "mixed": 2, "pca": 2, "cca": 2, "pls": 2, "combat": 2, "associate": 2,
        "repeatability": 2, "penalized_logistic": 3, "logistic": 3, "multinomial": 3, "ordinal": 3,
        "boosting": 1, "forest": 1,
    }  # fmt: skip
    found = {
        name: together(protocol(name).steps, parse_spec({"protocol": name, **EXAMPLES[name].specs[0]}))
        for name in wanted
    }
    assert found == wanted
