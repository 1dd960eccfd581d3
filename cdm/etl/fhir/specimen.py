"""Specimen: what was taken, when, and where from.

Left out on purpose: identifier, accessionIdentifier, parent, request, processing, container, condition, note,
collection.collector, collection.method, collection.fastingStatus[x].
"""

from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import coded
from cdm.etl.fhir.words.dates import required_date
from cdm.etl.fhir.words.references import record_id, refuse_modifiers, require_status, subject_person_id
from cdm.etl.omop_concepts import EHR, IMPUTED
from cdm.etl.record import Body, Row

REALIZED = {None, "available", "unavailable", "unsatisfactory"}


def map_specimen(specimen: Body, context: Context) -> list[Row]:
    """The specimen that was taken."""
    require_status(specimen.get("status"), REALIZED)
    refuse_modifiers(specimen)
    collection = specimen.get("collection") or {}
    date = required_date(
        context,
        {**collection, "receivedTime": specimen.get("receivedTime")},
        *("collectedDateTime", "collectedPeriod", "receivedTime"),
    )
    kind = coded(specimen.get("type"), context)
    values: dict[str, Any] = {
        "specimen_id": context.row_id(record_id(specimen), "specimen"),
        "person_id": subject_person_id(specimen, context),
        "specimen_concept_id": kind.concept_id,
        "specimen_source_value": kind.source_value,
        "specimen_type_concept_id": EHR if date.precision == "day" else IMPUTED,
        "specimen_date": date.day,
        "specimen_datetime": date.time,
        **_site(collection, context),
        **_quantity(collection.get("quantity") or {}, context),
    }
    return [Row("specimen", values, date.precision)]


def _site(collection: Body, context: Context) -> dict[str, Any]:
    site = collection.get("bodySite") or {}
    if not site:
        return {}
    code = coded(site.get("concept") or site, context)  # R5 puts the concept inside
    return {"anatomic_site_concept_id": code.concept_id, "anatomic_site_source_value": code.source_value}


def _quantity(quantity: Body, context: Context) -> dict[str, Any]:
    value, unit = quantity.get("value"), quantity.get("code")
    columns: dict[str, Any] = {"quantity": float(value)} if isinstance(value, (int, float)) else {}
    if unit:
        columns["unit_concept_id"] = context.resolve("UCUM", unit).concept_id
        columns["unit_source_value"] = str(unit)[:50]
    return columns
