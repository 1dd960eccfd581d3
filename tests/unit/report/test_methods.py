"""The methods section says what each analysis did, with versions; the checklists say what the study knows."""

import importlib.metadata
import re
from dataclasses import replace
from pathlib import Path

import pytest

from protocols import CATALOGUE
from protocols.core.protocol import protocol
from protocols.core.wording import listed
from protocols.exchange.local import run_locally
from server.report import write_report
from tests.lib.everything import examples, hospitals, study_with

SPECS = examples()
STUDY = study_with(SPECS)


@pytest.mark.parametrize("name", SPECS)
def test_every_analysis_says_its_method_in_sentences(name: str) -> None:
    spec = STUDY.spec(name)
    words = protocol(spec.protocol).method(spec)
    assert re.fullmatch(r"[A-Z0-9].+\.", words)
    assert "  " not in words
    assert not re.search(r"None|\(\)|, \.|\bsite_|'\w+',", words)


def test_no_protocol_is_without_a_method() -> None:
    assert {STUDY.spec(name).protocol for name in SPECS} == CATALOGUE.keys()


def test_the_method_says_what_the_study_chose() -> None:
    grid = {"step_days": 60, "until_days": 1200}
    cox = {"protocol": "cox", "outcome": "os", "covariates": ["age", "idh1"]}
    chosen = study_with(
        {
            "stratified": {**cox, "strata": ["sex"]},
            "shared": {**cox, "stratify": "none", "grid": grid, "ties": "breslow"},
            "lasso": {**cox, "penalty": 0.1, "l1_ratio": 1.0},
        }
    )
    words = {a.name: protocol("cox").method(a.spec) for a in chosen.analyses}
    assert (
        "Cox regression of os on age and idh1, stratified by hospital and sex, ties by Efron's method"
        in words["stratified"]
    )
    assert "with one baseline hazard for all hospitals, ties by Breslow's method" in words["shared"]
    assert "a lasso penalty of 0.1" in words["lasso"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    specs = {
        "people": {"protocol": "attrition", "steps": ["index event", "adults"]},
        "table": {"protocol": "summary", "of": ["age"]},
        "told_apart": {
            "protocol": "discrimination",
            "model": {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]},
        },
    }
    study = study_with(specs, thresholds={"min_count": 15}, purpose="Does age tell the gene?")
    outcome = replace(run_locally(study, hospitals("North", "South", "West")), run="over-the-network")
    return write_report(study, outcome, [], tmp_path_factory.mktemp("methods")).read_text()


def test_methods_name_the_design_the_floors_and_the_versions(page: str) -> None:
    assert "A federated study over 3 hospitals (North, South and West)" in page
    assert "each after its own approval" in page
    assert "A number in the clear is based on at least 15 people" in page
    for name in ("shadowgraph", "numpy", "scipy"):
        assert importlib.metadata.version(name) in page
    assert "Logistic regression of idh1 on age, Wald intervals" in page


def test_a_run_in_one_process_is_not_called_approved(tmp_path: Path) -> None:
    study = study_with({"table": {"protocol": "summary", "of": ["age"]}})
    text = write_report(study, run_locally(study, hospitals()), [], tmp_path).read_text()
    assert "in one process over the tables of 3 hospitals (a, b and c), without a network" in text
    assert "each after its own approval" not in text


def row(page: str, item: str) -> str:
    found = re.search(rf"<td>{re.escape(item)}</td><td>(.*?)</td></tr>", page)
    assert found, item
    return found.group(1)


def test_the_page_says_first_who_asked(page: str) -> None:
    asked = "Asked by Dr. Ingrid Dahl, Test University. Ethics: Regional committee, 2026/17."
    assert 0 < page.index(asked) < page.index("<h2")


def test_a_checklist_has_what_the_study_knows_and_else_says_not_stated(page: str) -> None:
    assert row(page, "Objectives") == "Does age tell the gene?"
    assert row(page, "Participants at each stage") == "“People”"
    assert row(page, "Setting, locations and dates").startswith("3 hospitals: North, South and West")
    assert row(page, "Funding") == "not stated"
    assert row(page, "Ethical approval") == "Regional committee, 2026/17"
    assert row(page, "Outcome, its time horizon and assessment") == "idh1 and os"
    assert row(page, "Sample size") == "370 people in the cohort"


def test_a_study_without_a_prediction_model_has_no_checklist_for_one(tmp_path: Path) -> None:
    study = study_with({"table": {"protocol": "summary", "of": ["age"]}})
    text = write_report(study, run_locally(study, hospitals()), [], tmp_path).read_text()
    assert "STROBE" in text
    assert "TRIPOD" not in text


def test_many_names_are_cut_short_in_a_sentence() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(map(str, range(20))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"
