"""Each data-quality check finds what was planted, and nothing in data that is right."""

from collections.abc import Mapping
from datetime import date

import pytest
from sqlalchemy import Engine, Table

from cdm.athena import load_seed
from cdm.database import upsert, writing
from cdm.quality import Finding, check
from cdm.schema import condition_occurrence, death, image_feature, measurement, observation_period, person

TODAY = date(2026, 11, 20)

PERSON = {
    "person_id": 1,
    "gender_concept_id": 8507,
    "year_of_birth": 1960,
    "race_concept_id": 0,
    "ethnicity_concept_id": 0,
}
PERIOD = {
    "observation_period_id": 1,
    "person_id": 1,
    "observation_period_start_date": date(2020, 1, 1),
    "observation_period_end_date": date(2021, 1, 1),
    "period_type_concept_id": 32817,
}
CONDITION = {
    "condition_occurrence_id": 1,
    "person_id": 1,
    "condition_concept_id": 4,
    "condition_start_date": date(2020, 5, 1),
    "condition_end_date": date(2020, 5, 2),
    "condition_type_concept_id": 32817,
}
FEATURE = {
    "measurement_id": 7,
    "person_id": 1,
    "measurement_concept_id": 0,
    "measurement_date": date(2020, 5, 1),
    "measurement_type_concept_id": 32880,
}


def failures(engine: Engine, *rows: tuple[Table, Mapping[str, object]]) -> set[tuple[str, str]]:
    """The (name, column) of the checks that fail once the rows are there beside a sound person."""
    load_seed(engine)
    with writing(engine) as connection:
        for table, row in ((person, PERSON), (observation_period, PERIOD), *rows):
            upsert(connection, table, [row])
    return {(it.name, it.column) for it in check(engine, TODAY) if not it.passed}


def test_sound_data_passes(engine: Engine) -> None:
    assert failures(engine, (condition_occurrence, CONDITION)) == set()


@pytest.mark.parametrize(
    ("table", "row", "name", "column"),
    [
        (
            condition_occurrence,
            {**CONDITION, "visit_occurrence_id": 9},
            "refers to visit_occurrence",
            "visit_occurrence_id",
        ),
        (condition_occurrence, {**CONDITION, "person_id": 9}, "refers to person", "person_id"),
        (
            condition_occurrence,
            {**CONDITION, "condition_concept_id": 8507},
            "domain is Condition",
            "condition_concept_id",
        ),
        (
            condition_occurrence,
            {**CONDITION, "condition_concept_id": 0},
            "mapped to a standard concept",
            "condition_concept_id",
        ),
        (
            condition_occurrence,
            {**CONDITION, "condition_end_date": date(2020, 4, 1)},
            "end not before start",
            "condition_end_date",
        ),
        (
            condition_occurrence,
            {**CONDITION, "condition_start_date": date(2026, 11, 21)},
            "not in the future",
            "condition_start_date",
        ),
        (
            condition_occurrence,
            {**CONDITION, "condition_start_date": date(1959, 1, 1)},
            "not before birth",
            "condition_start_date",
        ),
        (death, {"person_id": 1, "death_date": date(1959, 1, 1)}, "not before birth", "death_date"),
        (person, {**PERSON, "year_of_birth": 1860}, "at most 120 years old", "year_of_birth"),
        (person, {**PERSON, "year_of_birth": 0}, "year of birth is known", "year_of_birth"),
        (person, {**PERSON, "gender_concept_id": 0}, "sex is known", "gender_concept_id"),
        (person, {**PERSON, "person_id": 2}, "has an observation period", "person_id"),
    ],
)
def test_a_planted_fault_is_found(
    engine: Engine, table: Table, row: dict[str, object], name: str, column: str
) -> None:
    assert (name, column) in failures(engine, (table, row))


def test_an_event_after_death_is_found(engine: Engine) -> None:
    dead = {"person_id": 1, "death_date": date(2020, 4, 1)}
    found = failures(engine, (death, dead), (condition_occurrence, CONDITION))
    assert ("not after death", "condition_start_date") in found


def test_a_feature_of_an_image_needs_no_concept(engine: Engine) -> None:
    pointing = {
        "image_feature_id": 1,
        "person_id": 1,
        "image_occurrence_id": 3,
        "image_feature_concept_id": 0,
        "image_feature_type_concept_id": 32880,
        "image_feature_event_id": 7,
    }
    unmapped = ("mapped to a standard concept", "measurement_concept_id")
    assert unmapped not in failures(engine, (measurement, FEATURE), (image_feature, pointing))
    assert unmapped in failures(engine, (measurement, {**FEATURE, "measurement_id": 8}))


def test_a_text_wider_than_the_standard_is_found_where_the_database_lets_it_in(sqlite_engine: Engine) -> None:
    wide = {**CONDITION, "condition_source_value": "x" * 51}
    assert ("at most 50 characters", "condition_source_value") in failures(
        sqlite_engine, (condition_occurrence, wide)
    )


def test_a_finding_counts_and_names_no_row(engine: Engine) -> None:
    failures(engine, (condition_occurrence, {**CONDITION, "condition_concept_id": 0}))
    found = [it for it in check(engine, TODAY) if it.name == "mapped to a standard concept"]
    assert found == [
        Finding(
            "completeness",
            "mapped to a standard concept",
            "condition_occurrence",
            "condition_concept_id",
            1,
            1,
            False,
        )
    ]
