"""Records of a small hospital, and their load into a CDM."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine

from cdm.etl import Identity, SourceRecord, Unreadable
from cdm.etl.loader.load import load
from cdm.etl.loader.summary import LoadSummary

IDENTITY = Identity(b"a site's secret")
LOINC = "http://loinc.org"


def records(people: int = 3) -> list[SourceRecord]:
    """A small hospital: for each person a visit, two measurements, a diagnosis."""
    found = []
    for number in range(people):
        subject = {"subject": {"reference": f"Patient/p{number}"}}
        visit = {"encounter": {"reference": f"Encounter/e{number}"}}
        found += [
            record("Patient", f"p{number}", birthDate="1970", deceasedBoolean=False),
            record(
                "Encounter",
                f"e{number}",
                **subject,
                status="finished",
                period={"start": "2010-01-05", "end": "2010-01-07"},
            ),
            record("Observation", f"o{number}", **subject, **visit, **measured("2010-01-05", 37)),
            record("Observation", f"k{number}", **subject, **visit, **measured("2010-01-09", 38)),
            record(
                "Condition",
                f"c{number}",
                **subject,
                **visit,
                code=coded("C71.1"),
                onsetDateTime="2010-01-05",
            ),
        ]
    return found


def record(kind: str, record_id: str, **elements: Any) -> SourceRecord:
    body = {"resourceType": kind, "id": record_id, **elements}
    return SourceRecord(kind, record_id, f"{kind}.ndjson:{record_id}", body)


PATIENT = record("Patient", "p0")


def coded(code: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]}


def measured(day: str, value: object, status: str = "final") -> dict[str, Any]:
    code = {"coding": [{"system": LOINC, "code": "8310-5"}]}
    value_of = {"valueQuantity": {"value": value, "code": "Cel"}}
    return {"status": status, "code": code, "effectiveDateTime": day, **value_of}


def loaded(engine: Engine, items: Iterable[SourceRecord | Unreadable], source: str = "fhir") -> LoadSummary:
    return load(engine, items, source, IDENTITY)
