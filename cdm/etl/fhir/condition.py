"""Condition: an event in the table of its code's domain, by default condition_occurrence.

A condition that is only considered, or ruled out, is an observation with that qualifier and no diagnosis;
so is a German one whose code says that it is suspected (V), ruled out (A) or past (Z).
Its stages, mCODE's histology, and the body site become rows beside it that point to it.

Left out on purpose: identifier, severity, stage.assessment (a separate Observation), evidence, note,
asserter, recorder, onsetRange and onsetString (the date of the diagnosis stands in).
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.cancer import stages
from cdm.etl.fhir.words.coding import Coded, coded, coded_value, codes_of, status_code
from cdm.etl.fhir.words.dates import Instant, end_after, first_date, is_plausible, last_date
from cdm.etl.fhir.words.event_dates import event_date
from cdm.etl.fhir.words.events import CONDITION, MEASUREMENT, OBSERVATION, Event, Names, event_row, event_rows
from cdm.etl.fhir.words.references import (
    find_referenced,
    record_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
    visit_occurrence_id,
)
from cdm.etl.omop_concepts import (
    CONDITION_OCCURRENCE_ID_FIELD,
    EHR,
    EHR_ENCOUNTER,
    EHR_PROBLEM_LIST,
    NO_CONCEPT,
)
from cdm.etl.record import Body, Row
from cdm.vocabulary.names import vocabulary_id_of

CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
ASSERTED = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate"
HISTOLOGY = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-histology-morphology-behavior"
HISTOLOGY_AND_BEHAVIOR = {"system": "http://loinc.org", "code": "59847-4"}
BODY_SITE = {"system": "http://loinc.org", "code": "39111-0"}
REALIZED = {None, "confirmed"}
CONSIDERED = {"provisional", "differential", "refuted", "history"}
VERIFICATION = {"confirmed", "unconfirmed", "provisional", "differential", "refuted", "entered-in-error"}
CLINICAL = {"active", "recurrence", "relapse", "inactive", "remission", "resolved", "unknown"}
# Diagnosesicherheit, an extension of the code's coding or of the condition, or a letter behind an ICD-10-GM
# code, which itself ends in a digit
CERTAINTY = {"A": "refuted", "V": "provisional", "Z": "history"}
CERTAINTY_URLS = (
    "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit",
    "http://fhir.de/StructureDefinition/seitenlokalisation/diagnosesicherheit",
)
GERMAN = re.compile(r"(.*\d)\s*([AVZG])")


def map_condition(condition: Body, context: Context) -> list[Row]:
    """The rows of a diagnosis, or one observation of a diagnosis that is not sure or refuted."""
    verification = status_code(condition.get("verificationStatus"), VERIFICATION)
    require_status(verification, REALIZED | CONSIDERED, "verificationStatus")
    refuse_modifiers(condition)
    clinical = status_code(condition.get("clinicalStatus"), CLINICAL)
    start = _start(condition, context)
    end = last_date(context, condition, "abatementDateTime") or first_date(
        context, condition, "abatementPeriod"
    )
    event = Event(
        record_id(condition),
        subject_person_id(condition, context),
        visit_occurrence_id(condition, context),
        start,
        end_after(context, start, end),
        _type_concept_id(condition),
    )
    concept, certainty = _german(condition)
    if verification in REALIZED:
        verification = certainty or verification
    code = coded(concept, context)
    if verification in CONSIDERED:
        return [_considered(event, code, str(verification), context)]
    rows = list(event_rows(event, code, CONDITION, context))
    for row in rows:
        if row.table == CONDITION.table:
            row.values["condition_status_source_value"] = clinical
    return [*rows, *_beside(condition, event, rows[0], context)]


def _start(condition: Body, context: Context) -> Instant:
    """The onset, else the date of the diagnosis (assertedDate), else when recorded, else the visit's day."""
    asserted = (one for one in condition.get("extension") or () if one.get("url") == ASSERTED)
    dates = {**condition, "asserted": next((one.get("valueDateTime") for one in asserted), None)}
    return (
        first_date(context, condition, "onsetDateTime", "onsetPeriod", or_end=True)
        or _onset_by_age(condition, context)
        # R4's extension; STU3's element; recorded: R4, DSTU2
        or event_date(context, dates, "asserted", "assertedDate", "recordedDate", "dateRecorded")
    )


