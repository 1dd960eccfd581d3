"""Procedure: an event in the table of its code's domain, by default procedure_occurrence.

Left out on purpose: identifier, all performers but the first, location, reasonCode, outcome, complication,
report, usedCode, focalDevice, note, performedAge and performedString.
"""

from cdm.etl.context import Context
from cdm.etl.fhir.cancer import radiotherapy_course
from cdm.etl.fhir.words.coding import coded
from cdm.etl.fhir.words.dates import end_after, last_date
from cdm.etl.fhir.words.event_dates import event_date
from cdm.etl.fhir.words.events import PROCEDURE, Event, event_rows
from cdm.etl.fhir.words.references import (
    provider_id,
    record_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
    visit_occurrence_id,
)
from cdm.etl.omop_concepts import EHR
from cdm.etl.record import Body, Row

REALIZED = {"completed"}


def map_procedure(procedure: Body, context: Context) -> list[Row]:
    """The rows of a procedure that was done."""
    require_status(procedure.get("status"), REALIZED)
    refuse_modifiers(procedure)
    # R4 says performed[x], R5 occurrence[x]
    start = event_date(
        context, procedure, "performedDateTime", "performedPeriod", "occurrenceDateTime", "occurrencePeriod"
    )
    performers = [one.get("actor") for one in procedure.get("performer") or ()]
    event = Event(
        record_id(procedure),
        subject_person_id(procedure, context),
        visit_occurrence_id(procedure, context),
        start,
        end_after(context, start, last_date(context, procedure, "performedPeriod", "occurrencePeriod")),
        EHR,
        provider_id(performers[0] if performers else None, context),
    )
    rows = list(event_rows(event, coded(procedure.get("code"), context), PROCEDURE, context))
    rows += radiotherapy_course(procedure, event, rows, context)
    for site in (procedure.get("bodySite") or ())[:1]:
        for row in rows:
            if row.table == PROCEDURE.table:
                modifier = coded(site, context)
                row.values["modifier_concept_id"] = modifier.concept_id
                row.values["modifier_source_value"] = modifier.source_value
    return rows
