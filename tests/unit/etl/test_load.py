"""The loader: twice changes nothing, a newer version replaces, a bad record is reported, no other lost."""

import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from cdm.etl import SourceRecord, Unreadable
from cdm.etl.loader.load import BATCH_BYTES, _batches
from cdm.schema import (
    image_occurrence,
    observation,
    observation_period,
    quarantine,
    source_row,
)
from tests.lib.cdm_rows import cdm_rows, rows, values
from tests.lib.hospital_records import version
from tests.lib.small_hospital import PATIENT, coded, loaded, measured, record, records


def test_every_record_is_in_exactly_one_count(engine: Engine) -> None:
    planned = record("Procedure", "r1", status="preparation")
    undated = record("Condition", "c9", subject={"reference": "Patient/p0"}, code=coded("C71.1"))
    report = record("DiagnosticReport", "d1", status="final")
    bill = record("Claim", "b1", status="active")
    broken = Unreadable("Observation", "Observation.ndjson:9", "malformed-json", "this is not JSON")
    summary = loaded(engine, [*records(), planned, undated, report, bill, broken])
    kinds = summary.kinds
    assert summary.records == 15 + 5
    assert kinds["Procedure"].excluded == {"status preparation": 1}
    assert kinds["Condition"].quarantined == 1
    assert kinds["Observation"].quarantined == 1
    assert kinds["DiagnosticReport"].excluded == {"no text: its results are Observations": 1}
    assert kinds["Claim"].not_mapped_yet == 1
    assert kinds["Observation"].loaded == 6
    assert summary.unmapped_codes == 4  # the two codes, and the question and answer of being alive


def test_loading_twice_changes_nothing(engine: Engine) -> None:
    loaded(engine, records())
    before = cdm_rows(engine)
    summary = loaded(engine, records())
    assert cdm_rows(engine) == before
    assert {kind: counts.unchanged for kind, counts in summary.kinds.items()} == {
        "Patient": 3,
        "Encounter": 3,
        "Observation": 6,
        "Condition": 3,
    }


def test_order_does_not_matter(engine: Engine, tmp_path: Path, sqlite_engine: Engine) -> None:
    loaded(sqlite_engine, records())
    shuffled = records()
    random.Random(7).shuffle(shuffled)
    for start in range(0, len(shuffled), 4):  # several loads, each with a few of the records
        loaded(engine, shuffled[start : start + 4])
    assert cdm_rows(engine) == cdm_rows(sqlite_engine)


