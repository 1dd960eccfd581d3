"""What a report says of results: floors, baselines, steps of covariates, medians, numbers at risk."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.core.figure import Curves, Estimates, Figure
from protocols.core.study import parse_study, read_study
from protocols.exchange.local import run_locally
from server.report import write_report
from tests.lib.everything import hospitals, study_with

COX = {"protocol": "cox", "outcome": "os", "covariates": ["age", "f_one", "f_three"]}


def sections(out: Path, specs: Mapping[str, Mapping[str, Any]], **changes: Any) -> dict[str, str]:
    """The sections of the report of these analyses, by title."""
    study = study_with(specs, **changes)
    page = write_report(study, run_locally(study, hospitals()), [], out).read_text()
    return {re.search(r"<h2[^>]*>(.*?)</h2>", s).group(1): s for s in page.split("<section>")[1:]}  # type: ignore[union-attr]


@pytest.mark.parametrize("l1_ratio", [0.5, 1.0])
def test_a_cox_lasso_or_elastic_net_has_a_report_without_intervals(tmp_path: Path, l1_ratio: float) -> None:
    page = sections(tmp_path, {"shrunk": {**COX, "penalty": 0.03, "l1_ratio": l1_ratio}})["Shrunk"]
    assert "<svg" in page
    assert "has no confidence intervals" in page
    assert "Likelihood ratio test" not in page
    assert "nan" not in page.lower()


def test_who_shares_a_baseline_hazard_is_said_as_the_study_asked(tmp_path: Path) -> None:
    grid = {"step_days": 60, "until_days": 1200}
    pages = sections(
        tmp_path,
        {
            "own": COX,
            "shared": {**COX, "covariates": ["age"], "stratify": "none", "grid": grid},
            "by_sex": {**COX, "covariates": ["age"], "strata": ["sex"]},
        },
    )
    own, shared = "every hospital keeps its own baseline hazard", "all hospitals share one baseline hazard"
    assert own in pages["Own"]
    assert shared not in pages["Own"]
    assert shared in pages["Shared"]
    assert own not in pages["Shared"]
    assert f"{own}, one for each value of sex" in pages["By sex"]


def test_many_measures_of_one_sign_stand_below_each_other_each_with_its_interval(tmp_path: Path) -> None:
    spec = {"protocol": "posterior", "gene": "idh1", "finding": "sex", "prevalences": [0.1]}
    page = sections(tmp_path, {"sign": spec}, cells="exact")["Sign"]
    number = r"[0-9.]+"
    for name in (
        "sensitivity",
        "positive predictive value",
        "negative predictive value at a prevalence of 0.1",
    ):
        assert re.search(rf"<td>{name}</td><td[^>]*>{number} \({number} to {number}\)</td>", page), name
    assert "_lower" not in page.partition("<table>")[2]


def test_a_withheld_number_names_the_floor_of_its_study(tmp_path: Path) -> None:
    spec = {"protocol": "summary", "of": ["idh1"], "per_site": True}
    page = sections(tmp_path, {"genes": spec}, thresholds={"min_count": 30})["Genes"]
    assert '<span class="chip">withheld</span>' in page
    assert "fewer than 30 people" in page
    assert "fewer than 10" not in page


def test_hazard_ratios_are_shown_per_named_step_and_per_standard_deviation(tmp_path: Path) -> None:
    study = study_with({"hazards": COX}, shown_per={"age": 10})
    outcome = run_locally(study, hospitals())
    found = outcome["hazards"]
    page = write_report(study, outcome, [], tmp_path).read_text()
    assert "age, per 10 years" in page
    assert f"{found.hazard_ratio[0] ** 10:.2f} (" in page
    per_sd = float(np.exp(found.coef[2] * found.scale[2]))  # per unit it is beyond any axis
    assert "f_three, per SD (0.00" in page
    assert f"{per_sd:.2f} (" in page or f"{per_sd:.3f} (" in page


def test_a_step_is_for_the_report_alone_and_absent_leaves_the_hash(tmp_path: Path) -> None:
    without, with_step = study_with({"hazards": COX}), study_with({"hazards": COX}, shown_per={"age": 10})
    assert b"shown_per" not in without.canonical()
    assert without.hash() != with_step.hash()
    assert parse_study(with_step.canonical()) == with_step
    assert parse_study(without.canonical()).hash() == without.hash()
    results = [run_locally(study, hospitals())["hazards"].as_dict() for study in (without, with_step)]
    assert results[0] == results[1]


def test_the_hash_of_a_study_without_steps_is_what_it_was() -> None:
    """SHA-256 of docs/examples/lgg.yaml before `shown_per`, `requester`, `digits`, `cells` and `left_out`."""
    study = read_study(Path(__file__).parents[3] / "docs" / "examples" / "lgg.yaml")
    before = {"requester": None, "digits": "earned", "cells": "coarse", "analyses": study.analyses[1:]}
    assert study.model_copy(update=before).hash() == LGG


LGG = "ad32437165dd2e097aa5f911bf6ec4f8bc288974c1278308c7aa1b8ab34e7002"


@pytest.mark.parametrize("per", [{"weight": 1}, {"age": 0}, {"age": "iqr"}])
def test_a_step_of_no_variable_or_no_size_is_refused(per: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="shown_per"):
        study_with({"hazards": COX}, shown_per=per)


def test_table_one_has_medians_where_the_study_asked_for_quantiles_and_else_says_so(tmp_path: Path) -> None:
    table = {"protocol": "summary", "of": ["age", "f_one"]}
    ages = {"protocol": "quantiles", "of": [{"variable": "age", "low": 0, "high": 120, "resolution": 0.1}]}
    with_medians = sections(tmp_path / "a", {"table": table, "ages": ages})["Table"]
    assert re.search(r"median \(quartiles\)", with_medians)
    assert re.search(r"<td[^>]*>age</td><td[^>]*>\d+\.\d \(\d+\.\d to \d+\.\d\)</td>", with_medians)
    without = sections(tmp_path / "b", {"table": table})["Table"]
    assert "Medians and quartiles are not shown: the study has no <code>quantiles</code> analysis" in without
    genes = {"protocol": "summary", "of": ["idh1"]}  # 0 or 1: it has a share and no median
    assert "Medians" not in sections(tmp_path / "c", {"genes": genes})["Genes"]


def test_numbers_at_risk_are_those_of_the_intervals_that_begin_at_the_days() -> None:
    spec = {"protocol": "kaplan_meier", "outcome": "os", "grid": {"step_days": 50, "until_days": 1500}}
    tables = hospitals()
    figure = run_locally(study_with({"curve": spec}), tables)["curve"].figure()
    assert isinstance(figure, Figure)
    panel = figure.panels[0]
    assert isinstance(panel, Curves)
    assert panel.at_risk is not None
    assert panel.at_risk.x == (0.0, 200.0, 400.0, 600.0, 800.0, 1000.0, 1200.0, 1400.0)
    time = np.concatenate([table.column("os.time") for table in tables])
    expected = [int((time > day).sum()) for day in panel.at_risk.x]  # times after the day: at risk at its end
    shown = panel.at_risk.groups[0][1]
    told = [(count, true) for count, true in zip(shown, expected, strict=True) if count is not None]
    assert len(told) > 2  # where few leave, the numbers between are not known
    assert all(count == true for count, true in told)


def test_differences_between_hospitals_are_told_where_each_shows_its_own_estimate() -> None:
    figure = run_locally(
        study_with({"table": {"protocol": "summary", "of": ["age", "f_one"], "per_site": True}}), hospitals()
    )["table"].figure()
    assert isinstance(figure, Figure)
    age, f_one = figure.panels
    assert isinstance(age, Estimates)
    assert [row.label for row in age.rows] == ["a", "b", "c"]
    assert "p < 0.001 for equal means" in f_one.title  # scanners shift the feature and not the age
    assert "p < 0.001" not in age.title
