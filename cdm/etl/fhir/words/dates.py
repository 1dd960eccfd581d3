"""FHIR dates and times, which may be as coarse as a year.

A year becomes its 1 January, a month its first day (of an end the last), and the precision stays with the
row. The `*_date` is the calendar day where the person was; the `*_datetime` is UTC, in all tables of a site
(f2o-072).
"""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from cdm.etl.context import Context
from cdm.etl.record import Body, Precision, Unmappable

IMPLAUSIBLE = "date-implausible"
LATEST_PLANNED = date(2199, 12, 31)
DAY_NOT_KNOWN = date(1900, 1, 1)  # OMOP requires a day; where a source has none this one says so


class Instant(NamedTuple):
    """A day, the time in UTC where the source has one, and how exactly the source knew it.

    `imputed` says that it is the date of something else, as of the visit.
    """

    day: date
    time: datetime | None
    precision: Precision
    imputed: bool = False


def instant(text: object) -> Instant:
    """The day and time that a FHIR date, dateTime or instant names.

    Raises:
        Unmappable: it is not one of them: another must not stand in for a date that is there.
    """
    if not isinstance(text, str):
        raise Unmappable("malformed-date", "a date is not a text")
    return _instant(text)


# A visit's records share its time of day: most calls are answered from the cache.
@lru_cache(maxsize=65536)
def _instant(text: str) -> Instant:
    try:
        match len(text):
            case 4:
                return Instant(date(int(text), 1, 1), None, "year")
            case 7:
                return Instant(date.fromisoformat(text + "-01"), None, "month")
            case 10:
                return Instant(date.fromisoformat(text), None, "day")
            case _:
                return _with_time(text)
    except ValueError:
        raise Unmappable("malformed-date", "a date is not as FHIR writes dates") from None


def _with_time(text: str) -> Instant:
    leap = text[17:19] == "60"  # a leap second, which Python has not: the one before
    moment = datetime.fromisoformat(f"{text[:17]}59{text[19:]}" if leap else text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return Instant(date.fromisoformat(text[:10]), moment, "day")


def first_date(
    context: Context, resource: Body, *elements: str, planned: bool = False, or_end: bool = False
) -> Instant | None:
    """The first of the named elements that is there and can be, of a Period its start; None where none is.

    Of a Timing it is the first event. An impossible date counts as a doubt: placeholders as 9999 and 0001 are
    not dates. `planned` lets it lie in the future; `or_end` takes the end of a Period without a start.
    """
    for element in elements:
        value = resource.get(element)
        ended = False
        if isinstance(value, dict):
            start = _start(value)
            ended = start is None and or_end
            value = value.get("end") if ended else start
        if value:
            found = instant(value)
            if is_plausible(found.day, context, planned=planned):
                return found._replace(imputed=True) if ended else found
            context.doubt(IMPLAUSIBLE)
    return None


def _start(value: Body) -> Any:
    """The start of a Period, or of a Timing its first event or the start of its bounds."""
    events = [event for event in value.get("event") or () if isinstance(event, str)]
    bounds = (value.get("repeat") or {}).get("boundsPeriod") or {}
    return value.get("start") or min(events, default=None) or bounds.get("start")


def required_date(context: Context, resource: Body, *elements: str, planned: bool = False) -> Instant:
    """The first of the named elements that is there and can be.

    Raises:
        Unmappable: none is; today's date would be an invention.
    """
    found = first_date(context, resource, *elements, planned=planned)
    if found is None:
        raise no_date(context, *elements)
    return found


def stated_day(context: Context, text: str) -> date:
    """The day (YYYY-MM-DD) on which a file that is not FHIR says that something was.

    Raises:
        Unmappable: implausible-date; nothing can have been on it.
    """
    day = date.fromisoformat(text)
    if not is_plausible(day, context):
        context.doubt(IMPLAUSIBLE)
        raise Unmappable("implausible-date", "the date is not one that can be")
    return day


def no_date(context: Context, *elements: str) -> Unmappable:
    """What to raise of a record for which no date is found."""
    if context.doubts[IMPLAUSIBLE]:
        return Unmappable("implausible-date", f"none of {', '.join(elements)} is a date that can be")
    return Unmappable("no-date", f"none of {', '.join(elements)} is there")


def last_date(context: Context, resource: Body, *elements: str, planned: bool = False) -> Instant | None:
    """The first of the named elements that is there and can be, of a Period its end; None where none is.

    Of an end of which only the month or year is known it is the last day.
    """
    for element in elements:
        value = resource.get(element)
        if isinstance(value, dict):
            value = value.get("end")
        if value:
            found = instant(value)
            if is_plausible(found.day, context, planned=planned):
                return last_day(found, None if planned else context.today)
            context.doubt(IMPLAUSIBLE)
    return None


def end_after(context: Context, start: Instant, end: Instant | None) -> Instant | None:
    """The end of what began at `start`; None where there is none, or one that lies before it: a doubt.

    Two times that lie right may bear days that do not, each in the zone where it was written.
    """
    if end is None or end.day >= start.day:
        return end
    if start.time and end.time and end.time >= start.time:
        return end._replace(day=start.day)
    context.doubt("end-before-start")
    return None


def last_day(found: Instant, at_most: date | None) -> Instant:
    """The last day of the month or year that is known, but none after `at_most`; a day is itself."""
    if found.precision == "day":
        return found
    month = 12 if found.precision == "year" else found.day.month
    day = date(found.day.year, month, monthrange(found.day.year, month)[1])
    return found._replace(day=max(found.day, min(day, at_most)) if at_most else day)


def is_plausible(day: date, context: Context, *, planned: bool = False) -> bool:
    """Whether something can have happened on the day, or can be planned for it."""
    latest = LATEST_PLANNED if planned else context.today + timedelta(days=1)  # it is tomorrow in the east
    return DAY_NOT_KNOWN < day <= latest