def test_large_records_make_small_batches() -> None:
    large = [one._replace(size=BATCH_BYTES // 2) for one in records(2)]
    again = large[0]._replace(position="again")
    batches = list(_batches([*large, again, Unreadable("x", "f:1", "c", "r")], 2000))
    assert max(map(len, batches)) <= 3
    assert [one for batch in batches for one in batch if isinstance(one, SourceRecord)] == [*large, again]
    assert sum(map(len, batches)) == len(large) + 2


def test_a_changed_record_replaces_its_rows(engine: Engine) -> None:
    loaded(engine, records())
    pressure = record("Observation", "o0", subject={"reference": "Patient/p0"}, **measured("2010-01-05", 39))
    two = {**pressure.body, "component": [{"code": pressure.body["code"], "valueInteger": 1}]}
    summary = loaded(engine, [pressure._replace(body=two)])
    assert summary.kinds["Observation"].replaced == 1
    assert sorted(values(engine)) == [1, 37, 37, 38, 38, 38, 39]
    loaded(engine, [pressure])
    assert sorted(values(engine)) == [37, 37, 38, 38, 38, 39]


def test_a_second_version_in_the_same_load_replaces_the_first(engine: Engine) -> None:
    first = record("Observation", "o1", subject={"reference": "Patient/p0"}, **measured("2010-01-05", 39))
    second = record("Observation", "o1", subject={"reference": "Patient/p0"}, **measured("2010-01-05", 40))
    loaded(engine, [PATIENT, first, second])
    assert values(engine) == [40]


@pytest.mark.parametrize("newer_first", [True, False])
def test_the_newer_version_stays_whichever_comes_first(engine: Engine, newer_first: bool) -> None:
    subject = {"subject": {"reference": "Patient/p0"}}
    versions = [
        record("Observation", "o1", **subject, **measured("2010-01-05", value), meta={"lastUpdated": updated})
        for value, updated in ((39, "2010-01-06T08:00:00+01:00"), (40, "2010-01-06T07:30:00Z"))
    ]
    loaded(engine, [PATIENT, *(reversed(versions) if newer_first else versions)])
    assert values(engine) == [40]


@pytest.mark.parametrize("how", ["entered-in-error", "deleted"])
def test_a_record_taken_back_goes(engine: Engine, how: str) -> None:
    loaded(engine, records())
    if how == "deleted":
        gone = SourceRecord("Observation", "o0", "deleted.ndjson:1", {}, deleted=True)
    else:
        subject = {"reference": "Patient/p0"}
        gone = record("Observation", "o0", subject=subject, **measured("2010-01-05", 37, "entered-in-error"))
    summary = loaded(engine, [gone])
    assert summary.kinds["Observation"].removed == 1
    assert sorted(values(engine)) == [37, 37, 38, 38, 38]
    again = loaded(engine, [gone])
    assert again.kinds["Observation"].unchanged == 1


def test_a_deleted_record_that_comes_back_is_loaded(engine: Engine) -> None:
    everything = records(1)
    loaded(engine, everything)
    loaded(engine, [SourceRecord("Observation", "o0", "deleted.ndjson:1", {}, deleted=True)])
    loaded(engine, everything)
    assert sorted(values(engine)) == [37, 38]


@pytest.mark.parametrize("deleted_at", [1, 3])
@pytest.mark.parametrize("deletion_first", [True, False])
def test_a_deletion_takes_back_what_is_older_whichever_comes_first(
    engine: Engine, deleted_at: int, deletion_first: bool
) -> None:
    subject = {"subject": {"reference": "Patient/p0"}}
    told = version(record("Observation", "o1", **subject, **measured("2010-01-05", 39)), 2)
    gone = version(SourceRecord("Observation", "o1", "history.json:1", {}, deleted=True), deleted_at)
    for one in (PATIENT, gone, told) if deletion_first else (PATIENT, told, gone):
        loaded(engine, [one])
    assert values(engine) == ([] if deleted_at == 3 else [39])


def test_quarantine_holds_no_value_and_is_resolved_by_a_fix(engine: Engine) -> None:
    subject = {"reference": "Patient/p0"}
    bad = record("Observation", "o1", subject=subject, **measured("2010-01-05", "CANARY"))
    loaded(engine, [bad])
    loaded(engine, [bad])
    (row,) = rows(engine, quarantine)
    assert (row.position, row.kind, row.code, row.resolved) == (
        "Observation.ndjson:o1",
        "Observation",
        "malformed-number",
        False,
    )
    assert "CANARY" not in repr(row)
    fixed = record("Observation", "o1", subject=subject, **measured("2010-01-05", 37))
    loaded(engine, [fixed._replace(position="elsewhere.ndjson:1")])
    (row,) = rows(engine, quarantine)
    assert row.resolved


def test_a_record_in_quarantine_is_counted_once_from_whichever_folder_it_is_read(engine: Engine) -> None:
    bad = record("Observation", "o1", subject={"reference": "Patient/p0"}, **measured("2010-01-05", "x"))
    loaded(engine, [bad._replace(position="fhir/Observation.ndjson:7")])
    loaded(engine, [bad._replace(position="Observation.ndjson:7")])
    open_places = [row.position for row in rows(engine, quarantine) if not row.resolved]
    assert open_places == ["Observation.ndjson:7"]
    loaded(engine, [bad._replace(position="Observation.ndjson:7")])
    assert [row.resolved for row in rows(engine, quarantine) if row.position == "Observation.ndjson:7"] == [
        False
    ]


def test_an_unreadable_line_is_resolved_when_its_file_reads_well(engine: Engine) -> None:
    loaded(engine, [*records(1), Unreadable("Observation", "Observation.ndjson:9", "malformed-json", "no")])
    loaded(engine, [*records(1), Unreadable("Observation", "Observation.ndjson:9", "malformed-json", "no")])
    assert [row.resolved for row in rows(engine, quarantine)] == [False]
    loaded(engine, records(1))
    assert [row.resolved for row in rows(engine, quarantine)] == [True]


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Observation", "id": "o1", "status": "final", "category": "laboratory"},
        {"resourceType": "Observation", "id": "o1", "status": ["final"]},
        {"resourceType": "Observation", "id": "o1", "status": "final", "code": 7, "component": [3]},
        {"resourceType": "Observation", "id": "o1", "status": "final", "valueInteger": 10**400},
    ],
)
def test_a_misshapen_record_goes_to_quarantine_alone(engine: Engine, body: dict[str, Any]) -> None:
    body = {"subject": {"reference": "Patient/p0"}, "effectiveDateTime": "2010-01-05", **body}
    summary = loaded(engine, [*records(1), SourceRecord("Observation", "o1", "f:1", body)])
    counts = summary.kinds["Observation"]
    assert (counts.loaded, counts.quarantined) == (2, 1)


