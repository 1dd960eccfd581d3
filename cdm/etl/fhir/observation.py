"""Observation: a measurement or observation by the domain of its code, one row for it and one per component.

An observation whose code no vocabulary knows is a measurement if it carries a number or comes from a
laboratory or vital sign, else an observation. Variants (LOINC 69548-6) are read by `genomic_observation`.

Left out on purpose: identifier, performer, method, bodySite, device, specimen, derivedFrom, interpretation,
note; hasMember (each member tells its person, visit, day and code itself). dataAbsentReason makes the row
without a value that it means.
"""

from collections.abc import Iterator

from cdm.etl.context import Context
from cdm.etl.fhir.cancer import disease_episode, is_cancer_measurement
from cdm.etl.fhir.genomic_observation import genomic_rows, is_genomic
from cdm.etl.fhir.implication import implication_rows, is_implication
from cdm.etl.fhir.words.coding import Coded, coded, codes_of
from cdm.etl.fhir.words.event_dates import event_date
from cdm.etl.fhir.words.events import BY_DOMAIN, MEASUREMENT, OBSERVATION, Event, Names, event_row
from cdm.etl.fhir.words.observation_value import has_value, is_number, value_columns
from cdm.etl.fhir.words.references import (
    record_id,
    referenced_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
    visit_occurrence_id,
)
from cdm.etl.fhir.words.sampled_data import points
from cdm.etl.omop_concepts import CONDITION_OCCURRENCE_ID_FIELD, EHR, LABORATORY, PATIENT_SELF_REPORT
from cdm.etl.record import Body, Excluded, Row, Unmappable

REALIZED = {"final", "amended", "corrected"}
EFFECTIVE = ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming")
MEASURED = {"laboratory", "vital-signs"}


def map_observation(observation: Body, context: Context) -> list[Row]:
    """The rows of a final observation and of its components."""
    require_status(observation.get("status"), REALIZED)
    refuse_modifiers(observation)
    if not observation.get("code"):
        raise Unmappable("no-code", "an observation without a code says nothing")
    if observation.get("hasMember") and not has_value(observation) and not observation.get("component"):
        raise Excluded("a panel: its members are Observations")
    if _is_about_another(observation):
        raise Excluded("its focus is somebody else")
    if is_implication(observation):
        return implication_rows(observation, context)
    categories = _categories(observation)
    event = Event(
        record_id(observation),
        subject_person_id(observation, context),
        visit_occurrence_id(observation, context),
        event_date(context, observation, *EFFECTIVE, "issued"),
        None,
        _type_concept_id(observation, categories),
    )
    if is_genomic(observation):
        return genomic_rows(observation, event, context)
    measured = not MEASURED.isdisjoint(categories) or is_cancer_measurement(observation)
    rows = [
        row
        for name, one, when in _parts(observation, event)
        for row in _rows(one, when, name, measured, context)
    ]
    rows += disease_episode(observation, event, context)
    _point_to_focus(observation, rows, context)
    return rows


def _is_about_another(observation: Body) -> bool:
    """Whether its focus is somebody beside the person of the record: a fetus, a donor, a parent."""
    subject = referenced_id(observation.get("subject"), "Patient")
    for focus in observation.get("focus") or ():
        other = referenced_id(focus, "Patient")
        if (other and other != subject) or any(
            referenced_id(focus, kind) for kind in ("RelatedPerson", "Group")
        ):
            return True
    return False


def _parts(observation: Body, event: Event) -> Iterator[tuple[str, Body, Event]]:
    """The observation itself, unless it is only the frame of its components, each component, each point."""
    components = observation.get("component") or ()
    if has_value(observation) or not components:
        yield from _points("", observation, event)
    for number, component in enumerate(components):
        yield from _points(f"component:{number}", component, event)


def _points(name: str, part: Body, event: Event) -> Iterator[tuple[str, Body, Event]]:
    """The part, or the points of its series, each with its own time."""
    found = list(points(part, event.start)) if "valueSampledData" in part else []
    if not found:
        yield name, part, event
    for number, (when, point) in enumerate(found):
        yield f"{name}@{number}", point, event._replace(start=when)


def _rows(part: Body, event: Event, name: str, measured: bool, context: Context) -> Iterator[Row]:
    code = coded(part.get("code"), context)
    default = MEASUREMENT if measured or is_number(part) else OBSERVATION
    for number, concept in enumerate(code.standard):
        names = _names(concept.domain_id, default, has_value(part))
        row_id = context.row_id(event.record_id, names.table, f"{name}#{number}" if number else name)
        row = event_row(event, code, concept, names, row_id)
        if names is MEASUREMENT or names is OBSERVATION:
            row.values.update(value_columns(part, names.table, context))
        yield row


def _names(domain_id: str, default: Names, has_a_value: bool) -> Names:
    """The table of a concept's domain, but one with a column for the value where there is a value."""
    names = BY_DOMAIN.get(domain_id, default)
    return OBSERVATION if has_a_value and names not in (MEASUREMENT, OBSERVATION) else names


def _categories(observation: Body) -> list[str]:
    return codes_of(observation.get("category"))


def _type_concept_id(observation: Body, categories: list[str]) -> int:
    """Patient-reported where a patient performed it (f2o-053), a laboratory's where it says so, else EHR."""
    if any(referenced_id(one, "Patient") for one in observation.get("performer") or ()):
        return PATIENT_SELF_REPORT
    return LABORATORY if "laboratory" in categories else EHR


def _point_to_focus(observation: Body, rows: list[Row], context: Context) -> None:
    """mCODE: a stage or marker names the diagnosis that it belongs to."""
    for focus in observation.get("focus") or ():
        condition_id = referenced_id(focus, "Condition")
        if condition_id is None:
            continue
        target: Coded | int = context.row_id(f"Condition/{condition_id}", "condition_occurrence")
        for row in rows:
            if row.table == MEASUREMENT.table:
                row.values["measurement_event_id"] = target
                row.values["meas_event_field_concept_id"] = CONDITION_OCCURRENCE_ID_FIELD
            elif row.table == OBSERVATION.table:
                row.values["observation_event_id"] = target
                row.values["obs_event_field_concept_id"] = CONDITION_OCCURRENCE_ID_FIELD
        return
