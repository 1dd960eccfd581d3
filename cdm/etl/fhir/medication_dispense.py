"""MedicationDispense: a drug that a pharmacy handed over.

Beside the request that it fills it is a separate record, told apart by its type concept.

Left out on purpose: identifier, statusReason, category, performer, authorizingPrescription, type, location,
destination, receiver, note, substitution, detectedIssue, eventHistory.
"""

from datetime import timedelta

from cdm.etl.context import Context
from cdm.etl.fhir.medication import complete, drug_code, quantity, route, sig, whole_days
from cdm.etl.fhir.words.dates import Instant
from cdm.etl.fhir.words.event_dates import event_date
from cdm.etl.fhir.words.events import DRUG, Event, event_rows
from cdm.etl.fhir.words.references import (
    record_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
    visit_occurrence_id,
)
from cdm.etl.omop_concepts import DISPENSED
from cdm.etl.record import Body, Row

REALIZED = {"completed"}


def map_medication_dispense(dispense: Body, context: Context) -> list[Row]:
    """The exposure to a drug that was handed over."""
    require_status(dispense.get("status"), REALIZED)
    refuse_modifiers(dispense)
    start = event_date(context, dispense, "whenHandedOver", "whenPrepared", "recorded")
    days = whole_days(dispense.get("daysSupply"))
    event = Event(
        record_id(dispense),
        subject_person_id(dispense, context),
        visit_occurrence_id(dispense, context, "encounter", "context"),
        start,
        Instant(start.day + timedelta(days=days - 1), None, start.precision) if days else None,
        DISPENSED,
    )
    dosage = (dispense.get("dosageInstruction") or [{}])[0]
    columns = {
        **quantity(dispense.get("quantity")),
        **route(dosage, context),
        **sig(dosage, context),
        "days_supply": days,
    }
    return complete(list(event_rows(event, drug_code(dispense, context), DRUG, context)), columns)
