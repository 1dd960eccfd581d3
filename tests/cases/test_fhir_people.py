"""The neighbours of cases 26 and 27: merged, deleted and missing patients count once or not at all."""

from typing import Any

import pytest
from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader import report
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord
from cdm.schema import (
    condition_occurrence,
    death,
    measurement,
    person,
)
from tests.lib.fhir_resources import cohort_of, count, days_of, ill, loaded, loads, patient, take_back

__all__ = ["loaded"]

MERGES = [
    [patient("a"), patient("b", ("replaced-by", "a"), active=False)],
    [patient("a"), patient("b", ("replace", "a"))],
    [patient("a"), patient("b", ("refer", "a"))],
    [patient("a", ("replaces", "b")), patient("b")],
    [patient("a", ("seealso", "b")), patient("b", ("seealso", "a"))],
    [patient("a"), patient("b", ("seealso", "a"))],
    [patient("a", ("replaced-by", "b")), patient("b", ("replaced-by", "a"))],
]


@pytest.mark.parametrize("patients", MERGES)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("at_once", [True, False])
def test_merged_patients_are_one_person(
    sqlite_engine: Engine, patients: list[dict[str, Any]], order: int, at_once: bool
) -> None:
    """Whatever kind of link says so, in whatever order and in however many loads the records come."""
    everything = [*patients, ill("a"), ill("b", "2014-01-01")][::order]
    for some in [everything] if at_once else [[one] for one in everything]:
        loads(sqlite_engine, *some)
    assert cohort_of(sqlite_engine) == 1
    assert count(sqlite_engine, person) == 1
    assert count(sqlite_engine, condition_occurrence) == 2
    assert "person-merged" in {one["doubt"] for one in report.doubts(sqlite_engine)}


def test_a_chain_of_merges_ends_with_one_person_on_both_databases(engine: Engine) -> None:
    """Of three records one survives; the death that only a replaced one tells is kept."""
    loads(
        engine,
        patient("c", ("replaced-by", "b"), deceasedDateTime="2016-01-01"),
        ill("c"),
        ill("b"),
        ill("a"),
    )
    loads(engine, patient("b", ("replaced-by", "a")))
    loads(engine, patient("a"))
    assert (cohort_of(engine), count(engine, person), count(engine, condition_occurrence)) == (1, 1, 3)
    assert days_of(engine, death, "death_date") == ["2016-01-01"]


def test_a_merge_that_is_taken_back_leaves_two_people(engine: Engine) -> None:
    loads(engine, patient("a"), patient("b", ("replaced-by", "a")), ill("a"), ill("b"))
    assert cohort_of(engine) == 1
    loads(engine, patient("b"))
    assert (cohort_of(engine), count(engine, person)) == (2, 2)
    assert report.doubts(engine) == []


def test_a_merged_patient_is_one_person_for_every_source(sqlite_engine: Engine) -> None:
    loads(sqlite_engine, patient("a"), patient("b", ("replaced-by", "a")), ill("a"))
    loads(sqlite_engine, ill("b"), source="another-server")
    assert (cohort_of(sqlite_engine), count(sqlite_engine, person)) == (1, 1)


def test_whose_patient_is_not_here_waits(engine: Engine) -> None:
    """It has no rows, is counted with its way out, and is there when the patient comes."""
    summary = loads(engine, ill("a"), ill("b"), patient("b"))
    assert (summary.waiting, summary.as_dict()["partial"]) == (1, True)
    assert (cohort_of(engine), count(engine, condition_occurrence)) == (1, 1)
    (line,) = report.doubts(engine)
    assert (line["doubt"], line["kind"], line["records"]) == ("person-not-here", "Condition", 1)
    assert line["way_out"]
    assert loads(engine, ill("a")).kinds["Condition"].unchanged == 1
    assert loads(engine, patient("a")).waiting == 0
    assert (cohort_of(engine), count(engine, condition_occurrence)) == (2, 2)
    assert report.doubts(engine) == []


def test_a_patient_who_cannot_be_read_leaves_nobody_in_a_cohort(sqlite_engine: Engine) -> None:
    summary = loads(sqlite_engine, patient("a", birthDate="May 1950"), ill("a"))
    assert (summary.quarantined, summary.waiting, cohort_of(sqlite_engine)) == (1, 1, 0)


def test_a_patient_taken_back_and_sent_again(engine: Engine) -> None:
    loads(engine, patient("a"), ill("a"))
    take_back(engine, "Patient", "a")
    assert (cohort_of(engine), count(engine, condition_occurrence)) == (0, 0)
    loads(engine, ill("a", "2015-07-01"))
    assert cohort_of(engine) == 0
    loads(engine, patient("a", deceasedBoolean=False))
    assert cohort_of(engine) == 1
    assert days_of(engine, condition_occurrence, "condition_start_date") == ["2015-07-01"]


def test_a_patient_taken_back_by_one_source_whose_images_stay(sqlite_engine: Engine) -> None:
    """The images still name the person; what the source said of the patient goes with the patient."""
    loads(sqlite_engine, patient("a"), ill("a"))
    reading = {
        "id": "a#1",
        "patient": "a",
        "series_uid": "",
        "date": None,
        "reader": None,
        "features": {"f": 1.0},
    }
    load(sqlite_engine, [SourceRecord("ImageReading", "a#1", "f:2", reading)], "readers", Identity(b"k" * 32))
    take_back(sqlite_engine, "Patient", "a")
    assert (cohort_of(sqlite_engine), count(sqlite_engine, person)) == (0, 1)
    assert count(sqlite_engine, measurement) == 1
    loads(sqlite_engine, patient("a", deceasedBoolean=False))
    assert cohort_of(sqlite_engine) == 1


def test_people_whom_no_patient_record_knows_are_told(engine: Engine) -> None:
    """A source of another numbering: all its people are new, and somebody must hear of it."""
    loads(engine, patient("a"), ill("a"))
    readings = [
        {
            "id": f"{name}#1",
            "patient": name,
            "series_uid": "",
            "date": None,
            "reader": None,
            "features": {"f": 1.0},
        }
        for name in ("a", "x", "y")
    ]
    records = [SourceRecord("ImageReading", str(one["id"]), "f:2", one) for one in readings]
    load(engine, records, "readers", Identity(b"k" * 32))
    (line,) = report.doubts(engine)
    assert (line["source"], line["doubt"], line["records"]) == ("readers", "person-without-patient", 2)
