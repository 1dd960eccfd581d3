"""ImagingStudy: one procedure per study and one image_occurrence per series.

A study is loaded as a whole or reported as a whole: with one malformed SeriesInstanceUID the study goes to
quarantine, since a study that quietly lacks a series would look complete. Where DICOM files of the same
series are loaded too, their headers win (the rows here are fallbacks).

Left out on purpose: identifier (but the study's UID), instances, endpoint, description, interpreter, note.
"""

import re
from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import NOT_CODED, UNKNOWN, Coded, coded, coded_value
from cdm.etl.fhir.words.dates import Instant, first_date
from cdm.etl.fhir.words.event_dates import event_date
from cdm.etl.fhir.words.events import PROCEDURE, Event, event_row
from cdm.etl.fhir.words.references import (
    record_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
    visit_occurrence_id,
)
from cdm.etl.omop_concepts import EHR, NO_CONCEPT
from cdm.etl.record import Body, Row, Unmappable

# DICOM PS3.5 9.1, but for leading zeros in a component: scanners write them, and the name stays one name.
UID = re.compile(r"[0-9]+(\.[0-9]+)+")
UID_LENGTH = 64
REALIZED = {"available", "inactive"}
NO_UID = ""  # image_study_uid is required; a FHIR server need not tell it


def map_imaging_study(study: Body, context: Context) -> list[Row]:
    """The procedure of a study whose images exist, and an image_occurrence for each of its series."""
    require_status(study.get("status"), REALIZED)
    refuse_modifiers(study)
    series = study.get("series") or []
    if not all(is_uid(one.get("uid")) for one in series):
        raise Unmappable("malformed-uid", "a series' uid is not a DICOM UID")
    event = Event(
        record_id(study),
        subject_person_id(study, context),
        visit_occurrence_id(study, context),
        _start(study, series, context),
        None,
        EHR,
    )
    study_uid = _study_uid(study)
    procedure = _procedure(study, event, study_uid, context)
    procedure_id = procedure.values[PROCEDURE.key]
    return [procedure, *(_image(one, event, study_uid, procedure_id, context) for one in series)]


def is_uid(text: object) -> bool:
    """Whether the text is a DICOM UID: numbers and dots, at most 64 characters."""
    return isinstance(text, str) and len(text) <= UID_LENGTH and UID.fullmatch(text) is not None


def _start(study: Body, series: list[Body], context: Context) -> Instant:
    own = first_date(context, study, "started")
    started = [found for one in series if (found := first_date(context, one, "started"))]
    if own is None and started:
        return min(started, key=lambda one: one.day)
    return own or event_date(context, study, "started")


def _study_uid(study: Body) -> str:
    """The StudyInstanceUID among the identifiers, which FHIR writes as `urn:oid:…`."""
    for identifier in study.get("identifier") or ():
        uid = str(identifier.get("value") or "").removeprefix("urn:oid:")
        if identifier.get("system") in ("urn:dicom:uid", "urn:ietf:rfc:3986") and is_uid(uid):
            return uid
    return NO_UID


def _procedure(study: Body, event: Event, study_uid: str, context: Context) -> Row:
    codes = study.get("procedureCode")
    # A modality is not a procedure: without a procedure code it is kept as the source value of concept 0.
    code = coded(codes[0], context) if codes else _modality(study, context)._replace(standard=UNKNOWN)
    row_id = (
        context.study_procedure_id(study_uid)
        if study_uid
        else context.row_id(event.record_id, PROCEDURE.table)
    )
    return event_row(event, code, code.standard[0], PROCEDURE, row_id)._replace(fallback=True)


def _modality(resource: Body, context: Context) -> Coded:
    """The modality of a study or series: a Coding in R4 (a study has several), a CodeableConcept in R5."""
    modality = resource.get("modality")
    if isinstance(modality, list):
        modality = modality[0] if modality else None
    if not isinstance(modality, dict):
        series = resource.get("series") or ()
        return _modality(series[0], context) if series else NOT_CODED
    return coded_value(modality, context) if modality.get("code") else coded(modality, context)


def _image(series: Body, event: Event, study_uid: str, procedure_id: int, context: Context) -> Row:
    start = first_date(context, series, "started") or event.start
    site = series.get("bodySite")
    values: dict[str, Any] = {
        "image_occurrence_id": context.image_occurrence_id(series["uid"]),
        "person_id": event.person_id,
        "visit_occurrence_id": event.visit_occurrence_id,
        "procedure_occurrence_id": procedure_id,
        "image_occurrence_date": start.day,
        "image_study_uid": study_uid,
        "image_series_uid": series["uid"],
        "modality_concept_id": _modality(series, context).concept_id,
        "anatomic_site_concept_id": coded_value(site, context).concept_id
        if isinstance(site, dict) and site.get("code")
        else NO_CONCEPT,
    }
    return Row("image_occurrence", values, start.precision, fallback=True)