def test_a_value_that_the_database_refuses_goes_to_quarantine_alone(engine: Engine) -> None:
    carrier = [{"deviceIdentifier": {"a": "dict"}}]
    device = record("Device", "v1", patient={"reference": "Patient/p0"}, udiCarrier=carrier)
    summary = loaded(engine, [*records(2), device])
    assert {one.code for one in rows(engine, quarantine)} == {"refused-by-database"}
    assert summary.kinds["Device"].quarantined == 1
    assert summary.kinds["Observation"].loaded == 4
    assert summary.kinds["Patient"].loaded == 2


def test_a_row_that_two_records_tell_of_outlives_one_of_them(engine: Engine) -> None:
    study = {"status": "available", "subject": {"reference": "Patient/p0"}, "started": "2010-01-05"}
    one = record("ImagingStudy", "i1", **study, series=[{"uid": "1.2.3"}])
    two = record("ImagingStudy", "i2", **study, series=[{"uid": "1.2.3"}, {"uid": "1.2.4"}])
    loaded(engine, [PATIENT, one, two])
    assert len(rows(engine, image_occurrence)) == 2
    loaded(engine, [SourceRecord("ImagingStudy", "i1", "d:1", {}, deleted=True)])
    assert len(rows(engine, image_occurrence)) == 2
    loaded(engine, [SourceRecord("ImagingStudy", "i2", "d:1", {}, deleted=True)])
    assert rows(engine, image_occurrence) == []


@pytest.mark.parametrize("dicom_first", [True, False])
def test_a_dicom_header_wins_over_the_imaging_study_that_tells_of_it(
    engine: Engine, dicom_first: bool
) -> None:
    study = record(
        "ImagingStudy",
        "i1",
        status="available",
        subject={"reference": "Patient/p0"},
        started="2010-01-05",
        series=[{"uid": "1.2.3"}],
    )
    header = {
        "patient_id": "p0",
        "study_uid": "1.2",
        "series_uid": "1.2.3",
        "date": "2010-01-06",
        "local_path": "a",
        "modality": "MR",
        "facts": {"manufacturer": "ACME"},
    }
    dicom = SourceRecord("DicomSeries", "s1", "a.dcm", header)
    for item in (dicom, study) if dicom_first else (study, dicom):
        loaded(engine, [item], "dicom" if item is dicom else "fhir")
    changed = study._replace(body={**study.body, "started": "2010-01-07"})
    assert loaded(engine, [changed]).kinds["ImagingStudy"].replaced == 1
    (row,) = rows(engine, image_occurrence)
    assert (str(row.image_occurrence_date), row.image_study_uid) == ("2010-01-06", "1.2")


def test_follow_up_ends_with_the_last_visit(engine: Engine) -> None:
    loaded(engine, records(1))
    (period,) = rows(engine, observation_period)
    assert str(period.observation_period_start_date) == "2010-01-05"
    assert str(period.observation_period_end_date) == "2010-01-07"  # and not with the measurement on the 9th
    (alive,) = rows(engine, observation)
    assert str(alive.observation_date) == "2010-01-07"


def test_follow_up_ends_with_the_death(engine: Engine) -> None:
    dead = record("Patient", "p0", deceasedDateTime="2012-03-01")
    loaded(engine, [*records(1)[1:], dead])
    (period,) = rows(engine, observation_period)
    assert str(period.observation_period_end_date) == "2012-03-01"


def test_a_partial_date_keeps_its_precision(engine: Engine) -> None:
    loaded(
        engine,
        [
            PATIENT,
            record(
                "Condition",
                "c1",
                subject={"reference": "Patient/p0"},
                code=coded("C71"),
                onsetDateTime="2008-06",
            ),
        ],
    )
    precisions = {row.table_name: row.date_precision for row in rows(engine, source_row)}
    assert precisions == {"person": None, "condition_occurrence": "month"}
