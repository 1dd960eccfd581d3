"""FHIR resources of invented patients, as short as a test can read."""

from typing import Any

from cdm.etl.record import SourceRecord

SYSTEMS = {
    "LOINC": "http://loinc.org",
    "SNOMED": "http://snomed.info/sct",
    "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "local": "https://hospital.example/codes",
}


def concept(text: str) -> dict[str, Any]:
    """The CodeableConcept of `LOINC:89243-0`."""
    vocabulary, _, code = text.partition(":")
    return {"coding": [{"system": SYSTEMS[vocabulary], "code": code}]}


def _record(kind: str, patient: str, name: str, **elements: Any) -> SourceRecord:
    body = {
        "resourceType": kind,
        "id": f"{patient}-{name}",
        "subject": {"reference": f"Patient/{patient}"},
        **elements,
    }
    return SourceRecord(kind, body["id"], f"{kind}.ndjson:1", body)


def patient(name: str, **elements: Any) -> SourceRecord:
    """A Patient."""
    return SourceRecord(
        "Patient", name, "Patient.ndjson:1", {"resourceType": "Patient", "id": name, **elements}
    )


def condition(name: str, code: str, day: str) -> SourceRecord:
    """A Condition with an onset."""
    return _record("Condition", name, f"{code}@{day}", code=concept(code), onsetDateTime=day)


def visit(name: str, day: str) -> SourceRecord:
    """A finished ambulatory Encounter of one day."""
    ambulatory = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    period = {"start": day, "end": day}
    return _record(
        "Encounter", name, f"visit@{day}", status="finished", **{"class": ambulatory}, period=period
    )


def procedure(name: str, code: str, day: str) -> SourceRecord:
    """A completed Procedure."""
    return _record(
        "Procedure", name, f"{code}@{day}", status="completed", code=concept(code), performedDateTime=day
    )


def observation(name: str, code: str, day: str, value: float | str | None) -> SourceRecord:
    """A final Observation with a number, a coded value, or none."""
    values: dict[str, Any] = {}
    if isinstance(value, str):
        values = {"valueCodeableConcept": concept(value)}
    elif value is not None:
        values = {"valueQuantity": {"value": value}}
    return _record(
        "Observation",
        name,
        f"{code}@{day}",
        status="final",
        code=concept(code),
        effectiveDateTime=day,
        **values,
    )
