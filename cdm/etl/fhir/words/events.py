"""A clinical event as a row of the table of its concept's domain (f2o-037).

The tables of OMOP say the same things under each table's own names; here is the one place that knows them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import Coded
from cdm.etl.fhir.words.dates import Instant
from cdm.etl.omop_concepts import IMPUTED, PATIENT_SELF_REPORT
from cdm.etl.record import Row
from cdm.vocabulary.concepts import StandardConcept


class Names(NamedTuple):
    """What one event table calls its columns; an end that the table does not have is empty."""

    table: str
    key: str
    concept_id: str
    source_value: str
    source_concept_id: str
    type_concept_id: str
    date: str
    time: str
    end_date: str
    end_time: str
    end_required: bool


def _names(table: str, prefix: str, start: str, end: str = "", *, end_required: bool = False) -> Names:
    return Names(
        table=table,
        key=f"{table}_id",
        concept_id=f"{prefix}_concept_id",
        source_value=f"{prefix}_source_value",
        source_concept_id=f"{prefix}_source_concept_id",
        type_concept_id=f"{prefix}_type_concept_id",
        date=f"{start}_date",
        time=f"{start}_datetime",
        end_date=f"{end}_date" if end else "",
        end_time=f"{end}_datetime" if end else "",
        end_required=end_required,
    )


CONDITION = _names("condition_occurrence", "condition", "condition_start", "condition_end")
PROCEDURE = _names("procedure_occurrence", "procedure", "procedure", "procedure_end")
DRUG = _names("drug_exposure", "drug", "drug_exposure_start", "drug_exposure_end", end_required=True)
DEVICE = _names("device_exposure", "device", "device_exposure_start", "device_exposure_end")
MEASUREMENT = _names("measurement", "measurement", "measurement")
OBSERVATION = _names("observation", "observation", "observation")
BY_DOMAIN = {
    "Condition": CONDITION,
    "Procedure": PROCEDURE,
    "Drug": DRUG,
    "Device": DEVICE,
    "Measurement": MEASUREMENT,
    "Observation": OBSERVATION,
}


class Event(NamedTuple):
    """What every event has, whatever its table."""

    record_id: str
    person_id: int
    visit_occurrence_id: int | None
    start: Instant
    end: Instant | None
    type_concept_id: int
    provider_id: int | None = None


def event_rows(event: Event, code: Coded, default: Names, context: Context, part: str = "") -> Iterator[Row]:
    """One row per standard concept of the code, in the table of its domain; `default` where it has none."""
    for number, concept in enumerate(code.standard):
        names = BY_DOMAIN.get(concept.domain_id, default)
        row_part = f"{part}#{number}" if number else part
        yield event_row(event, code, concept, names, context.row_id(event.record_id, names.table, row_part))


def event_row(event: Event, code: Coded, concept: StandardConcept, names: Names, row_id: int) -> Row:
    """The row of one event under one concept."""
    # That a patient said so is kept where both could be told (f2o-053); the precision stays in source_row.
    is_imputed = event.start.imputed or event.start.precision != "day"
    imputed = is_imputed and event.type_concept_id != PATIENT_SELF_REPORT
    values: dict[str, Any] = {
        names.key: row_id,
        "person_id": event.person_id,
        "visit_occurrence_id": event.visit_occurrence_id,
        names.concept_id: concept.concept_id,
        names.source_value: code.source_value,
        names.source_concept_id: code.source_concept_id,
        names.type_concept_id: IMPUTED if imputed else event.type_concept_id,
        names.date: event.start.day,
        names.time: event.start.time,
    }
    if event.provider_id is not None:
        values["provider_id"] = event.provider_id
    end = event.end or (event.start if names.end_required else None)
    if end and names.end_date:
        values[names.end_date], values[names.end_time] = end.day, end.time
    if code.value_concept_id is not None and names in (MEASUREMENT, OBSERVATION):
        values["value_as_concept_id"] = code.value_concept_id
    return Row(names.table, values, event.start.precision)
