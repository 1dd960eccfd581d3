"""Clinical variables from arrays: age, survival, and how several events of a person become one number.

A day is a whole number of days since 1970-01-01; what is not known is NaT in dates and NaN in numbers.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Days = NDArray[np.datetime64]  # datetime64[D]
Mask = NDArray[np.bool_]
Labels = NDArray[np.object_]
Pick = Literal["first", "last", "nearest", "mean", "min", "max", "any"]


@dataclass(frozen=True)
class Events:
    """Dated numbers of people, any number a person.

    Attributes:
        rows: (k,) the row in the table of the person whose event it is.
        days: (k,) days from that person's index date to the event; negative before it.
        values: (k,) the event's number.
    """

    rows: Integers
    days: Integers
    values: Floats

    def where(self, keep: Mask) -> "Events":
        """The events where the (k,) mask is true."""
        return Events(self.rows[keep], self.days[keep], self.values[keep])

    def within(self, from_days: int | None, to_days: int | None) -> "Events":
        """The events of a window of days around the index date, both ends included; None is open."""
        keep = np.ones(len(self.days), dtype=bool)
        if from_days is not None:
            keep &= self.days >= from_days
        if to_days is not None:
            keep &= self.days <= to_days
        return self.where(keep)


def one_each(events: Events, n: int, pick: Pick) -> Floats:
    """(n,) one number a person, NaN for a person without an event.

    Of several on the day that counts, `first` and `nearest` take the smallest number and `last` the largest,
    so that the choice does not hang on the order of rows in a database. `any` is the largest: is any 1.
    """
    known = events.where(~np.isnan(events.values))
    if pick == "mean":
        counts = np.bincount(known.rows, minlength=n)
        sums = np.bincount(known.rows, weights=known.values, minlength=n)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    first_key: NDArray[np.float64] | Integers
    match pick:
        case "first":
            first_key, then = known.days, known.values
        case "last":
            first_key, then = -known.days, -known.values
        case "nearest":
            first_key, then = np.abs(known.days), known.values
        case "min":
            first_key, then = known.values, known.values
        case "max" | "any":
            first_key, then = -known.values, known.values
    order = np.lexsort((then, first_key, known.rows))
    people, place = np.unique(known.rows[order], return_index=True)
    chosen = np.full(n, np.nan)
    chosen[people] = known.values[order][place]
    return chosen


def age_years(index: Days, year: Floats, month: Floats, day: Floats) -> Floats:
    """(n,) completed years at the index date; NaN where the year of birth is not known.

    Where the month or the day of birth is not known it counts as reached, so that a birth date of year
    precision gives the difference of the years.
    """
    index_year = index.astype("datetime64[Y]").astype(np.int64) + 1970
    index_month = index.astype("datetime64[M]").astype(np.int64) % 12 + 1
    index_day = (index - index.astype("datetime64[M]")).astype(np.int64) + 1
    # A comparison with NaN is false: not known, so not "before the birthday".
    same_month = index_month == month
    before_birthday = (index_month < month) | (same_month & (index_day < day))
    years = index_year - year - before_birthday
    return np.where(years < 0, np.nan, years).astype(np.float64)


def overall_survival(index: Days, death: Days, last_contact: Days, alive: Mask) -> tuple[Floats, Floats]:
    """((n,) days from the index date, (n,) 1 death or 0 censored); NaN in both where it is not known.

    A death counts on its date. A person known to be alive is censored at the last contact. Of anybody else
    the vital status is not known, and neither is it where the date stands before the index date.
    """
    died = ~np.isnat(death)
    end = np.where(died, death, np.where(alive, last_contact, np.datetime64("NaT")))
    return _time_and_event(index, end, died)


def progression_free_survival(
    index: Days, death: Days, progression: Days, last_assessment: Days
) -> tuple[Floats, Floats]:
    """((n,) days from the index date, (n,) 1 progression or death, 0 censored); NaN where it is not known.

    The event is the first progression after the index date, or else death; without both a person is censored
    at the last assessment of the disease. A person never assessed and not known to be dead is missing.
    """
    event = np.fmin(progression, death)  # NaT gives way to a date
    return _time_and_event(index, np.where(np.isnat(event), last_assessment, event), ~np.isnat(event))


def _time_and_event(index: Days, end: Days, event: Mask) -> tuple[Floats, Floats]:
    time = np.where(np.isnat(end), np.nan, (end - index).astype(np.float64))
    time[~(time >= 0)] = np.nan
    return time, np.where(np.isnan(time), np.nan, event.astype(np.float64))
