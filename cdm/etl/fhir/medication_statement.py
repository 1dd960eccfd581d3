"""MedicationStatement: a drug that somebody says is taken.

Left out on purpose: identifier, statusReason, category, reasonCode, note, basedOn, partOf, derivedFrom,
adherence but for "not taking".
"""

from cdm.etl.context import Context
from cdm.etl.fhir.medication import complete, drug_code, route, sig
from cdm.etl.fhir.words.coding import codes_of
from cdm.etl.fhir.words.dates import end_after, last_date
from cdm.etl.fhir.words.event_dates import event_date
from cdm.etl.fhir.words.events import DRUG, Event, event_rows
from cdm.etl.fhir.words.references import (
    record_id,
    referenced_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
    visit_occurrence_id,
)
from cdm.etl.omop_concepts import EHR, PATIENT_SELF_REPORT
from cdm.etl.record import Body, Excluded, Row

REALIZED = {"active", "completed", "recorded"}  # `recorded` is R5's


def map_medication_statement(statement: Body, context: Context) -> list[Row]:
    """The exposure to a drug that is or was taken."""
    require_status(statement.get("status"), REALIZED)
    refuse_modifiers(statement)
    adherence = codes_of((statement.get("adherence") or {}).get("code"))
    if statement.get("taken") == "n" or "not-taking" in adherence:
        raise Excluded("not taken")  # STU3, R5
    start = event_date(context, statement, "effectiveDateTime", "effectivePeriod", "dateAsserted")
    event = Event(
        record_id(statement),
        subject_person_id(statement, context),
        visit_occurrence_id(statement, context, "encounter", "context"),
        start,
        end_after(context, start, last_date(context, statement, "effectivePeriod", planned=True)),
        _type_concept_id(statement),
    )
    dosage = (statement.get("dosage") or [{}])[0]
    columns = {**route(dosage, context), **sig(dosage, context)}
    return complete(list(event_rows(event, drug_code(statement, context), DRUG, context)), columns)


def _type_concept_id(statement: Body) -> int:
    """Reported by the patient or a relative, or not known to be (f2o-052, f2o-053)."""
    told_by = statement.get("informationSource") or ()  # one reference in R4, several in R5
    references = [told_by] if isinstance(told_by, dict) else told_by
    by_patient = (referenced_id(one, kind) for one in references for kind in ("Patient", "RelatedPerson"))
    return PATIENT_SELF_REPORT if any(by_patient) else EHR
