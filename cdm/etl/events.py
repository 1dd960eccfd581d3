"""A clinical event as a row of the table of its concept's domain (f2o-037).

The tables of OMOP say the same things under each table's own names; here is the one place that knows them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from cdm.concepts import StandardConcept
from cdm.etl.administrative import IMPUTED
from cdm.etl.coding import Coded
from cdm.etl.context import Context
from cdm.etl.dates import Instant
from cdm.etl.record import Row


class Names(NamedTuple):
    """What one event table calls its columns; an end that the table does not have is empty."""

    table: str
    key: str
    prefix: str  # of concept_id, source_value, source_concept_id, type_concept_id
    date: str
    time: str
    end_date: str = ""
    end_time: str = ""
    end_required: bool = False


def _span(table: str, prefix: str, start: str, end: str, *, end_required: bool = False) -> Names:
    names = (f"{start}_date", f"{start}_datetime", f"{end}_date", f"{end}_datetime")
    return Names(table, f"{table}_id", prefix, *names, end_required)


CONDITION = _span("condition_occurrence", "condition", "condition_start", "condition_end")
PROCEDURE = _span("procedure_occurrence", "procedure", "procedure", "procedure_end")
DRUG = _span("drug_exposure", "drug", "drug_exposure_start", "drug_exposure_end", end_required=True)
DEVICE = _span("device_exposure", "device", "device_exposure_start", "device_exposure_end")
MEASUREMENT = Names(
    "measurement", "measurement_id", "measurement", "measurement_date", "measurement_datetime"
)
OBSERVATION = Names(
    "observation", "observation_id", "observation", "observation_date", "observation_datetime"
)
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


def event_rows(event: Event, code: Coded, default: Names, context: Context, part: str = "") -> Iterator[Row]:
    """One row a standard concept of the code, in the table of its domain; `default` where it has none."""
    for number, concept in enumerate(code.standard):
        names = BY_DOMAIN.get(concept.domain_id, default)
        row_part = f"{part}#{number}" if number else part
        yield event_row(event, code, concept, names, context.row_id(event.record_id, names.table, row_part))


def event_row(event: Event, code: Coded, concept: StandardConcept, names: Names, row_id: int) -> Row:
    """The row of one event under one concept."""
    imputed = event.start.precision != "day"
    values: dict[str, Any] = {
        names.key: row_id,
        "person_id": event.person_id,
        "visit_occurrence_id": event.visit_occurrence_id,
        f"{names.prefix}_concept_id": concept.concept_id,
        f"{names.prefix}_source_value": code.source_value,
        f"{names.prefix}_source_concept_id": code.source_concept_id,
        f"{names.prefix}_type_concept_id": IMPUTED if imputed else event.type_concept_id,
        names.date: event.start.day,
        names.time: event.start.time,
    }
    end = event.end or (event.start if names.end_required else None)
    if end and names.end_date:
        values[names.end_date], values[names.end_time] = end.day, end.time
    if code.value_concept_id is not None and names in (MEASUREMENT, OBSERVATION):
        values["value_as_concept_id"] = code.value_concept_id
    return Row(names.table, values, event.start.precision)
