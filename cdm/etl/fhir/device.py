"""Device and DeviceUseStatement: an exposure to a device.

A Device that is a patient's is an implant, of which FHIR tells no day; where a DeviceUseStatement (R5:
DeviceUsage) names it, that record says when.

Left out on purpose: identifier, serialNumber and distinctIdentifier (they name one patient's device),
manufacturer, deviceName, version, safety, note, owner, location, expirationDate.
"""

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import NOT_CODED, coded
from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN, Instant, end_after, last_date, required_date
from cdm.etl.fhir.words.events import DEVICE, Event, event_rows
from cdm.etl.fhir.words.references import (
    find_referenced,
    record_id,
    referenced_id,
    refuse_modifiers,
    require_status,
    subject_person_id,
)
from cdm.etl.omop_concepts import EHR, IMPUTED, PATIENT_SELF_REPORT
from cdm.etl.record import Body, Row

UNDATED = Instant(DAY_NOT_KNOWN, None, "year")


def map_device(device: Body, context: Context) -> list[Row]:
    """The exposure of the patient who has the device; of a device of nobody no row."""
    require_status(device.get("status"), {None, "active", "inactive"})
    refuse_modifiers(device)
    if referenced_id(device.get("patient"), "Patient") is None:
        return []
    person_id = subject_person_id(device, context, "patient")
    event = Event(record_id(device), person_id, None, UNDATED, None, IMPUTED)
    return _exposure(event, device, context)


def map_device_use(use: Body, context: Context) -> list[Row]:
    """The exposure over the time in which a device was used."""
    require_status(use.get("status"), {"active", "completed"})
    refuse_modifiers(use)
    element = "patient" if "patient" in use else "subject"  # R5, R4
    source = use.get("source") or use.get("informationSource")
    start = required_date(context, use, "timingDateTime", "timingPeriod", "recordedOn", "dateAsserted")
    event = Event(
        record_id(use),
        subject_person_id(use, context, element),
        None,
        start,
        end_after(context, start, last_date(context, use, "timingPeriod")),
        PATIENT_SELF_REPORT if referenced_id(source, "Patient") else EHR,
    )
    named = use.get("device") or {}  # a reference in R4, one inside a CodeableReference in R5
    reference = named["reference"] if isinstance(named.get("reference"), dict) else named
    return _exposure(event, find_referenced(reference, "Device", use, context) or {}, context)


def _exposure(event: Event, device: Body, context: Context) -> list[Row]:
    kind = device.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind  # several in R5
    rows = list(event_rows(event, coded(kind, context) if kind else NOT_CODED, DEVICE, context))
    named = (one.get("deviceIdentifier") for one in device.get("udiCarrier") or ())
    identifier = next((one for one in named if one), None)
    for row in rows:
        if row.table == DEVICE.table:
            row.values["unique_device_id"] = identifier
            row.values["production_id"] = device.get("lotNumber")
    return rows
