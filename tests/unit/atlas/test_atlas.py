"""ATLAS's cohorts find whom they mean, on both databases; the oracle is the same meaning in plain Python."""

import json

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine

from cdm.cohorts.circe import Expression
from cdm.cohorts.cohort import AtlasCohort
from site_node.study_table import atlas
from tests.lib.atlas_hospital import CONCEPTS, Definitions, Hospital, tables_of, write
from tests.lib.shared import shared
from tests.lib.slow_atlas import WHERE, SlowAtlas

DRAWN = 60
ADULT = {"Value": 18, "Op": "gte"}


@pytest.fixture
def drawn(engine: Engine) -> Engine:
    """A hospital of 40 people with records of every kind over a small vocabulary."""
    hospital = Hospital(seed=5, people=40)
    hospital.concepts(CONCEPTS)
    for above, below in ((1, 2), (1, 3), (2, 3), (4, 5), (7, 8), (7, 9)):
        hospital.ancestor(above, below)
    hospital.maps(10, 4)
    hospital.maps(11, 7)
    for kind in ("VisitOccurrence", *WHERE):
        for person_id in hospital.people:
            for _ in range(hospital.random.choice((0, 1, 2, 3))):
                hospital.record(kind, person_id, hospital.random.choice(CONCEPTS))
    write(engine, hospital.tables)
    return engine


def found(engine: Engine, definition: dict[str, object]) -> atlas.AtlasPeople:
    with engine.connect() as connection:
        return atlas.find(connection, AtlasCohort.model_validate({"circe": definition}))


@pytest.mark.slow
def test_definitions_at_random_find_whom_plain_python_finds(drawn: Engine) -> None:
    tables, definitions, non_empty = tables_of(drawn), Definitions(seed=11), 0
    for number in range(DRAWN):
        definition = definitions.draw()
        people = found(drawn, definition)
        stays, counts = SlowAtlas(Expression.model_validate(definition), tables).stays()
        assert people.stays == stays, f"definition {number}"
        assert [count for _, count in people.attrition] == counts, f"definition {number}"
        non_empty += bool(stays)
    assert non_empty > DRAWN / 3


@pytest.mark.slow
def test_real_cohorts_find_whom_plain_python_finds(engine: Engine) -> None:
    files = sorted(shared("data/cohorts").glob("*.json"))
    assert len(files) == 40
    definitions = {file.stem: json.loads(file.read_bytes()) for file in files}
    hospital = Hospital(seed=4, people=150)
    for definition in definitions.values():
        hospital.records_for(Expression.model_validate(definition), people=15)
    write(engine, hospital.tables)
    tables, empty = tables_of(engine), []
    for name, definition in definitions.items():
        people = found(engine, definition)
        stays, counts = SlowAtlas(Expression.model_validate(definition), tables).stays()
        assert people.stays == stays, name
        assert [count for _, count in people.attrition] == counts, name
        if not stays:
            empty.append(name)
    assert empty == []


@pytest.mark.parametrize(
    ("criterion", "part"),
    [
        ({"ConditionOccurrence": {"ProviderSpecialty": [{"CONCEPT_ID": 1}]}}, "ProviderSpecialty"),
        ({"DrugExposure": {"EffectiveDrugDose": {"Value": 1, "Op": "gt"}}}, "EffectiveDrugDose"),
        ({"PayerPlanPeriod": {"CodesetId": None}}, "PayerPlanPeriod"),
        ({"Measurement": {"DateAdjustment": {"StartOffset": 1}}}, "DateAdjustment"),
    ],
)
def test_an_unsupported_part_is_named(criterion: dict[str, object], part: str) -> None:
    with pytest.raises(ValidationError, match=f"ATLAS's {part} is not supported here"):
        Expression.model_validate({"PrimaryCriteria": {"CriteriaList": [criterion]}})


def test_what_nobody_filled_in_is_left_out() -> None:
    event = {"CodesetId": None, "ProviderSpecialty": [], "Age": None, "DeathTypeExclude": False}
    primary = {"CriteriaList": [{"Death": event}]}
    definition = Expression.model_validate({"PrimaryCriteria": primary, "AdditionalCriteria": None})
    assert definition.primary_criteria.criteria_list[0].event.age is None


def test_an_era_has_no_age_but_one_at_its_start() -> None:
    primary = {"CriteriaList": [{"DrugEra": {"Age": ADULT}}]}
    with pytest.raises(ValidationError, match="AgeAtStart"):
        Expression.model_validate({"PrimaryCriteria": primary})


def test_a_concept_set_that_is_not_there_is_refused() -> None:
    primary = {"CriteriaList": [{"ConditionOccurrence": {"CodesetId": 3}}]}
    with pytest.raises(ValidationError, match="no concept set 3"):
        Expression.model_validate({"PrimaryCriteria": primary})


def test_a_definition_comes_back_from_its_canonical_form() -> None:
    for number in range(50):
        cohort = AtlasCohort.model_validate({"circe": Definitions(seed=number).draw()})
        assert AtlasCohort.model_validate(cohort.model_dump(mode="json", by_alias=True)) == cohort


def test_steps_of_one_name_are_told_apart() -> None:
    rule = {"name": "index event", "expression": {"Type": "ALL"}}
    primary = {"CriteriaList": [{"Death": {}}]}
    cohort = AtlasCohort.model_validate(
        {"circe": {"PrimaryCriteria": primary, "InclusionRules": [rule, rule]}}
    )
    assert cohort.steps() == ["index event", "index event (1)", "index event (2)"]


def test_an_empty_hospital_has_an_empty_cohort(sqlite_engine: Engine) -> None:
    rule = {"name": "adults", "expression": {"Type": "ALL", "DemographicCriteriaList": [{"Age": ADULT}]}}
    primary = {"CriteriaList": [{"Death": {}}]}
    people = found(sqlite_engine, {"PrimaryCriteria": primary, "InclusionRules": [rule]})
    assert people == atlas.AtlasPeople([], [("index event", 0), ("adults", 0)])
