"""The neighbours of cases 20, 23 and 28: dates that cannot be, partial and absent ones, times of day."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, select

from cdm.cohorts.cohort import CohortDefinition
from cdm.etl.identity import Identity
from cdm.etl.loader import report
from cdm.etl.loader.load import load
from cdm.etl.omop_concepts import IMPUTED
from cdm.schema import (
    condition_occurrence,
    death,
    measurement,
    observation_period,
    person,
    visit_occurrence,
)
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.variables import Measurement
from site_node.features.clinical import one_each
from site_node.sources import fhir
from site_node.study_table.build import build_table
from site_node.study_table.cohort import evaluate
from site_node.study_table.people import People, as_days
from site_node.study_table.quantities import measured
from tests.lib.fhir_resources import (
    ENCOUNTER,
    PATIENT,
    SUBJECT,
    Load,
    cohort_of,
    condition,
    days_of,
    ill,
    loaded,
    loads,
    observation_of,
    patient,
)
from tests.lib.studies import a_study

__all__ = ["loaded"]


@pytest.mark.parametrize(
    "day", ["9999-12-31", "0001-01-01", "1900-01-01", "1753-01-01", "2190-01-01", "9999"]
)
def test_a_date_that_cannot_be_is_none(sqlite_engine: Engine, loaded: Load, day: str) -> None:
    """The next date stands in, an end is left out, and the person neither dies nor is born then."""
    visit = {**ENCOUNTER, "period": {"start": "2020-05-01", "end": day}}
    summary = loaded(
        {**PATIENT, "birthDate": day if day < "1900-02" or day > "2100" else "1950", "deceasedDateTime": day},
        condition(onsetDateTime=day, recordedDate="2020-05-02"),
        visit,
    )
    assert summary.quarantined == 0
    assert summary.doubts["date-implausible"] == 4
    assert days_of(sqlite_engine, condition_occurrence, "condition_start_date") == ["2020-05-02"]
    assert days_of(sqlite_engine, visit_occurrence, "visit_end_date") == ["2020-05-01"]
    assert days_of(sqlite_engine, death, "death_date") == []
    assert days_of(sqlite_engine, person, "year_of_birth") == ["0"]
    assert days_of(sqlite_engine, observation_period, "observation_period_end_date") == ["2020-05-01"]
    codes = {(one["doubt"], one["kind"]) for one in report.doubts(sqlite_engine)}
    assert codes == {("date-implausible", kind) for kind in ("Patient", "Condition", "Encounter")}


def test_only_a_date_that_cannot_be_is_refused(loaded: Load, sqlite_engine: Engine) -> None:
    assert loaded(condition(onsetDateTime="0001-01-01")).quarantined == 1
    assert {one["code"] for one in report.quarantined(sqlite_engine)} == {"implausible-date"}


@pytest.mark.parametrize(
    ("stated", "day"), [("2015", "2015-12-31"), ("2016-02", "2016-02-29"), ("2015-03-04", "2015-03-04")]
)
def test_a_death_of_which_the_day_is_not_known(
    sqlite_engine: Engine, loaded: Load, stated: str, day: str
) -> None:
    summary = loaded({**PATIENT, "deceasedDateTime": stated})
    assert days_of(sqlite_engine, death, "death_date") == [day]
    assert summary.doubts["date-partial"] == (0 if len(stated) == 10 else 1)


def test_a_death_this_year_is_not_after_today(sqlite_engine: Engine, loaded: Load) -> None:
    today = datetime.now(UTC).date()
    loaded({**PATIENT, "deceasedDateTime": str(today.year)})
    assert days_of(sqlite_engine, death, "death_date") == [str(today)]


def test_no_death_before_birth(sqlite_engine: Engine, loaded: Load) -> None:
    assert loaded({**PATIENT, "deceasedDateTime": "1949-01-01"}).doubts["date-implausible"] == 1
    assert days_of(sqlite_engine, death, "death_date") == []


def test_a_period_begins_with_the_birth(engine: Engine, tmp_path: Path) -> None:
    """A diagnosis of 1940 of somebody born in 1950 begins no period, and is no index event."""
    path = tmp_path / "all.ndjson"
    lines = (PATIENT, condition(onsetDateTime="1940-01-01"), ENCOUNTER)
    path.write_text("\n".join(map(json.dumps, lines)))
    load(engine, fhir.read(path), "fhir", Identity(b"k" * 32))
    assert days_of(engine, observation_period, "observation_period_start_date") == ["1950-05-05"]
    with engine.connect() as connection:
        index = {"domain": "condition", "concept": "ICD10CM:C71%"}
        definition = CohortDefinition.model_validate({"index": index})
        assert len(evaluate(connection, definition, Vocabulary(engine)).people) == 0


@pytest.mark.parametrize(
    ("beside", "more"),
    [
        (ENCOUNTER, {"encounter": {"reference": "Encounter/e1"}}),
        (ENCOUNTER, {"context": {"reference": "Encounter/e1/_history/1"}}),
        (
            {
                "resourceType": "DiagnosticReport",
                "id": "r1",
                "status": "final",
                **SUBJECT,
                "effectiveDateTime": "2020-05-01",
                "result": [{"reference": "Observation/o1"}],
            },
            {},
        ),
        (
            {
                "resourceType": "Specimen",
                "id": "s1",
                **SUBJECT,
                "collection": {"collectedDateTime": "2020-05-01"},
            },
            {"specimen": {"reference": "Specimen/s1"}},
        ),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_what_a_record_belongs_to_dates_it(
    sqlite_engine: Engine, loaded: Load, beside: dict[str, Any], more: dict[str, Any], order: int
) -> None:
    summary = loaded(*[beside, observation_of(**more)][::order])
    assert summary.quarantined == 0
    assert summary.doubts["date-of-visit"] == 1
    assert days_of(sqlite_engine, measurement, "measurement_date") == ["2020-05-01"]
    with sqlite_engine.connect() as connection:
        assert connection.scalar(select(measurement.c.measurement_type_concept_id)) == IMPUTED


def test_a_record_waits_for_the_visit_that_dates_it(sqlite_engine: Engine, loaded: Load) -> None:
    """It is counted until then, and mapped when the visit comes in a later load."""
    first = loaded(observation_of(encounter={"reference": "Encounter/e1"}))
    assert first.quarantined == 0
    assert [one["doubt"] for one in report.doubts(sqlite_engine)] == ["date-awaited"]
    loaded(ENCOUNTER)
    assert days_of(sqlite_engine, measurement, "measurement_date") == ["2020-05-01"]
    assert [one["doubt"] for one in report.doubts(sqlite_engine)] == ["date-of-visit"]


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        ([("2015-06-11T16:00:00+02:00", 40), ("2015-06-11T08:00:00+02:00", 60)], 60, 40),
        ([("2015-06-11T00:30:00+02:00", 9), ("2015-06-11T23:30:00+02:00", 1)], 9, 1),
        ([("2015-06-11", 40), ("2015-06-11T08:00:00+02:00", 60)], 40, 60),
        ([("2015-06-11T08:00:00Z", 60), ("2015-06-12", 1)], 60, 1),
    ],
)
def test_the_time_of_day_decides_first_and_last(
    sqlite_engine: Engine, loaded: Load, values: list[tuple[str, float]], first: float, last: float
) -> None:
    """Where one value of a day has no time the smallest is first and the largest last, as before."""
    loaded(
        *(
            observation_of(
                id=f"o{n}", effectiveDateTime=moment, valueQuantity={"value": value, "code": "/min"}
            )
            for n, (moment, value) in enumerate(values)
        )
    )
    with sqlite_engine.connect() as connection:
        persons = np.array(connection.scalars(select(person.c.person_id)).all())
        people = People(connection, Vocabulary(sqlite_engine), persons, as_days(["2015-01-01"]))
        events = measured(people, Measurement(kind="measurement", concept="LOINC:8867-4"))
    assert (one_each(events, 1, "first")[0], one_each(events, 1, "last")[0]) == (first, last)


def test_a_record_from_before_the_birth_is_no_value_and_is_counted(engine: Engine) -> None:
    """Its person was born in May 1950: neither January of that year nor 1949 is read."""
    everybody = [patient(name) for name in "abc"]
    sick = [ill(name) for name in "abc"]
    records = [
        value("a", "1949-12-31", 10),
        value("a", "1950-05-05", 60),
        value("b", "1950-01-01", 20),
        value("c", "2015-01-01", 70),
    ]
    found = [finding("a", "1930-01-01", "LA9633-4"), finding("c", "2015-01-01", "LA9633-4")]
    operated = {
        "resourceType": "Procedure",
        "id": "op",
        "status": "completed",
        **of("b"),
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "25353009"}]},
        "performedDateTime": "1940-02-02",
    }
    loads(engine, *everybody, *sick, *records, *found, operated)
    done = {"domain": "procedure", "concept": "SNOMED:25353009"}
    built = build_table(
        engine,
        a_study(
            variables={
                "first": {"kind": "measurement", "concept": "LOINC:8867-4", "pick": "first"},
                "low": {"kind": "measurement", "concept": "LOINC:8867-4", "pick": "min"},
                "mean": {"kind": "measurement", "concept": "LOINC:8867-4", "pick": "mean"},
                "found": {"kind": "finding", "concept": "LOINC:85319-2", "values": ["LOINC:LA9633-4"]},
                "operated": {"kind": "occurrence", **done},
            },
            analyses=[{"name": "n", "spec": {"protocol": "summary", "of": ["first"]}}],
            cohort={"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
        ),
        "site",
    )
    columns = {name: sorted(map(str, values.tolist())) for name, values in built.table.columns.items()}
    assert columns["first"] == columns["low"] == columns["mean"] == ["60.0", "70.0", "nan"]
    assert columns["found"] == ["1.0", "nan", "nan"]
    assert columns["operated"] == ["0.0", "0.0", "0.0"]
    assert built.doubts["first"] == {"before-birth": 2}
    assert built.doubts["found"] == built.doubts["operated"] == {"before-birth": 1}
    assert built.table.doubtful["first"] == {"before-birth": 2}


def test_a_diagnosis_from_before_the_birth_dates_nobody_to_the_day(engine: Engine) -> None:
    loads(engine, patient("a"), ill("a", "1950-05-04"), patient("b"), ill("b", "1950-05-05"))
    assert cohort_of(engine) == 1


def of(name: str) -> dict[str, Any]:
    return {"subject": {"reference": f"Patient/{name}"}}


def value(name: str, day: str, number: float) -> dict[str, Any]:
    quantity = {"value": number, "unit": "/min", "code": "/min"}
    return observation_of(**of(name), id=f"{name}{day}", effectiveDateTime=day, valueQuantity=quantity)


def finding(name: str, day: str, answer: str) -> dict[str, Any]:
    loinc = "http://loinc.org"
    return {
        **{"resourceType": "Observation", "id": f"f{name}", "status": "final", **of(name)},
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": loinc, "code": "85319-2"}]},
        "effectiveDateTime": day,
        "valueCodeableConcept": {"coding": [{"system": loinc, "code": answer}]},
    }


def test_a_record_from_long_after_the_death_is_no_value_and_is_counted(sqlite_engine: Engine) -> None:
    """Two died in May 2016: a report of June is theirs, one of August is somebody else's, or misdated."""
    dead = {"deceasedDateTime": "2016-05-01"}
    everybody = [patient("a", **dead), patient("b", **dead), patient("c"), patient("d", **dead)]
    sick = [ill(name) for name in "abc"] + [ill("d", "2016-12-24")]
    records = [
        value("a", "2016-05-01", 60),
        value("a", "2016-06-30", 70),
        value("a", "2016-07-01", 80),
        value("b", "2020-01-01", 90),
        value("c", "2020-01-01", 50),
    ]
    loads(sqlite_engine, *everybody, *sick, *records)
    built = build_table(
        sqlite_engine,
        a_study(
            variables={
                "last": {"kind": "measurement", "concept": "LOINC:8867-4", "pick": "last"},
                "soon": {
                    "kind": "measurement",
                    "concept": "LOINC:8867-4",
                    "pick": "last",
                    "window": {"to_days": 400},
                },
            },
            analyses=[{"name": "n", "spec": {"protocol": "summary", "of": ["last"]}}],
            cohort={"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
        ),
        "site",
    )
    columns = {name: sorted(map(str, values.tolist())) for name, values in built.table.columns.items()}
    assert columns["last"] == ["50.0", "70.0", "nan"]
    assert columns["soon"] == ["70.0", "nan", "nan"]
    assert built.doubts == {"last": {"after-death": 2}, "soon": {"after-death": 1}}
