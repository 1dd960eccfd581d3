"""MedicationAdministration: a drug that was given.

Left out on purpose: identifier, statusReason, category, reasonCode, note, supportingInformation, partOf,
request, device, dosage.rate[x], dosage.site, dosage.method.
"""

from cdm.etl.context import Context
from cdm.etl.fhir.medication import complete, drug_code, quantity, route, sig
from cdm.etl.fhir.words.dates import end_after, last_date
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
from cdm.etl.omop_concepts import ADMINISTERED
from cdm.etl.record import Body, Row

REALIZED = {"completed", "in-progress"}
# R4 says effective[x], R5 occurence[x] (so spelled) and later occurrence[x]
STARTED = ("effectiveDateTime", "effectivePeriod", "occurenceDateTime", "occurencePeriod")
STARTED_R5 = ("occurrenceDateTime", "occurrencePeriod")


def map_medication_administration(administration: Body, context: Context) -> list[Row]:
    """The exposure to a drug that was given, or is being given."""
    require_status(administration.get("status"), REALIZED)
    refuse_modifiers(administration)
    performers = [one.get("actor") for one in administration.get("performer") or ()]
    start = event_date(context, administration, *STARTED, *STARTED_R5)
    end = last_date(context, administration, "effectivePeriod", "occurencePeriod", "occurrencePeriod")
    event = Event(
        record_id(administration),
        subject_person_id(administration, context),
        visit_occurrence_id(administration, context, "encounter", "context"),
        start,
        end_after(context, start, end),
        ADMINISTERED,
        provider_id(performers[0] if performers else None, context),
    )
    dosage = administration.get("dosage") or {}
    columns = {**quantity(dosage.get("dose")), **route(dosage, context), **sig(dosage, context)}
    return complete(list(event_rows(event, drug_code(administration, context), DRUG, context)), columns)
