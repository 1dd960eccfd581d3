"""MedicationRequest: a prescription, if the site takes an order as one (`medication_intent`, profile.py).

Left out on purpose: identifier, category, priority, reasonCode, note, insurance, substitution, performer,
priorPrescription, basedOn, courseOfTherapyType.
"""

from datetime import timedelta
from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.medication import complete, drug_code, quantity, route, sig, whole_days
from cdm.etl.fhir.words.booleans import boolean
from cdm.etl.fhir.words.coding import Coded
from cdm.etl.fhir.words.dates import Instant, end_after, last_date
from cdm.etl.fhir.words.event_dates import event_date
from cdm.etl.fhir.words.events import DRUG, Event, event_rows
from cdm.etl.fhir.words.references import (
    provider_id,
    record_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
    visit_occurrence_id,
)
from cdm.etl.omop_concepts import PATIENT_SELF_REPORT, PRESCRIPTION
from cdm.etl.record import Body, Excluded, Row

# profile -> the intents and the statuses that make a row
STRICT = ({"instance-order"}, {"active", "completed"})
PRESCRIBED = (
    {"order", "original-order", "reflex-order", "filler-order", "instance-order"},
    {"active", "completed", "stopped", "on-hold", "ended"},
)


def map_medication_request(request: Body, context: Context) -> list[Row]:
    """The exposure that a prescription stands for."""
    intents, statuses = STRICT if context.profile.medication_intent == "strict" else PRESCRIBED
    require_status(request.get("status"), statuses)
    require_status(request.get("intent"), intents, "intent")
    refuse_modifiers(request)
    if boolean(request, "doNotPerform"):
        raise Excluded("doNotPerform")
    dosage = (request.get("dosageInstruction") or [{}])[0]
    dispense = request.get("dispenseRequest") or {}
    start = event_date(
        context,
        {
            **request,
            "bounds": ((dosage.get("timing") or {}).get("repeat") or {}).get("boundsPeriod"),
            "validityPeriod": dispense.get("validityPeriod"),
            "authoredOn": request.get("authoredOn"),
        },
        *("bounds", "validityPeriod", "authoredOn"),
        planned=True,
    )
    days = whole_days(dispense.get("expectedSupplyDuration"))
    event = Event(
        record_id(request),
        subject_person_id(request, context),
        visit_occurrence_id(request, context),
        start,
        _end(start, days, dosage, dispense, context),
        PATIENT_SELF_REPORT if request.get("reportedBoolean") or request.get("reported") else PRESCRIPTION,
        provider_id(request.get("requester"), context),
    )
    code: Coded = drug_code(request, context)
    columns: dict[str, Any] = {
        **quantity(dispense.get("quantity")),
        **route(dosage, context),
        **sig(dosage, context),
        "days_supply": days,
        "refills": dispense.get("numberOfRepeatsAllowed"),
        "stop_reason": "stopped" if request["status"] == "stopped" else None,
    }
    return complete(list(event_rows(event, code, DRUG, context)), columns)


def _end(start: Instant, days: int | None, dosage: Body, dispense: Body, context: Context) -> Instant | None:
    """The end that the prescription states, else that of its supply."""
    repeat = (dosage.get("timing") or {}).get("repeat") or {}
    stated = last_date(context, repeat, "boundsPeriod", planned=True) or last_date(
        context, dispense, "validityPeriod", planned=True
    )
    stated = end_after(context, start, stated)
    if stated or not days:
        return stated
    return Instant(start.day + timedelta(days=days - 1), None, start.precision)
