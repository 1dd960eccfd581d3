"""A model without each group of hospitals: equal to the pooled fits, and a group that differs is named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocols.core.errors import Code, StudyError
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally
from protocols.validation.influence import InfluenceResult, groups_of
from tests.lib.agents import Agents
from tests.lib.equal_results import assert_equal_results
from tests.lib.studies import a_study_of
from tests.reference.pooled import reference

MODELS: dict[str, dict[str, Any]] = {
    "logistic": {"protocol": "logistic", "outcome": "y", "covariates": ["x", "z"]},
    "linear": {"protocol": "linear", "outcome": "z", "covariates": ["x", "y"]},
}


def tables(sites: str, turned: str = "", people: int = 80) -> dict[str, AnalysisTable]:
    """Hospitals at which y goes with x, and some at which it goes against it."""
    return {site: AnalysisTable(site, np.arange(people), _columns(site, people, turned)) for site in sites}


def _columns(site: str, people: int, turned: str) -> Mapping[str, Floats]:
    draw = np.random.default_rng(ord(site))
    x, z = draw.normal(size=(2, people))
    y = (draw.uniform(size=people) < 1 / (1 + np.exp(z - x))).astype(float)
    return {"x": -x if site in turned else x, "z": z, "y": y}


def found(sites: Mapping[str, AnalysisTable], model: str = "logistic", **more: str) -> InfluenceResult:
    spec = {"protocol": "influence", "model": MODELS[model], **more}
    result: InfluenceResult = run_locally(
        a_study_of(["x", "y", "z"], {"name": "moved", "spec": spec}), list(sites.values())
    )["moved"]
    return result


@pytest.mark.parametrize("leave_out", ["groups", "sites"])
@pytest.mark.parametrize("model", MODELS)
def test_each_fit_is_the_pooled_one_without_the_group(model: str, leave_out: str) -> None:
    sites = tables("abcdefg", people=40)
    study = a_study_of(
        ["x", "y", "z"],
        {"name": "moved", "spec": {"protocol": "influence", "model": MODELS[model], "leave_out": leave_out}},
    )
    here = run_locally(study, list(sites.values()))["moved"]
    assert_equal_results(here, reference(study.analyses[0].spec, list(sites.values())), frozenset())
    assert {site for group in here.groups for site in group} == set("abcdefg")
    assert sum(map(len, here.groups)) == 7


def test_a_hospital_with_its_data_turned_is_named_and_no_other() -> None:
    moved = found(tables("abcde", turned="e"), leave_out="sites")
    assert [group for group, named in zip(moved.groups, moved.stands_out, strict=True) if named] == [("e",)]
    (said,) = moved.sentences()
    assert said.startswith("Without e the coefficient of x is ")
    assert said in moved.figure().caption


def test_the_group_that_holds_it_is_named() -> None:
    moved = found(tables("abcdef", turned="e"))
    assert all(moved.stands_out)  # of two groups each is all but the other
    moved = found(tables("abcdefghi", turned="e"))
    assert "e" in moved.groups[int(np.argmin(moved.p))]


@pytest.mark.slow
def test_chance_alone_names_a_group_as_seldom_as_is_said() -> None:
    """Of 60 consortia of hospitals that do not differ, 1 in 100 would be expected."""
    named = 0
    for k in range(60):
        draw = np.random.default_rng(k)
        sites = []
        for site in "abcde":
            x, z = draw.normal(size=(2, 60))
            y = (draw.uniform(size=60) < 1 / (1 + np.exp(z - x))).astype(float)
            sites.append(AnalysisTable(site, np.arange(60), {"x": x, "z": z, "y": y}))
        named += any(found({t.site: t for t in sites}, "linear", leave_out="sites").stands_out)
    assert named <= 3


@pytest.mark.parametrize(("sites", "leave_out"), [("abcde", "groups"), ("abc", "sites")])
def test_three_hospitals_stay_in_any_case(sites: str, leave_out: str) -> None:
    with pytest.raises(StudyError) as caught:
        found(tables(sites), leave_out=leave_out)
    assert (caught.value.code, "at least six" in caught.value.fix) == (Code.TOO_FEW_SITES, True)


def test_a_hospital_with_few_people_is_not_left_out() -> None:
    sites = tables("abcde") | tables("f", people=9)
    moved = found(sites, leave_out="sites")
    assert (len(moved.groups), moved.not_judged) == (5, ("f",))


def test_groups_are_disjoint_of_three_or_more_and_hang_on_the_names_alone() -> None:
    spec = a_study_of(
        ["x", "y", "z"], {"name": "moved", "spec": {"protocol": "influence", "model": MODELS["logistic"]}}
    )
    for number in range(6, 15):
        names = [f"site-{k}" for k in range(number)]
        groups = groups_of(spec.analyses[0].spec, names)  # type: ignore[arg-type]
        assert sorted(site for group in groups for site in group) == sorted(names)
        assert min(map(len, groups)) >= 3


@pytest.mark.slow
def test_sites_conduct_it(tmp_path: Path) -> None:
    spec = {"protocol": "influence", "model": MODELS["logistic"], "leave_out": "sites"}
    study = a_study_of(["x", "y", "z"], {"name": "moved", "spec": spec}, digits="full")
    sites = tables("abcd")
    agents = Agents(tmp_path, study, sites)
    outcome = agents.run()
    np.testing.assert_allclose(
        outcome["moved"].shift, run_locally(study, list(sites.values()))["moved"].shift, rtol=1e-6, atol=0.05
    )
