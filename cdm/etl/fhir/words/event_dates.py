"""When an event was that has no date: its specimen, its report or its visit is dated.

Only a record without a date looks there. What stands in is imputed (f2o-071), and counted as a doubt.
"""

from collections.abc import Iterator

from cdm.etl.context import Context
from cdm.etl.fhir.words.dates import Instant, first_date, no_date
from cdm.etl.fhir.words.references import find_referenced, referenced_id
from cdm.etl.record import Body, Excluded

REPORTED = ("effectiveDateTime", "effectivePeriod", "issued")
COLLECTED = ("collectedDateTime", "collectedPeriod")


def event_date(context: Context, resource: Body, *elements: str, planned: bool = False) -> Instant:
    """The first of the named elements that is there and can be, else the date of what the event belongs to.

    Raises:
        Excluded: it belongs to something that is not here yet; it is mapped again when that arrives.
        Unmappable: nothing is dated; today's date would be an invention.
    """
    own = first_date(context, resource, *elements, planned=planned, or_end=True)
    if own is not None:
        return own
    for body, names in _surroundings(resource, context):
        found = first_date(context, body, *names)
        if found is not None:
            context.doubt("date-of-visit")
            return Instant(found.day, None, found.precision, imputed=True)
    if _is_awaited(resource, context):
        context.doubt("date-awaited")
        raise Excluded("no date of its own, and what it belongs to is not loaded yet")
    raise no_date(context, *elements)


def _surroundings(resource: Body, context: Context) -> Iterator[tuple[Body, tuple[str, ...]]]:
    """What dates the event, the closest first, and the elements that do."""
    specimen = find_referenced(resource.get("specimen"), "Specimen", resource, context)
    if specimen:
        yield specimen.get("collection") or {}, COLLECTED
        yield specimen, ("receivedTime",)
    report_id = referenced_id({"reference": context.report_of(resource)}, "DiagnosticReport")
    report = context.find("DiagnosticReport", report_id) if report_id else None
    if report:
        yield report, REPORTED
    for element in ("encounter", "context"):
        visit = find_referenced(resource.get(element), "Encounter", resource, context)
        if visit:
            yield visit, ("period", "actualPeriod")


def _is_awaited(resource: Body, context: Context) -> bool:
    """Whether a specimen or visit is named that is not here."""
    named = (("specimen", "Specimen"), ("encounter", "Encounter"), ("context", "Encounter"))
    return any(
        referenced_id(resource.get(element), kind) is not None
        and find_referenced(resource.get(element), kind, resource, context) is None
        for element, kind in named
    )
