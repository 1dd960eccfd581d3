"""Immunization: a drug exposure; one of which only the report is dated is an observation.

Left out on purpose: identifier, statusReason, location, manufacturer, expirationDate, site, performer, note,
reasonCode, isSubpotent, education, programEligibility, reaction, protocolApplied.
"""

from cdm.etl.context import Context
from cdm.etl.fhir.medication import complete, quantity, route
from cdm.etl.fhir.words.coding import coded
from cdm.etl.fhir.words.dates import first_date
from cdm.etl.fhir.words.event_dates import event_date
from cdm.etl.fhir.words.events import DRUG, OBSERVATION, Event, event_row, event_rows
from cdm.etl.fhir.words.references import (
    record_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
    visit_occurrence_id,
)
from cdm.etl.omop_concepts import EHR, PATIENT_SELF_REPORT
from cdm.etl.record import Body, Row

REALIZED = {"completed"}
TOLD_BY_PATIENT = {"recall", "parent"}  # immunization-origin


def map_immunization(immunization: Body, context: Context) -> list[Row]:
    """The rows of a vaccination that was given."""
    require_status(immunization.get("status"), REALIZED)
    refuse_modifiers(immunization)
    given = first_date(context, immunization, "occurrenceDateTime", "date")  # the latter is STU3's
    origins = (immunization.get("reportOrigin") or immunization.get("informationSource") or {}).get("coding")
    told = any(coding.get("code") in TOLD_BY_PATIENT for coding in origins or ())
    event = Event(
        record_id(immunization),
        subject_person_id(immunization, context, "patient"),
        visit_occurrence_id(immunization, context),
        given or event_date(context, immunization, "recorded"),
        None,
        PATIENT_SELF_REPORT if told else EHR,
    )
    code = coded(immunization.get("vaccineCode"), context)
    if given is None:  # a history of vaccination, known since a day
        row_id = context.row_id(event.record_id, OBSERVATION.table)
        return [event_row(event, code, code.standard[0], OBSERVATION, row_id)]
    lot = immunization.get("lotNumber")
    columns = {**quantity(immunization.get("doseQuantity")), **route(immunization, context)}
    if lot:
        columns["lot_number"] = str(lot)[:50]
    return complete(list(event_rows(event, code, DRUG, context)), columns)
