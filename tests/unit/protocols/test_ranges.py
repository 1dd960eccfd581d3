"""Declared ranges: what lies outside is missing at the site, and no total is beyond what they allow."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.core.disclosure import Count, Moment, Thresholds, check_total
from protocols.core.errors import Code, StudyError
from protocols.core.study import Study, parse_study
from protocols.core.table import AnalysisTable
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
