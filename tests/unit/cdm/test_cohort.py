"""The definition of a cohort as a person writes it."""

import pytest
import yaml
from pydantic import ValidationError

from cdm.cohorts.cohort import CohortDefinition

GLIOMA = """
index: {domain: condition, concept: "ICD10CM:C71%", pick: first}
rules:
  - {name: adults, kind: age, at_least: 18}
  - {name: women, kind: sex, is: female}
  - {name: had an MR, kind: imaging, modality: MR, features: true}
  - {name: IDH1 tested, kind: gene, gene: IDH1}
  - name: no radiotherapy before
    kind: record
    domain: procedure
    concept: "SNOMED:108290001"
    to_days: -1
    absent: true
  - {name: a year of follow-up, kind: follow_up, at_least_days: 365}
"""


def glioma(**changes: object) -> CohortDefinition:
    return CohortDefinition.model_validate({**yaml.safe_load(GLIOMA), **changes})


def test_a_cohort_reads_from_yaml_and_comes_back_from_json() -> None:
    definition = glioma()
    assert CohortDefinition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition


def test_attrition_counts_the_index_event_and_every_rule_in_order() -> None:
    steps = glioma().steps()
    assert steps[:3] == ["index event", "adults", "women"]
    assert len(steps) == 7


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "x", "kind": "age", "at_least": 18, "atleast": 1},
        {"name": "x", "kind": "unheard of"},
        {"name": "x", "kind": "age", "at_least": 60, "at_most": 18},
        {"name": "x", "kind": "age"},
        {"name": "x", "kind": "record", "domain": "drug", "concept": "C71"},
        {"name": "x", "kind": "record", "domain": "drug", "concept": "ICD10CM:C%1"},
        {
            "name": "x",
            "kind": "record",
            "domain": "drug",
            "concept": "RxNorm:1",
            "from_days": 1,
            "to_days": 0,
        },
        {"name": "x", "kind": "gene", "gene": "IDH1; DROP TABLE"},
        {"name": "", "kind": "age", "at_least": 18},
        {"name": "index event", "kind": "age", "at_least": 18},
    ],
)
def test_a_rule_that_means_nothing_is_refused(rule: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        glioma(rules=[rule])


def test_several_vocabularies_may_name_one_thing() -> None:
    either = ["ICD10CM:C71%", "SNOMED:393563007"]
    assert glioma(index={"domain": "condition", "concept": either}).index.concepts == tuple(either)
    assert glioma().index.concepts == ("ICD10CM:C71%",)


def test_two_rules_of_one_name_are_refused() -> None:
    rule = {"name": "adults", "kind": "age", "at_least": 18}
    with pytest.raises(ValidationError, match="same name"):
        glioma(rules=[rule, rule])


def test_a_definition_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        glioma().rules = ()  # type: ignore[misc]
