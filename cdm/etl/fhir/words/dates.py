"""FHIR dates and times, which may be as coarse as a year.

A year becomes its 1 January, a month its first day, and the precision stays with the row. The `*_date` is the
calendar day where the person was; the `*_datetime` is UTC, in all tables of a site (f2o-072).
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

from cdm.etl.record import Body, Precision, Unmappable

DAY_NOT_KNOWN = date(1900, 1, 1)  # OMOP requires a day; where a source has none this one says so


class Instant(NamedTuple):
    """A day, the time in UTC where the source has one, and how exactly the source knew it."""

    day: date
    time: datetime | None
    precision: Precision


# A visit's records share its time of day: most calls are answered from the cache.
@lru_cache(maxsize=65536)
def instant(text: str) -> Instant:
    """The day and time that a FHIR date, dateTime or instant names.

    Raises:
        Unmappable: it is none of them.
    """
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
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return Instant(date.fromisoformat(text[:10]), moment, "day")


def first_date(resource: Body, *elements: str) -> Instant | None:
    """The first of the named elements that is there, of a Period its start; None where none is."""
    for element in elements:
        value = resource.get(element)
        if isinstance(value, dict):
            value = value.get("start")
        if isinstance(value, str) and value:
            return instant(value)
    return None


def required_date(resource: Body, *elements: str) -> Instant:
    """The first of the named elements that is there.

    Raises:
        Unmappable: none is; today's date would be an invention.
    """
    found = first_date(resource, *elements)
    if found is None:
        raise Unmappable("no-date", f"none of {', '.join(elements)} is there")
    return found


def last_date(resource: Body, *elements: str) -> Instant | None:
    """The first of the named elements that is there, of a Period its end; None where none is."""
    for element in elements:
        value = resource.get(element)
        if isinstance(value, dict):
            value = value.get("end")
        if isinstance(value, str) and value:
            return instant(value)
    return None
