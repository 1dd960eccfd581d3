"""Bundles as records: transaction, batch, collection, searchset and history.

Inside a bundle resources may name each other by `urn:uuid:…`, by the entry's fullUrl, by a condition
(`Patient?identifier=…`), or by an identifier alone. Such references become plain ones (`Patient/1`), so that
the same resource has the same content whether it came in a bundle or in a line of NDJSON. An entry's fullUrl
also tells its server: a reference to another server's `Patient/1` is not to ours.

A history has the newest version of a resource first; it is read from its end, so that the newest stays.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from cdm.etl.fhir.words.plain_references import ELSEWHERE, Find, make_plain, names_of
from cdm.etl.record import Body, SourceRecord, Unreadable
from site_node.sources.fhir.large_bundle import Entries

URN = ("urn:uuid:", "urn:oid:")
WRITES = (None, "transaction", "batch", "history")  # bdl-3: no other bundle has requests, so none deletes
WEB = re.compile("https?://", re.IGNORECASE)
REFERENCE = re.compile(r"(.+)/([A-Z][A-Za-z]{1,49})/([A-Za-z0-9.-]{1,64})(?:/_history/[^/]+)?")
KIND = re.compile("[A-Za-z]{1,50}")


def resource_record(resource: object, kind: str, position: str, size: int = 0) -> SourceRecord | Unreadable:
    """The record of a resource that has a type and an id; `kind` is what it should be, for the report."""
    found = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(resource, dict) or not isinstance(found, str) or not KIND.fullmatch(found):
        return Unreadable(kind, position, "no-resource-type", "this is JSON, but not a FHIR resource")
    if not isinstance(resource.get("id"), str) or not resource["id"]:
        return Unreadable(found, position, "no-id", "the resource has no id")
    return SourceRecord(found, resource["id"], position, resource, size=size)


def bundle_records(bundle: Body, position: str, size: int = 0) -> Iterator[SourceRecord | Unreadable]:
    """The resources of a bundle, their references made plain; an entry that deletes is a deleted record.

    `size` is how many bytes the bundle had, of which each of its resources counts an equal part.
    """
    entries = bundle.get("entry") or []
    if not isinstance(entries, (list, Entries)):
        yield Unreadable("Bundle", position, "malformed-bundle", "the bundle's entry is not a list")
        return
    names = _names(entries)
    numbers = range(len(entries))
    for number in reversed(numbers) if bundle.get("type") == "history" else numbers:
        entry, place = entries[number], f"{position}:{number + 1}"
        deleted = _deleted(entry) if bundle.get("type") in WRITES else None
        if deleted:
            yield SourceRecord(*deleted, place, _when(entry), deleted=True)
        elif isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield _resource(entry, names, place, size // len(entries))
        elif not isinstance(entry, dict) or "response" not in entry:
            yield Unreadable("Bundle", place, "empty-entry", "an entry has neither a resource nor a deletion")


def _resource(
    entry: dict[str, Any], names: dict[str, str], place: str, size: int
) -> SourceRecord | Unreadable:
    resource = _with_id(entry)
    try:
        make_plain(resource, _finder(entry, resource, names))
    except RecursionError:
        return Unreadable("Bundle", place, "too-deep", "a resource of the bundle is nested too deep")
    return resource_record(resource, "unknown", place, size)


def _finder(entry: dict[str, Any], resource: Body, names: dict[str, str]) -> Find:
    """What makes the references of an entry's resource plain; those to another server become ELSEWHERE."""
    full_url = entry.get("fullUrl")
    own = f"/{resource.get('resourceType')}/{resource.get('id')}"
    if not isinstance(full_url, str) or not WEB.match(full_url) or not full_url.endswith(own):
        return names.get
    base = _address(full_url.removesuffix(own))

    def find(name: str) -> str | None:
        if name in names or not WEB.match(name):
            return names.get(name)
        place = REFERENCE.fullmatch(name)
        if place is None:  # it does not name a resource by its id
            return None
        return f"{place[2]}/{place[3]}" if _address(place[1]) == base else ELSEWHERE

    return find


def _address(base: str) -> str:
    """A server's base without its scheme, which makes no other server of it (FHIR, 2.3.0.1)."""
    host, slash, path = WEB.sub("", base).partition("/")
    return f"{host.lower()}{slash}{path}"


def _deleted(entry: Any) -> tuple[str, str] | None:
    """The kind and id of what an entry deletes: a DELETE request on `Patient/1`."""
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or request.get("method") != "DELETE":
        return None
    kind, _, record_id = str(request.get("url") or "").partition("/")
    return (kind, record_id) if KIND.fullmatch(kind) and record_id and "/" not in record_id else None


def _when(entry: dict[str, Any]) -> Body:
    """A body that says when the resource was deleted, where a history tells it."""
    response = entry.get("response")
    moment = response.get("lastModified") if isinstance(response, dict) else None
    return {"meta": {"lastUpdated": moment}} if isinstance(moment, str) else {}


def _with_id(entry: dict[str, Any]) -> Body:
    """The entry's resource; one that is to be created has the id of its fullUrl."""
    resource: Body = entry["resource"]
    full_url = entry.get("fullUrl")
    if "id" not in resource and isinstance(full_url, str) and full_url.startswith(URN):
        resource["id"] = full_url.rpartition(":")[2]
    return resource


def _names(entries: Sequence[Any]) -> dict[str, str]:
    """What other entries may call a resource -> `Kind/id`."""
    names: dict[str, str] = {}
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        kind, record_id = resource.get("resourceType"), _with_id(entry).get("id")
        if isinstance(entry.get("fullUrl"), str):
            names[entry["fullUrl"]] = f"{kind}/{record_id}"
        names |= dict.fromkeys(names_of(resource), f"{kind}/{record_id}")
    return names
