"""Encounter: the visit.

Left out on purpose: identifier, all participants but the first, location, length, diagnosis, reasonCode,
partOf (a stay on a ward is a separate visit), statusHistory, classHistory.
"""

from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import NOT_CODED, SOURCE_VALUE_LENGTH, Coded, coded_value
from cdm.etl.fhir.words.dates import Instant, end_after, first_date, last_date, required_date
from cdm.etl.fhir.words.references import (
    provider_id,
    record_id,
    referenced_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
)
from cdm.etl.omop_concepts import EHR_ENCOUNTER, IMPUTED, INPATIENT_VISIT, NO_CONCEPT
from cdm.etl.record import Body, Row

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
DSTU2_CLASSES = {
    "inpatient": "IMP",
    "outpatient": "AMB",
    "ambulatory": "AMB",
    "emergency": "EMER",
    "home": "HH",
    "field": "FLD",
    "virtual": "VR",
}
ENDED = {"finished", "completed", "discharged"}  # the latter two are R5's
REALIZED = ENDED | {"in-progress", "arrived", "triaged", "onleave", "on-hold"}


def map_encounter(encounter: Body, context: Context) -> list[Row]:
    """The visit of an encounter that took place or is going on."""
    require_status(encounter.get("status"), REALIZED)
    refuse_modifiers(encounter)
    start = required_date(context, encounter, "period", "actualPeriod")
    visit = _class(encounter, context)
    end = end_after(context, start, last_date(context, encounter, "period", "actualPeriod")) or _open_end(
        encounter, visit.concept_id, start, context
    )
    values: dict[str, Any] = {
        "visit_occurrence_id": context.row_id(record_id(encounter), "visit_occurrence"),
        "person_id": subject_person_id(encounter, context),
        "visit_concept_id": visit.concept_id,
        "visit_source_value": visit.source_value,
        "visit_source_concept_id": visit.source_concept_id,
        "visit_start_date": start.day,
        "visit_start_datetime": start.time,
        "visit_end_date": end.day,
        "visit_end_datetime": end.time,
        "visit_type_concept_id": EHR_ENCOUNTER if start.precision == "day" else IMPUTED,
        **_admission(encounter.get("hospitalization") or encounter.get("admission") or {}),
        **_whose_care(encounter, context),
    }
    return [Row("visit_occurrence", values, start.precision)]


def _class(encounter: Body, context: Context) -> Coded:
    """The class of the encounter: a Coding in R4, a list of CodeableConcepts in R5, a word in DSTU2."""
    kind = encounter.get("class")
    if isinstance(kind, str):
        kind = {"code": DSTU2_CLASSES.get(kind, kind)}
    if isinstance(kind, list):
        codings = kind[0].get("coding") if kind else None
        kind = codings[0] if codings else None
    if not isinstance(kind, dict) or not kind.get("code"):
        return NOT_CODED
    return coded_value({"system": ACT_CODE, **kind}, context)


def _open_end(encounter: Body, visit_concept_id: int, start: Instant, context: Context) -> Instant:
    """The end of a visit without one: its start, but for an inpatient when the source last looked."""
    if visit_concept_id != INPATIENT_VISIT or encounter.get("status") in ENDED:
        return start
    seen = first_date(context, encounter.get("meta") or {}, "lastUpdated")
    return seen if seen and seen.day > start.day else start


def _whose_care(encounter: Body, context: Context) -> dict[str, Any]:
    """The columns that name the organization and the first participant, there already or not."""
    values: dict[str, Any] = {}
    organization_id = referenced_id(encounter.get("serviceProvider"), "Organization")
    if organization_id:
        values["care_site_id"] = context.row_id(f"Organization/{organization_id}", "care_site")
    for participant in encounter.get("participant") or ():
        who = participant.get("individual") or participant.get("actor")  # R4, R5
        values["provider_id"] = provider_id(who, context)
        break
    return values


def _admission(hospitalization: Body) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for element, column in (("admitSource", "admitted_from"), ("dischargeDisposition", "discharged_to")):
        for coding in (hospitalization.get(element) or {}).get("coding") or ():
            values[f"{column}_source_value"] = (coding.get("code") or "")[:SOURCE_VALUE_LENGTH] or None
            values[f"{column}_concept_id"] = NO_CONCEPT
            break
    return values
