"""Mapping anew without the source: after a map, a vocabulary or another profile, as if loaded again."""

import random
import zlib
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from cdm.etl import MAPPERS, Identity, Row, SourceRecord, Unmappable
from cdm.etl.loader.load import load, remap
from cdm.etl.loader.report import unmapped
from cdm.etl.profile import Profile
from cdm.schema import (
    condition_occurrence,
    drug_exposure,
    note,
    observation,
    source_body,
)
from cdm.vocabulary.athena import load_athena
from cdm.vocabulary.source_map import load_source_map
from tests.lib.cdm_rows import cdm_rows, rows
from tests.lib.hospital_records import coded, dicom_records, fhir_records, record, version
from tests.lib.shared import shared

IDENTITY = Identity(b"a site's secret")
SUBJECT = {"subject": {"reference": "Patient/p0"}}
PATIENT = record("Patient", "p0")
SNOMED = "http://snomed.info/sct"


def mapping(folder: Path, *lines: str) -> Path:
    path = folder / "map.csv"
    path.write_text("\n".join(["source_code,source_vocabulary_id,target_concept_id", *lines]) + "\n")
    return path


def test_remapping_by_a_vocabulary_gives_what_loading_again_gives(
    engine: Engine, sqlite_engine: Engine
) -> None:
    found = fhir_records()
    load(engine, found, "fhir", IDENTITY)
    load(engine, dicom_records(), "pacs", IDENTITY)
    for database in (engine, sqlite_engine):
        load_athena(database, shared("data/vocabulary/athena_mini.zip"))
    summaries = remap(engine, IDENTITY)
    assert [summary.source for summary in summaries] == ["fhir", "pacs"]
    load(sqlite_engine, found, "fhir", IDENTITY)
    load(sqlite_engine, dicom_records(), "pacs", IDENTITY)
    assert cdm_rows(engine) == cdm_rows(sqlite_engine)
    assert not any(summary.changed for summary in remap(engine, IDENTITY))


def test_a_code_that_is_mapped_moves_to_the_table_of_its_domain(engine: Engine, tmp_path: Path) -> None:
    load_athena(engine, shared("data/vocabulary/athena_mini.zip"))
    finding = record(
        "Condition", "c1", **SUBJECT, code=coded("https://here", "X1"), onsetDateTime="2010-01-05"
    )
    load(engine, [PATIENT, finding], "fhir", IDENTITY)
    assert len(rows(engine, condition_occurrence)) == 1
    (line,) = unmapped(engine, IDENTITY)
    assert (line["system"], line["code"], line["people"]) == ("https://here", "X1", 1)
    load_source_map(engine, mapping(tmp_path, "X1,https://here,4008008"))  # an observation of SNOMED
    remap(engine, IDENTITY)
    assert rows(engine, condition_occurrence) == []
    assert [row.observation_concept_id for row in rows(engine, observation)] == [4008008]
    assert unmapped(engine, IDENTITY) == []


def test_a_text_is_a_pseudonym_also_after_the_site_has_mapped_it(engine: Engine, tmp_path: Path) -> None:
    load_athena(engine, shared("data/vocabulary/athena_mini.zip"))
    said = record("Condition", "c1", **SUBJECT, code={"text": "seen with Mrs CANARY"}, onsetDateTime="2010")
    load(engine, [PATIENT, said], "fhir", IDENTITY)
    (row,) = rows(engine, condition_occurrence)
    assert row.condition_source_value.startswith("text:")
    (line,) = unmapped(engine, IDENTITY)
    assert (line["system"], line["code"]) == ("text", "seen with Mrs CANARY")
    load_source_map(engine, mapping(tmp_path, "seen with Mrs CANARY,text,4008008"))
    remap(engine, IDENTITY)
    (moved,) = rows(engine, observation)
    assert "CANARY" not in repr(moved)
    assert moved.observation_concept_id == 4008008


