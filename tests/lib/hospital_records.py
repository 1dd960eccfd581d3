"""A small hospital, with every way in which one record can hang on another; for tests of the loader."""

from typing import Any

from cdm.etl import SourceRecord

LOINC = "http://loinc.org"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
SERIES_UID = "1.2.3"


def record(kind: str, record_id: str, /, **elements: Any) -> SourceRecord:
    """One FHIR resource as a record."""
    body = {"resourceType": kind, "id": record_id, **elements}
    return SourceRecord(kind, record_id, f"{kind}.ndjson:{record_id}", body)


def coded(system: str, code: str) -> dict[str, Any]:
    """A CodeableConcept of one code."""
    return {"coding": [{"system": system, "code": code}]}


def version(item: SourceRecord, hour: int, **elements: Any) -> SourceRecord:
    """The record as it was changed at an hour of one day."""
    meta = {"lastUpdated": f"2020-01-01T{hour:02}:00:00Z"}
    return item._replace(body={**item.body, "meta": meta, **elements})


def fhir_records(people: int = 2) -> list[SourceRecord]:
    """Patients with a visit, a measurement of two versions, one taken back, a drug by reference, a series."""
    found: list[SourceRecord] = []
    for number in range(people):
        subject = {"subject": {"reference": f"Patient/p{number}"}}
        visit = {"encounter": {"reference": f"Encounter/e{number}"}}
        measured = record(
            *("Observation", f"o{number}"),
            **subject,
            **visit,
            status="final",
            code=coded(LOINC, "8310-5"),
            effectiveDateTime="2010-01-05",
            valueQuantity={"value": 37, "code": "Cel"},
        )
        mistaken = measured._replace(record_id=f"x{number}", body={**measured.body, "id": f"x{number}"})
        drug = {"medicationReference": {"reference": f"Medication/m{number}"}}
        found += [
            record("Patient", f"p{number}", birthDate="1970", deceasedBoolean=False),
            record("Encounter", f"e{number}", **subject, status="finished", period={"start": "2010-01-05"}),
            version(measured, 1),
            version(measured, 2, valueQuantity={"value": 39, "code": "Cel"}),
            version(mistaken, 1),
            version(mistaken, 2, status="entered-in-error"),
            record("Condition", f"c{number}", **subject, code=coded(ICD10, "C71.1"), onsetDateTime="2010-01"),
            record(
                *("MedicationRequest", f"r{number}"),
                **subject,
                **drug,
                status="active",
                intent="order",
                authoredOn="2010-01-06",
            ),
            version(record("Medication", f"m{number}", code=coded(ICD10, "an-older-drug")), 1),
            version(record("Medication", f"m{number}", code=coded(ICD10, "a-drug")), 2),
            record("Observation", f"bad{number}", **subject, status="final", effectiveDateTime="yesterday"),
            *imaging_studies(number, subject),
        ]
    return found


def imaging_studies(number: int, subject: dict[str, Any]) -> list[SourceRecord]:
    """Two records that tell of the same two series, of which DICOM files have one."""
    series = [{"uid": f"{SERIES_UID}.{number}"}, {"uid": f"9.{SERIES_UID}.{number}"}]
    return [
        record("ImagingStudy", f"{name}{number}", **subject, status="available", started=day, series=series)
        for name, day in (("i", "2010-01-07"), ("j", "2010-01-09"))
    ]


def dicom_records(people: int = 2) -> list[SourceRecord]:
    """The series of the same patients, and one of a patient who has no record of his own."""
    return [
        SourceRecord(
            "DicomSeries",
            f"s{number}",
            f"{number}.dcm",
            {
                "patient_id": f"p{number}",
                "study_uid": "1.2",
                "series_uid": f"{SERIES_UID}.{number}",
                "date": "2010-01-08",
                "local_path": "a",
                "modality": "MR",
                "facts": {},
            },
        )
        for number in range(people + 1)
    ]
