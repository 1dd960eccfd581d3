"""What every FHIR resource is asked first: did it happen, whose is it, to which visit does it belong."""

import re
from collections.abc import Container

from cdm.etl.context import Context
from cdm.etl.fhir.words.booleans import boolean
from cdm.etl.fhir.words.plain_references import ELSEWHERE, is_absolute, is_named
from cdm.etl.record import Body, Excluded, Unmappable

CODE = re.compile(r"[a-z][a-z-]{0,29}")
# DSTU2 and STU3 have the negation beside the status; R4 has a status for it.
NOT_DONE = ("notPerformed", "notDone", "wasNotGiven", "notGiven", "wasNotTaken")
MODIFIERS = frozenset(("modifierExtension", "implicitRules", *NOT_DONE))


def require_status(status: object, realized: Container[object], element: str = "status") -> None:
    """Raises unless the status is one of those that make a row (f2o-060).

    Raises:
        Excluded: the event was not realized; the status is the reason.
        Unmappable: no status that FHIR has.
    """
    if status in realized:
        return
    if not isinstance(status, str) or not CODE.fullmatch(status):
        raise Unmappable("no-status", f"{element} is missing or not a status of FHIR")
    raise Excluded(f"{element} {status}")


def referenced_id(reference: object, kind: str) -> str | None:
    """The id in a literal reference to a `kind`: `Patient/1`, absolute or with a version; else None."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    if not isinstance(text, str):
        return None
    head, _, tail = text.partition("/")
    if head == kind and "/" not in tail:  # nearly all of them
        return tail or None
    parts = text.split("/")
    if "_history" in parts:
        parts = parts[: parts.index("_history")]
    return parts[-1] if len(parts) > 1 and parts[-2] == kind and parts[-1] else None


def subject_person_id(resource: Body, context: Context, element: str = "subject") -> int:
    """The person_id of the patient whom the resource is about.

    Raises:
        Excluded: it is about a group, a device or a place, or about a patient who is named by an identifier
            and not here; it is mapped when that patient arrives.
        Unmappable: no reference says whom it is about, or it is a patient of another server.
    """
    subject = resource.get(element) or resource.get("patient")  # the latter is DSTU2's, of most kinds
    patient_id = referenced_id(subject, "Patient")
    if patient_id is not None:
        if is_absolute(subject):
            context.doubt("server-unknown")
        return context.person_id(patient_id)
    if any(referenced_id(subject, kind) for kind in ("Group", "Device", "Location", "Substance")):
        raise Excluded("subject is not a patient")
    if isinstance(subject, dict) and subject.get("reference") == ELSEWHERE:
        raise Unmappable("other-server", f"{element} is a patient of another server")
    if is_named(subject):
        context.doubt("person-not-here")
        raise Excluded(f"{element} not loaded yet")
    raise Unmappable("unresolved-subject", f"{element} is not a reference to a Patient")


def visit_occurrence_id(resource: Body, context: Context, *elements: str) -> int | None:
    """The key of the visit that the resource belongs to, there already or not; None without a reference."""
    for element in elements or ("encounter", "context"):  # the latter is STU3's
        encounter_id = referenced_id(resource.get(element), "Encounter")
        if encounter_id:
            return context.visit_occurrence_id(encounter_id)
    return None


def provider_id(reference: object, context: Context) -> int | None:
    """The key of the provider whom a reference names, there already or not."""
    practitioner_id = referenced_id(reference, "Practitioner")
    return context.row_id(f"Practitioner/{practitioner_id}", "provider") if practitioner_id else None


def find_referenced(reference: object, kind: str, resource: Body, context: Context) -> Body | None:
    """The resource of a `kind` that a reference names: contained in this one, or a record of the source."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    if isinstance(text, str) and text.startswith("#"):
        contained = (one for one in resource.get("contained") or () if one.get("id") == text[1:])
        return next((one for one in contained if one.get("resourceType") == kind), None)
    found_id = referenced_id(reference, kind)
    return context.find(kind, found_id) if found_id else None


def record_id(resource: Body) -> str:
    """`Kind/id` of a resource: what the keys of its rows are made of."""
    return f"{resource['resourceType']}/{resource['id']}"


def refuse_modifiers(resource: Body) -> None:
    """Nothing; what may turn the meaning of a resource is never passed over (f2o-063).

    Raises:
        Unmappable: the resource has a modifier extension, of which we know none.
        Excluded: DSTU2 or STU3 says, beside a status such as `completed`, that it did not happen.
    """
    if MODIFIERS.isdisjoint(resource):  # nearly all of them
        return
    if resource.get("modifierExtension") or resource.get("implicitRules"):
        raise Unmappable(
            "modifier-extension", "a modifier that this ETL does not know may change its meaning"
        )
    for element in NOT_DONE:
        if boolean(resource, element):
            raise Excluded(element)


def has_nested_modifier(element: object) -> bool:
    """Whether an element anywhere below has an extension that may turn its meaning."""
    if isinstance(element, list):
        return any(has_nested_modifier(one) for one in element)
    if not isinstance(element, dict):
        return False
    return bool(element.get("modifierExtension")) or any(map(has_nested_modifier, element.values()))
