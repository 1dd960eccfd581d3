"""Each data-quality check finds what was planted, and nothing in data that is right."""

from collections.abc import Mapping
from datetime import date, datetime

import pytest
from sqlalchemy import Engine, Table

from cdm.database import upsert, writing
from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN
from cdm.quality import CHECK_TYPES, check, history
from cdm.schema import (
    concept,
    condition_era,
    condition_occurrence,
    death,
    image_feature,
    measurement,
    observation_period,
    person,
    visit_occurrence,
)
from cdm.vocabulary.athena import load_seed

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
    "condition_source_value": "ICD10CM:C71.9",
    "condition_source_concept_id": 4,
}
ERA = {
    "condition_era_id": 1,
    "person_id": 1,
    "condition_concept_id": 4,
    "condition_era_start_date": date(2020, 5, 1),
    "condition_era_end_date": date(2020, 5, 2),
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
    assert failures(engine, (condition_occurrence, CONDITION), (condition_era, ERA)) == set()


@pytest.mark.parametrize(
    ("table", "row", "name", "column"),
    [
        (
            condition_occurrence,
            {**CONDITION, "visit_occurrence_id": 9},
            "isForeignKey",
            "visit_occurrence_id",
        ),
        (condition_occurrence, {**CONDITION, "person_id": 9}, "isForeignKey", "person_id"),
        (
            condition_occurrence,
            {**CONDITION, "condition_concept_id": 8507},
            "fkDomain",
            "condition_concept_id",
        ),
        (
            condition_occurrence,
            {**CONDITION, "condition_concept_id": 0},
            "standardConceptRecordCompleteness",
            "condition_concept_id",
        ),
        (
            condition_occurrence,
            {**CONDITION, "condition_end_date": date(2020, 4, 1)},
            "plausibleStartBeforeEnd",
            "condition_end_date",
        ),
        (
            condition_occurrence,
            {**CONDITION, "condition_start_date": date(2026, 11, 21)},
            "plausibleValueHigh",
            "condition_start_date",
        ),
        (
            condition_occurrence,
            {**CONDITION, "condition_start_date": date(1959, 1, 1)},
            "plausibleAfterBirth",
            "condition_start_date",
        ),
        (death, {"person_id": 1, "death_date": date(1959, 1, 1)}, "plausibleAfterBirth", "death_date"),
        (person, {**PERSON, "year_of_birth": 1860}, "plausibleValueLow", "year_of_birth"),
        (person, {**PERSON, "year_of_birth": 0}, "plausibleValueLow", "year_of_birth"),
        (
            person,
            {**PERSON, "gender_concept_id": 0},
            "standardConceptRecordCompleteness",
            "gender_concept_id",
        ),
        (person, {**PERSON, "person_id": 2}, "measurePersonCompleteness", "person_id"),
    ],
)
def test_a_planted_fault_is_found(
    engine: Engine, table: Table, row: dict[str, object], name: str, column: str
) -> None:
    assert (name, column) in failures(engine, (table, row))


def test_a_record_without_a_known_day_is_not_from_before_birth(engine: Engine) -> None:
    undated = {**CONDITION, "condition_start_date": DAY_NOT_KNOWN}
    found = failures(engine, (condition_occurrence, undated))
    assert ("plausibleAfterBirth", "condition_start_date") not in found


def test_an_event_after_death_is_found(engine: Engine) -> None:
    dead = {"person_id": 1, "death_date": date(2020, 4, 1)}
    found = failures(engine, (death, dead), (condition_occurrence, CONDITION))
    assert ("plausibleDuringLife", "condition_start_date") in found


def test_a_feature_of_an_image_needs_no_concept(engine: Engine) -> None:
    pointing = {
        "image_feature_id": 1,
        "person_id": 1,
        "image_occurrence_id": 3,
        "image_feature_concept_id": 0,
        "image_feature_type_concept_id": 32880,
        "image_feature_event_id": 7,
    }
    unmapped = ("standardConceptRecordCompleteness", "measurement_concept_id")
    assert unmapped not in failures(engine, (measurement, FEATURE), (image_feature, pointing))
    assert unmapped in failures(engine, (measurement, {**FEATURE, "measurement_id": 8}))


def test_a_text_wider_than_the_standard_is_found_where_the_database_lets_it_in(sqlite_engine: Engine) -> None:
    wide = {**CONDITION, "condition_source_value": "x" * 51}
    assert ("cdmDatatype", "condition_source_value") in failures(sqlite_engine, (condition_occurrence, wide))


def test_a_finding_counts_and_names_no_row(engine: Engine) -> None:
    failures(engine, (condition_occurrence, {**CONDITION, "condition_concept_id": 0}))
    found = [
        it
        for it in check(engine, TODAY)
        if (it.name, it.table) == ("standardConceptRecordCompleteness", "condition_occurrence")
    ]
    assert [(it.category, it.context, it.column, it.rows, it.violations, it.passed) for it in found] == [
        ("completeness", "verification", "condition_concept_id", 1, 1, False)
    ]


def test_more_than_twenty_of_ohdsi_s_check_types_are_asked(engine: Engine) -> None:
    failures(engine, (condition_occurrence, CONDITION), (measurement, HEIGHT), (visit_occurrence, VISIT))
    asked = {it.name for it in check(engine, TODAY)}
    assert set(CHECK_TYPES) - asked <= {"fkClass"}  # asked of drug eras alone
    assert len(CHECK_TYPES) >= 24


def test_an_empty_cdm_has_all_its_tables_and_no_fault(engine: Engine) -> None:
    found = check(engine, TODAY)
    assert {it.name for it in found} == {"cdmTable", "cdmField"}
    assert all(it.passed for it in found)


def test_a_table_that_is_not_there_is_found(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine) as connection:
        connection.exec_driver_sql("DROP TABLE specimen")
        connection.exec_driver_sql("ALTER TABLE note RENAME COLUMN note_title TO title")
    failed = {(it.name, it.table, it.column) for it in check(sqlite_engine, TODAY) if not it.passed}
    assert failed == {("cdmTable", "specimen", ""), ("cdmField", "note", "note_title")}


HEIGHT = {
    "measurement_id": 9,
    "person_id": 1,
    "measurement_concept_id": 32817,
    "measurement_date": date(2020, 5, 1),
    "measurement_type_concept_id": 32817,
    "measurement_source_value": "LOINC:8302-2",
    "measurement_source_concept_id": 32817,
    "value_as_number": 180.0,
    "unit_source_value": "cm",
}
VISIT = {
    "visit_occurrence_id": 5,
    "person_id": 1,
    "visit_concept_id": 9202,
    "visit_start_date": date(2020, 5, 1),
    "visit_end_date": date(2020, 5, 1),
    "visit_type_concept_id": 32817,
    "visit_source_value": "AMB",
    "visit_source_concept_id": 9202,
}


@pytest.mark.parametrize(
    ("table", "row", "name"),
    [
        (measurement, {**HEIGHT, "value_as_number": 1800.0}, "plausibleValueHigh"),
        (measurement, {**HEIGHT, "value_as_number": 0.0}, "plausibleValueLow"),
        (measurement, {**HEIGHT, "unit_source_value": "kg"}, "plausibleUnitConceptIds"),
        (condition_occurrence, {**CONDITION, "condition_source_value": "ICD10CM:C56.1"}, "plausibleGender"),
        (
            condition_occurrence,
            {**CONDITION, "condition_source_concept_id": 0},
            "sourceConceptRecordCompleteness",
        ),
        (condition_occurrence, {**CONDITION, "condition_source_value": None}, "sourceValueCompleteness"),
        (condition_occurrence, {**CONDITION, "condition_concept_id": 44814649}, "isStandardValidConcept"),
        (person, {**PERSON, "birth_datetime": datetime(1849, 1, 1)}, "plausibleTemporalAfter"),
        (observation_period, {**PERIOD, "observation_period_id": 2}, "measureObservationPeriodOverlap"),
    ],
)
def test_a_fault_of_plausibility_is_found(
    engine: Engine, table: Table, row: dict[str, object], name: str
) -> None:
    with writing(engine) as connection:
        upsert(connection, concept, [OUTDATED])
    assert name in {failed for failed, _ in failures(engine, (table, row))}


OUTDATED = {
    "concept_id": 44814649,
    "concept_name": "outdated",
    "domain_id": "Condition",
    "vocabulary_id": "Test",
    "concept_class_id": "Test",
    "concept_code": "1",
    "valid_start_date": date(1970, 1, 1),
    "valid_end_date": date(2000, 1, 1),
    "invalid_reason": "D",
}


def test_a_record_far_outside_of_its_visit_is_found(engine: Engine) -> None:
    far = {
        **CONDITION,
        "visit_occurrence_id": 5,
        "condition_start_date": date(2020, 7, 1),
        "condition_end_date": None,
    }
    assert ("withinVisitDates", "condition_start_date") in failures(
        engine, (visit_occurrence, VISIT), (condition_occurrence, far)
    )


def test_a_person_with_a_condition_and_no_era_is_found(engine: Engine) -> None:
    found = failures(engine, (condition_occurrence, CONDITION))
    assert ("measureConditionEraCompleteness", "person_id") in found


def test_a_site_sets_its_own_threshold(engine: Engine) -> None:
    failures(engine, (condition_occurrence, {**CONDITION, "condition_concept_id": 0}))
    lenient = check(engine, TODAY, {"standardConceptRecordCompleteness": 1.0})
    assert all(it.passed for it in lenient if it.name == "standardConceptRecordCompleteness")


def test_what_a_load_broke_and_mended_is_told(engine: Engine) -> None:
    unmapped = {**CONDITION, "condition_concept_id": 0}
    for day, row in enumerate((CONDITION, unmapped, CONDITION), start=1):
        failures(engine, (condition_occurrence, row))
        history.keep(engine, check(engine, TODAY), datetime(2026, 11, day))
        told = history.change(engine)
        key = ("standardConceptRecordCompleteness", "condition_occurrence", "condition_concept_id", "")
        assert told.broken == ([key] if day == 2 else [])
        assert told.mended == ([key] if day == 3 else [])
    assert [run.failed for run in history.runs(engine)] == [1, 2, 1]


def test_more_threads_find_the_same(engine: Engine) -> None:
    failures(engine, (condition_occurrence, CONDITION), (measurement, HEIGHT), (visit_occurrence, VISIT))
    assert check(engine, TODAY, workers=1) == check(engine, TODAY, workers=4)
