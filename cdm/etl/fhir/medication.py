"""What all records of a drug share: which drug, by which route, how much; and the Medication itself.

A Medication makes no row. It is kept for the records that name it by reference, which are mapped again when
it arrives later or changes.

Left out on purpose of Medication: identifier, status, manufacturer, form, amount, ingredient, batch (but its
lot number, where a record carries it).
"""

from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import NOT_CODED, Coded, coded
from cdm.etl.fhir.words.references import find_referenced
from cdm.etl.record import Body, Row


def map_medication(medication: Body, context: Context) -> list[Row]:
    """No row: a drug in a list is not an exposure."""
    return []


def drug_code(resource: Body, context: Context) -> Coded:
    """The drug: a concept, or the code of a Medication that is contained or a separate record.

    R4 says medication[x], R5 medication with a concept or a reference inside.
    """
    medication = resource.get("medication") or {}
    concept = resource.get("medicationCodeableConcept") or medication.get("concept")
    if concept:
        return coded(concept, context)
    reference = resource.get("medicationReference") or medication.get("reference")
    found = find_referenced(reference, "Medication", resource, context)
    return coded(found.get("code"), context) if found else NOT_CODED


def route(dosage: Body, context: Context) -> dict[str, Any]:
    """The columns that say how a drug was given."""
    if not dosage.get("route"):
        return {}
    code = coded(dosage["route"], context)
    return {"route_concept_id": code.concept_id, "route_source_value": code.source_value}


def whole_days(duration: Body | None) -> int | None:
    """A Duration in days, weeks or months, as days; None for any other."""
    value = (duration or {}).get("value")
    unit = (duration or {}).get("code") or (duration or {}).get("unit")
    days = {"d": 1, "day": 1, "days": 1, "wk": 7, "mo": 30}.get(unit or "")
    return round(value * days) if days and isinstance(value, (int, float)) else None


def quantity(amount: Body | None) -> dict[str, Any]:
    """The columns that say how much."""
    value = (amount or {}).get("value")
    unit = (amount or {}).get("code") or (amount or {}).get("unit")
    columns: dict[str, Any] = {}
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        columns["quantity"] = float(value)
    if unit:
        columns["dose_unit_source_value"] = str(unit)[:50]
    return columns


def sig(dosage: Body, context: Context) -> dict[str, Any]:
    """The instruction in words, where the site keeps words: they may name somebody."""
    text = dosage.get("text")
    return {"sig": str(text)} if text and context.profile.free_text == "verbatim" else {}


def complete(rows: list[Row], columns: dict[str, Any]) -> list[Row]:
    """The rows, those of drug_exposure with these columns too."""
    for row in rows:
        if row.table == "drug_exposure":
            row.values.update(columns)
    return rows
