"""Organization and Location: where care is given. They are places, and no patient's address.

Left out on purpose: identifier, alias, telecom, contact, endpoint, hoursOfOperation, position, partOf.
"""

from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import SOURCE_VALUE_LENGTH, coded
from cdm.etl.fhir.words.references import record_id, refuse_modifiers, require_status
from cdm.etl.record import Body, Row

NAME_LENGTH = 255


def map_organization(organization: Body, context: Context) -> list[Row]:
    """The care site that an organization is, and the place of its first address."""
    refuse_modifiers(organization)
    kinds = organization.get("type") or [None]
    addresses = organization.get("address") or [None]
    return _care_site(organization, kinds[0], addresses[0], context)


def map_location(location: Body, context: Context) -> list[Row]:
    """The care site that a location is, and its place."""
    require_status(location.get("status"), {None, "active", "inactive", "suspended"})
    require_status(location.get("mode", "instance"), {"instance"}, "mode")
    refuse_modifiers(location)
    kinds = location.get("type") or [None]
    return _care_site(location, kinds[0], location.get("address"), context)


def _care_site(resource: Body, kind: Any, address: Body | None, context: Context) -> list[Row]:
    rows: list[Row] = []
    location_id = None
    if address:
        location_id = context.row_id(record_id(resource), "location")
        rows.append(Row("location", {"location_id": location_id, **_place(address)}))
    code = coded(kind, context)
    site = {
        "care_site_id": context.row_id(record_id(resource), "care_site"),
        "care_site_name": str(resource["name"])[:NAME_LENGTH] if resource.get("name") else None,
        "place_of_service_concept_id": code.concept_id,
        "place_of_service_source_value": code.source_value,
        "location_id": location_id,
    }
    return [*rows, Row("care_site", site)]


def _place(address: Body) -> dict[str, Any]:
    lengths = {"city": 50, "state": 2, "zip": 9, "county": 20, "country_source_value": 80}
    elements = {"zip": "postalCode", "county": "district", "country_source_value": "country"}
    found = {column: address.get(elements.get(column, column)) for column in lengths}
    place = {column: str(text)[: lengths[column]] for column, text in found.items() if text}
    lines = address.get("line") or ()
    if lines:
        place["address_1"] = str(lines[0])[:SOURCE_VALUE_LENGTH]
    return place