def test_another_profile_maps_anew(engine: Engine) -> None:
    report = record(
        "DiagnosticReport",
        "d1",
        **SUBJECT,
        status="final",
        effectiveDateTime="2010-01-05",
        conclusion="CANARY",
    )
    load(engine, [*fhir_records(1), report], "fhir", IDENTITY)
    assert len(rows(engine, drug_exposure)) == 1
    assert "CANARY" not in repr(rows(engine, note))
    other = Profile(medication_intent="strict", notes="verbatim")
    remap(engine, IDENTITY, profile=other)
    assert rows(engine, drug_exposure) == []
    assert [row.note_text for row in rows(engine, note)] == ["CANARY"]


@pytest.mark.parametrize("drug_first", [True, False])
def test_a_request_has_its_medication_whichever_arrives_first(engine: Engine, drug_first: bool) -> None:
    drug = record("Medication", "m1", code=coded(SNOMED, "a-drug"))
    request = record(
        *("MedicationRequest", "r1"),
        **SUBJECT,
        status="active",
        intent="order",
        authoredOn="2010-01-06",
        medicationReference={"reference": "Medication/m1"},
    )
    for one in (PATIENT, drug, request) if drug_first else (PATIENT, request, drug):
        load(engine, [one], "fhir", IDENTITY)
    assert sources(engine) == ["SNOMED:a-drug"]
    load(engine, [record("Medication", "m1", code=coded(SNOMED, "another"))], "fhir", IDENTITY)
    assert sources(engine) == ["SNOMED:another"]
    load(engine, [SourceRecord("Medication", "m1", "deleted:1", {}, deleted=True)], "fhir", IDENTITY)
    assert sources(engine) == [None]


def test_a_request_that_cannot_be_mapped_any_more_is_reported_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(engine, fhir_records(1), "fhir", IDENTITY)

    def refuse(body: object, context: object) -> list[Row]:
        raise Unmappable("stricter", "a newer mapper wants more")

    monkeypatch.setitem(MAPPERS, "MedicationRequest", refuse)
    changed = version(record("Medication", "m0", code=coded(SNOMED, "another")), 3)
    summary = load(engine, [changed], "fhir", IDENTITY)
    assert summary.kinds["Medication"].replaced == 1
    assert summary.kinds["MedicationRequest"].quarantined == 1
    assert len(rows(engine, drug_exposure)) == 1


def sources(engine: Engine) -> list[str | None]:
    return [row.drug_source_value for row in rows(engine, drug_exposure)]


def test_what_names_a_person_is_not_kept_and_what_is_deleted_goes(engine: Engine) -> None:
    patient = record("Patient", "p9", name=[{"family": "CANARY-1"}], identifier=[{"value": "CANARY-2"}])
    finding = record("Condition", "c1", **SUBJECT, code={"text": "CANARY-3"}, onsetDateTime="2010")
    load(engine, [*fhir_records(1), patient, finding], "fhir", IDENTITY)
    assert "CANARY-3" in kept(engine)
    assert "CANARY-1" not in kept(engine)
    assert "CANARY-2" not in kept(engine)
    load(engine, [SourceRecord("Condition", "c1", "deleted:1", {}, deleted=True)], "fhir", IDENTITY)
    assert "CANARY-3" not in kept(engine)
    assert not any(summary.changed for summary in remap(engine, IDENTITY))


def kept(engine: Engine) -> str:
    with engine.connect() as connection:
        return "".join(
            zlib.decompress(one).decode() for one in connection.scalars(select(source_body.c.content))
        )


@pytest.mark.slow
def test_blocks_stay_readable_when_many_of_their_records_change(
    engine: Engine, sqlite_engine: Engine
) -> None:
    chance = random.Random(5)
    found = [
        record("Condition", f"c{number}", **SUBJECT, code=coded(SNOMED, "1"), onsetDateTime="2010")
        for number in range(60)
    ]
    load(engine, found, "fhir", IDENTITY, batch_size=20)
    for _ in range(4):
        for place in chance.sample(range(60), 15):
            found[place] = found[place]._replace(
                body={**found[place].body, "code": coded(SNOMED, str(chance.random()))}
            )
        load(engine, found, "fhir", IDENTITY, batch_size=7)
    load(sqlite_engine, found, "fhir", IDENTITY)
    for database in (engine, sqlite_engine):
        remap(database, IDENTITY, profile=Profile(free_text="verbatim"))
    assert cdm_rows(engine) == cdm_rows(sqlite_engine)