def _onset_by_age(condition: Body, context: Context) -> Instant | None:
    """The birthday of the age at onset, where the patient is here with a birth date: right to a year."""
    age = condition.get("onsetAge") or condition.get("onsetQuantity") or {}
    months = {"a": 12, "mo": 1}.get(age.get("code") or "")
    patient = find_referenced(condition.get("subject"), "Patient", condition, context) if months else None
    birth = first_date(context, patient, "birthDate") if patient else None
    if birth is None or not months or not isinstance(age.get("value"), (int, float)):
        return None
    years, month = divmod(birth.day.month - 1 + round(age["value"] * months), 12)
    day = date(birth.day.year + years, month + 1, min(birth.day.day, 28))
    return Instant(day, None, "year") if is_plausible(day, context) else None


def _type_concept_id(condition: Body) -> int:
    categories = codes_of(condition.get("category"))
    if "problem-list-item" in categories:
        return EHR_PROBLEM_LIST
    return EHR_ENCOUNTER if "encounter-diagnosis" in categories else EHR


def _german(condition: Body) -> tuple[Any, str | None]:
    """The code without a letter of certainty behind it, and what the certainty says unless it is "sure"."""
    concept = condition.get("code")
    if not isinstance(concept, dict):
        return concept, None
    codings = concept.get("coding") or ()
    plain = []
    letters = _certainties(condition)
    for coding in codings:
        letters += _certainties(coding)
        found = GERMAN.fullmatch(str(coding.get("code") or ""))
        if found and vocabulary_id_of(coding.get("system") or "") == "ICD10GM":
            letters.append(found[2])
            coding = {**coding, "code": found[1]}
        plain.append(coding)
    certainty = next((CERTAINTY[letter] for letter in letters if letter in CERTAINTY), None)
    return ({**concept, "coding": plain} if plain else concept), certainty


def _certainties(element: Body) -> list[str]:
    extensions = (one for one in element.get("extension") or () if one.get("url") in CERTAINTY_URLS)
    return [str((one.get("valueCoding") or {}).get("code")) for one in extensions]


def _considered(event: Event, code: Coded, verification: str, context: Context) -> Row:
    row_id = context.row_id(event.record_id, OBSERVATION.table)
    row = event_row(event, code, code.standard[0], OBSERVATION, row_id)
    row.values["qualifier_source_value"] = verification
    row.values["qualifier_concept_id"] = NO_CONCEPT
    return row


def _beside(condition: Body, event: Event, diagnosis: Row, context: Context) -> Iterator[Row]:
    """The histology as a measurement and each body site as an observation, both pointing to the diagnosis."""
    for extension in condition.get("extension") or ():
        if extension.get("url") == HISTOLOGY:
            value = coded(extension.get("valueCodeableConcept"), context)
            question = coded_value(HISTOLOGY_AND_BEHAVIOR, context)
            yield _finding(event, MEASUREMENT, question, value, diagnosis, "histology", context)
    for part, question, value in stages(condition, event, context):
        yield _finding(event, MEASUREMENT, question, value, diagnosis, part, context)
    for number, site in enumerate(condition.get("bodySite") or ()):
        value = coded(site, context)
        question = coded_value(BODY_SITE, context)
        yield _finding(event, OBSERVATION, question, value, diagnosis, f"bodySite:{number}", context)


def _finding(
    event: Event,
    names: Names,
    question: Coded,
    answer: Coded,
    diagnosis: Row,
    part: str,
    context: Context,
) -> Row:
    row_id = context.row_id(event.record_id, names.table, part)
    row = event_row(event, question, question.standard[0], names, row_id)
    row.values["value_as_concept_id"] = answer.concept_id
    row.values["value_source_value"] = answer.source_value
    if diagnosis.table == CONDITION.table:
        target, field = (
            ("measurement_event_id", "meas_event_field_concept_id")
            if names is MEASUREMENT
            else ("observation_event_id", "obs_event_field_concept_id")
        )
        row.values[target] = diagnosis.values[CONDITION.key]
        row.values[field] = CONDITION_OCCURRENCE_ID_FIELD
    return row
