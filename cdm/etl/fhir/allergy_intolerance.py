"""AllergyIntolerance: an observation; of an allergy to a drug the drug is its value.

A code that is an allergy itself ("allergy to mould", "no known allergy") stands alone. A code that is a drug
becomes the value of "allergy to drug" (SNOMED 416098002), as the guide has it.

Left out on purpose: identifier, type, criticality, onsetAge, onsetString, lastOccurrence, note, reaction.
"""

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import Coded, coded, coded_value, status_code
from cdm.etl.fhir.words.dates import last_date
from cdm.etl.fhir.words.event_dates import event_date
from cdm.etl.fhir.words.events import OBSERVATION, Event, event_row, event_rows
from cdm.etl.fhir.words.references import (
    record_id,
    referenced_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
    visit_occurrence_id,
)
from cdm.etl.omop_concepts import EHR, PATIENT_SELF_REPORT
from cdm.etl.record import Body, Row

REALIZED = {None, "confirmed", "unconfirmed", "presumed"}
VERIFICATION = {"unconfirmed", "presumed", "confirmed", "refuted", "entered-in-error"}
CLINICAL = {"active", "inactive", "resolved"}
TO_DRUG = {"system": "http://snomed.info/sct", "code": "416098002"}


def map_allergy_intolerance(allergy: Body, context: Context) -> list[Row]:
    """The observation of an allergy that is not refuted."""
    verification = status_code(allergy.get("verificationStatus"), VERIFICATION)
    clinical = status_code(allergy.get("clinicalStatus"), CLINICAL)
    if "status" in allergy:  # DSTU2 has both in one
        status = status_code(allergy["status"], VERIFICATION | CLINICAL)
        verification, clinical = (status, clinical) if status in VERIFICATION else (verification, status)
    require_status(verification, REALIZED, "verificationStatus")
    refuse_modifiers(allergy)
    by_patient = referenced_id(allergy.get("asserter"), "Patient")
    event = Event(
        record_id(allergy),
        subject_person_id(allergy, context, "patient"),
        visit_occurrence_id(allergy, context),
        event_date(context, allergy, "onsetDateTime", "onsetPeriod", "recordedDate"),
        last_date(context, allergy, "onsetPeriod"),
        PATIENT_SELF_REPORT if by_patient else EHR,
    )
    code = coded(allergy.get("code") or allergy.get("substance"), context)  # the latter is DSTU2's
    rows = list(_rows(event, code, context))
    for row in rows:
        if row.table == OBSERVATION.table:
            row.values["qualifier_source_value"] = clinical
    return rows


def _rows(event: Event, code: Coded, context: Context) -> list[Row]:
    if all(one.domain_id != "Drug" for one in code.standard):
        return list(event_rows(event, code, OBSERVATION, context))
    question = coded_value(TO_DRUG, context)
    row_id = context.row_id(event.record_id, OBSERVATION.table)
    row = event_row(event, question, question.standard[0], OBSERVATION, row_id)
    row.values["value_as_concept_id"] = code.concept_id
    row.values["value_source_value"] = code.source_value
    return [row]
