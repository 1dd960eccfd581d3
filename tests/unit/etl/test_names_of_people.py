"""Who a record is about: ids, identifiers, links between them, and none of them in the CDM."""

from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from cdm.etl import Identity, SourceRecord
from cdm.etl.loader.load import remap
from cdm.etl.profile import Profile
from cdm.schema import metadata, person_link, source_name
from tests.lib.cdm_rows import rows, values
from tests.lib.small_hospital import IDENTITY, loaded, measured, record, records


def test_two_sources_with_the_same_ids_do_not_touch_each_other(engine: Engine) -> None:
    loaded(engine, records(1), "clinic")
    loaded(engine, records(1), "laboratory")
    assert len(values(engine)) == 4
    assert {row.person_id for row in rows(engine, person_link)} == {IDENTITY.person_id("clinic", "p0")}


def test_a_linked_patient_id_is_one_person(engine: Engine) -> None:
    linked = Identity(b"a site's secret", {("dicom", "MRN-1"): "p0"})
    assert linked.person_id("dicom", "MRN-1") == linked.person_id("fhir", "p0")
    assert linked.person_id("fhir", "MRN-1") != linked.person_id("fhir", "p0")


MRN = {"system": "urn:mrn", "value": "7 a"}
BY_CONDITION = {"reference": "Patient?identifier=urn%3Amrn%7C7+a"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "subject", [BY_CONDITION, {"identifier": MRN}, {"type": "Patient", "identifier": MRN}]
)
@pytest.mark.parametrize("patient_first", [True, False])
def test_a_reference_by_an_identifier_finds_a_patient_of_another_file(
    engine: Engine, subject: dict[str, Any], patient_first: bool
) -> None:
    patient = record("Patient", "p7", identifier=[MRN])
    told = record("Observation", "o1", subject=subject, **measured("2010-01-05", 39))
    for one in (patient, told) if patient_first else (told, patient):
        summary = loaded(engine, [one])
        assert summary.quarantined == 0
    assert values(engine) == [39]
    loaded(engine, [record("Patient", "p7", identifier=[{**MRN, "value": "8"}])])
    assert values(engine) == []
    loaded(engine, [patient])
    loaded(engine, [SourceRecord("Patient", "p7", "deleted.ndjson:1", {}, deleted=True)])
    assert values(engine) == []


def test_a_name_stays_known_when_everything_is_mapped_anew(engine: Engine) -> None:
    patient = record("Patient", "p7", identifier=[MRN])
    loaded(engine, [record("Observation", "o1", subject={"identifier": MRN}, **measured("2010-01-05", 39))])
    loaded(engine, [patient])
    remap(engine, IDENTITY, profile=Profile(free_text="verbatim"))
    assert values(engine) == [39]
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(source_name)) == 2


def test_no_identifier_of_a_patient_enters_the_cdm(engine: Engine) -> None:
    patient = record("Patient", "CANARY-1", identifier=[{"value": "CANARY-2"}], name=[{"family": "CANARY-3"}])
    visit = record(
        "Encounter",
        "CANARY-4",
        status="finished",
        subject={"reference": "Patient/CANARY-1", "display": "CANARY-5"},
        identifier=[{"value": "CANARY-6"}],
        period={"start": "2010-01-05"},
    )
    loaded(engine, [patient, visit])
    provenance = {"source_record", "source_row", "person_link", "quarantine", "load_run"}
    with engine.connect() as connection:
        for name, table in metadata.tables.items():
            if name not in provenance:
                assert "CANARY" not in repr(connection.execute(select(table)).all()), name
