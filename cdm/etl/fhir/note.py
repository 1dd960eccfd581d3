"""DiagnosticReport and DocumentReference: a note, with its text only where the site keeps texts.

A report's words hold names, so by default the note says that there is a text, of which kind and day, and the
text stays in the provenance tables (`notes` of profile.py). A report without a text makes no row: its results
are separate Observations.

Left out on purpose: identifier, performer, resultsInterpreter, specimen, result, media, conclusionCode,
category beyond telling the kind; author, custodian, relatesTo, securityLabel, attachments without data.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import coded
from cdm.etl.fhir.words.dates import Instant, required_date
from cdm.etl.fhir.words.event_dates import event_date
from cdm.etl.fhir.words.references import (
    record_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
    visit_occurrence_id,
)
from cdm.etl.omop_concepts import EHR_NOTE, NO_CONCEPT, PATHOLOGY_REPORT, RADIOLOGY_REPORT
from cdm.etl.record import Body, Excluded, Row, Unmappable

REPORTED = {"final", "amended", "corrected", "appended"}
# HL7 v2 table 0074 and LOINC's document ontology, as far as they tell radiology and pathology
RADIOLOGY = {"RAD", "RX", "CT", "NMR", "NMS", "RUS", "IMG", "LP29684-5"}
PATHOLOGY = {"PAT", "SP", "CP", "CG", "LP7839-6"}
WITHHELD = "(the text is not kept here)"


def map_diagnostic_report(report: Body, context: Context) -> list[Row]:
    """The note of a report that has a text."""
    require_status(report.get("status"), REPORTED)
    refuse_modifiers(report)
    texts = [str(report["conclusion"])] if report.get("conclusion") else []
    texts += _texts(report.get("presentedForm") or ())
    if not texts:
        raise Excluded("no text: its results are Observations")
    date = event_date(context, report, "effectiveDateTime", "effectivePeriod", "issued")
    return [_note(report, report.get("code"), date, texts, _report_type(report), context)]


def map_document_reference(document: Body, context: Context) -> list[Row]:
    """The note of a document whose text is in it."""
    require_status(document.get("status"), {"current"})
    require_status(document.get("docStatus", "final"), {"final", "amended", "corrected"}, "docStatus")
    refuse_modifiers(document)
    texts = _texts([one.get("attachment") or {} for one in document.get("content") or ()])
    if not texts:
        raise Excluded("no text: the document is elsewhere")
    surroundings = document.get("context") or {}
    surroundings = surroundings if isinstance(surroundings, dict) else {"encounter": surroundings}
    date = required_date(context, {**surroundings, **document}, "date", "period", "indexed")
    encounters = surroundings.get("encounter") or [None]  # R4: inside context; R5: context is the encounter
    document = {**document, "encounter": encounters[0]}
    return [_note(document, document.get("type"), date, texts, EHR_NOTE, context)]


def _texts(attachments: Any) -> list[str]:
    """The attachments that are text themselves; others, and links, are not."""
    return [
        _decoded(one["data"])
        for one in attachments
        if one.get("data") and str(one.get("contentType") or "text/plain").startswith("text/")
    ]


def _decoded(data: str) -> str:
    try:
        return b64decode(data, validate=True).decode("utf-8", "replace").replace("\x00", "")
    except NotBase64:
        raise Unmappable("malformed-attachment", "an attachment is not base64") from None


def _report_type(report: Body) -> int:
    categories = report.get("category") or ()
    codes = {coding.get("code") for one in categories for coding in one.get("coding") or ()}
    if codes & RADIOLOGY:
        return RADIOLOGY_REPORT
    return PATHOLOGY_REPORT if codes & PATHOLOGY else EHR_NOTE


def _note(
    resource: Body, kind: object, date: Instant, texts: list[str], type_concept_id: int, context: Context
) -> Row:
    code = coded(kind, context)
    values = {
        "note_id": context.row_id(record_id(resource), "note"),
        "person_id": subject_person_id(resource, context),
        "visit_occurrence_id": visit_occurrence_id(resource, context),
        "note_date": date.day,
        "note_datetime": date.time,
        "note_type_concept_id": type_concept_id,
        "note_class_concept_id": code.concept_id,
        "note_source_value": code.source_value,
        "note_text": "\n\n".join(texts) if context.profile.notes == "verbatim" else WITHHELD,
        "encoding_concept_id": NO_CONCEPT,
        "language_concept_id": NO_CONCEPT,
    }
    return Row("note", values, date.precision)
