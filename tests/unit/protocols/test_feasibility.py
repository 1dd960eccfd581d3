"""What could not work is said before anybody is asked."""

from typing import Any

import pytest

from protocols.core.feasibility import doubts
from protocols.core.study import Study, study_of_text
from server.desk.studies import example
from tests.lib.everything import one_of_each, study_with

BASE: dict[str, Any] = {
    "name": "doubtful",
    "title": "A study",
    "requester": {"name": "A", "institution": "B", "ethics": "C"},
    "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
    "variables": {
        "age": {"kind": "age"},
        "idh1": {"kind": "gene", "gene": "idh1"},
        "kps": {"kind": "measurement", "concept": "LOINC:89243-0"},
        "entropy": {"kind": "radiomic", "feature": "TU9B", "modality": "CT", "region": "GTV"},
        "scanner": {"kind": "scanner", "modality": "CT"},
        "os": {"kind": "survival", "endpoint": "overall"},
    },
    "analyses": [
        {"name": "one", "spec": {"protocol": "cox", "outcome": "os", "covariates": ["age", "idh1"]}}
    ],
}


def study(**changes: Any) -> Study:
    return Study.model_validate({**BASE, **changes})


def with_variable(**kind: Any) -> Study:
    return study(variables={**BASE["variables"], "one": kind})


def with_spec(**spec: Any) -> Study:
    return study(analyses=[{"name": "one", "spec": spec}])


def test_the_words_of_the_example_are_nobodys_name() -> None:
    (doubt,) = doubts(study_of_text(example().text))
    assert (doubt.where, doubt.is_certain) == ("requester", False)


def test_nothing_is_in_doubt_where_nothing_is() -> None:
    assert doubts(study()) == ()
    # but for a rule of a study that this one has not, the examples of all protocols are in order
    assert [one for one in doubts(study_with(one_of_each())) if one.is_certain] == []


@pytest.mark.parametrize(
    ("asked", "where", "words", "fix", "is_certain"),
    [
        (
            with_spec(protocol="cox", outcome="age", covariates=["idh1"]),
            "analyses.one",
            "of kind age",
            "survival",
            True,
        ),
        (
            with_spec(protocol="kaplan_meier", outcome="kps"),
            "analyses.one",
            "of kind measurement",
            "survival",
            True,
        ),
        (
            with_spec(protocol="logistic", outcome="age", covariates=["idh1"]),
            "analyses.one",
            "0 and 1",
            "",
            True,
        ),
        (
            with_spec(protocol="linear", outcome="os", covariates=["age"]),
            "analyses.one",
            "survival variable",
            "os.time",
            True,
        ),
        (
            with_spec(protocol="summary", of=["scanner"]),
            "analyses.one",
            "never leaves a hospital",
            "combat",
            True,
        ),
        (
            with_spec(protocol="combat", features=["entropy", "kps"], batch="age"),
            "analyses.one",
            "label as its batch",
            "",
            True,
        ),
        (
            with_variable(kind="measurement", concept="LOINC:89243-1"),
            "variables.one.concept",
            "check digit",
            "",
            False,
        ),
        (
            with_variable(kind="measurement", concept="condition:89243"),
            "variables.one.concept",
            "a domain",
            "",
            True,
        ),
        (
            with_variable(kind="gene", gene="IDH7"),
            "variables.one.gene",
            "HGNC knows no gene",
            "did you mean IDH",
            False,
        ),
        (
            with_variable(kind="radiomic", feature="XXXX", modality="CT", region="GTV"),
            "variables.one.feature",
            "IBSI",
            "",
            False,
        ),
        (
            with_variable(kind="image_feature", feature="vasari_f99"),
            "variables.one.feature",
            "f1 to f30",
            "",
            True,
        ),
        (study(min_sites=2), "min_sites", "3 sites", "min_sites: 3", False),
        (study(requester=None), "requester", "who asks", "ethics", False),
        (
            study(cohort={"index": {"domain": "condition", "concept": "ICD10CN:C71%"}}),
            "cohort.index.concept",
            "no vocabulary",
            "ICD10CM",
            False,
        ),
        (
            study(cohort={"index": {"domain": "condition", "concept": "condition:ICD10CM:C71%"}}),
            "cohort.index.concept",
            "a domain",
            "ICD10CM:C71%",
            True,
        ),
    ],
)
def test_a_slip_is_named_with_its_place_and_its_fix(
    asked: Study, where: str, words: str, fix: str, is_certain: bool
) -> None:
    (found,) = doubts(asked)
    assert found.where == where
    assert words in found.text
    assert fix in found.fix
    assert found.is_certain is is_certain


@pytest.mark.parametrize("code", ["89243-0", "2857-1", "29463-7", "8302-2", "718-7", "LA6576-8"])
def test_loinc_codes_end_in_their_check_digit(code: str) -> None:
    """Codes of LOINC 2.80, with their digits as published."""
    assert doubts(with_variable(kind="measurement", concept=f"LOINC:{code}")) == ()


def test_a_hospitals_own_vocabulary_is_nobodys_business() -> None:
    assert doubts(with_variable(kind="measurement", concept="LOCAL:grade")) == ()
    assert doubts(with_variable(kind="measurement", concept="local-0123456789ab:grade")) == ()


def test_survival_columns_are_numbers_where_they_are_named() -> None:
    assert doubts(with_spec(protocol="summary", of=["os.time", "age"])) == ()
