"""Declared ranges: what lies outside is missing at the site, and no total is beyond what they allow."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.core.disclosure import Count, Moment, Thresholds, check_total
from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import Failure
from protocols.core.ranges import Ranges, within_ranges
from protocols.core.study import Study, parse_study
from protocols.core.table import AnalysisTable
from protocols.exchange import site_answer
from protocols.exchange.local import run_locally
from protocols.exchange.site_answer import people_in
from tests.lib.studies import a_study_of

LINEAR = {"protocol": "linear", "outcome": "y", "covariates": ["x"]}
LEFT_OUT = {"protocol": "left_out"}


def a_study(**changes: Any) -> Study:
    analyses = [{"name": "model", "spec": LINEAR}, {"name": "left_out", "spec": LEFT_OUT}]
    return a_study_of(["x", "y"], *analyses, **{"min_sites": 1, **changes})


def a_table(site: str) -> AnalysisTable:
    x, u = np.random.default_rng(ord(site)).normal(size=(2, 50))
    x[:2] = [900.0, -7.0]
    return AnalysisTable(site, 100 * ord(site) + np.arange(50), {"x": x, "y": x + u})


def test_a_value_outside_its_range_is_missing_and_counted() -> None:
    study = a_study(ranges={"x": [-6, 6]})
    assert len(people_in(study, "model", a_table("a"))) == 48
    found = run_locally(study, [a_table(site) for site in "abc"])
    assert found["model"].n == 144
    assert (found["left_out"].people, found["left_out"].counted.tolist()) == (150, [144])


@pytest.mark.parametrize("ranges", [{"z": [0, 1]}, {"x": [1, 1]}, {"x": [0, float("inf")]}])
def test_a_range_of_no_column_or_of_no_width_is_refused(ranges: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="range"):
        a_study(ranges=ranges)


def test_a_study_without_ranges_keeps_its_hash() -> None:
    assert b"ranges" not in a_study().canonical()
    with_ranges = a_study(ranges={"x": [-6, 6]})
    assert parse_study(with_ranges.canonical()).hash() == with_ranges.hash() != a_study().hash()


def test_a_total_beyond_what_its_people_can_have_is_tampered() -> None:
    declared = {"n": Count(), "sum": Moment("column", what="sums")}

    def checked(total: float) -> Any:
        totals = {"n": np.array(20), "sum": np.array([total, 1e9])}
        bounds = {"sum": np.array([6.0, np.inf])}
        return check_total(declared, totals, axes={"column": 2}, thresholds=Thresholds(), at_most=bounds)

    assert checked(-120.0)["sum"][0] == -120
    with pytest.raises(StudyError) as caught:
        checked(121.0)
    assert caught.value.code is Code.TAMPERED


MODELS: dict[str, dict[str, Any]] = {
    "logistic": {"outcome": "g", "covariates": ["x"]},
    "multinomial": {"outcome": "g", "covariates": ["x"], "levels": [0, 1]},
    "penalized_logistic": {"outcome": "g", "covariates": ["x"], "number": 2},
    "pca": {"features": ["x", "y"]},
    "cca": {"x": ["x"], "y": ["y"], "components": 1},
    "pls": {"x": ["x"], "y": ["y"], "components": 1},
    "associate": {"features": ["x"], "outcomes": ["y"]},
    "correlation": {"of": ["x", "y"]},
}


@pytest.mark.parametrize("name", MODELS)
def test_a_site_that_holds_to_no_range_is_found_out_by_its_sums(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def but_of_c(table: AnalysisTable, ranges: Ranges) -> AnalysisTable:
        return table if table.site == "c" else within_ranges(table, ranges)

    monkeypatch.setattr(site_answer, "within_ranges", but_of_c)
    study = a_study_of(
        ["x", "y", "g"], {"name": "a", "spec": {"protocol": name, **MODELS[name]}}, ranges={"x": [-6, 6]}
    )
    draw = np.random.default_rng(23)
    sites = []
    for at, site in enumerate("abc"):
        x, y = draw.normal(size=(2, 60))
        columns = {"x": x, "y": x + y, "g": (y > 0).astype(float)}
        sites.append(AnalysisTable(site, 100 * at + np.arange(60), columns))
    assert not isinstance(run_locally(study, sites).results["a"], Failure)
    sites[2] = sites[2].with_columns({"x": 30 * sites[2].column("x")})
    found = run_locally(study, sites).results["a"]
    assert isinstance(found, Failure)
    assert found.code is Code.TAMPERED
