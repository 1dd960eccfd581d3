"""Clinical variables from arrays: age, survival, and how several events of a person become one number.

A day is a whole number of days since 1970-01-01; what is not known is NaT in dates and NaN in numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from site_node.features.arrays import Floats, Integers, Mask

Days = NDArray[np.datetime64]  # datetime64[D]
Labels = NDArray[np.object_]
Pick = Literal["first", "last", "nearest", "mean", "min", "max", "any"]


@dataclass(frozen=True)
class Events:
    """Dated numbers of people, any number a person.

    Attributes:
        rows: (k,) the row in the table of the person whose event it is.
        days: (k,) days from that person's index date to the event; negative before it.
        values: (k,) the event's number.
        seconds: (k,) when it was, in seconds of one clock, NaN where only the day is known; None: of all.
    """

    rows: Integers
    days: Integers
    values: Floats
    seconds: Floats | None = None

    def where(self, keep: Mask) -> "Events":
        """The events where the (k,) mask is true."""
        seconds = None if self.seconds is None else self.seconds[keep]
        return Events(self.rows[keep], self.days[keep], self.values[keep], seconds)

    def order_in_day(self) -> Floats:
        """(k,) what orders the events of a person's day: their time, or 0 where one of them has none."""
        if self.seconds is None or not len(self.rows):
            return np.zeros(len(self.rows))
        _, day = np.unique(np.stack([self.rows, self.days]), axis=1, return_inverse=True)
        unknown = np.bincount(day.ravel(), weights=np.isnan(self.seconds)) > 0
        return np.where(unknown[day.ravel()], 0.0, np.nan_to_num(self.seconds))

    def within(self, from_days: int | None, to_days: int | None) -> "Events":
        """The events of a window of days around the index date, both ends included; None is open."""
        keep = np.ones(len(self.days), dtype=bool)
        if from_days is not None:
            keep &= self.days >= from_days
        if to_days is not None:
            keep &= self.days <= to_days
        return self.where(keep)


def one_each(events: Events, n: int, pick: Pick) -> Floats:
    """(n,) one number per person, NaN for a person without an event.

    Of several on the day that counts, `first` and `last` go by the time of day, where all of them have one.
    Else `first` and `nearest` take the smallest number and `last` the largest, so that the choice does not
    hang on the order of rows in a database. `any` is the largest: is any 1.
    """
    known = events.where(~np.isnan(events.values))
    if pick == "mean":
        counts = np.bincount(known.rows, minlength=n)
        sums = np.bincount(known.rows, weights=known.values, minlength=n)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    keys: tuple[NDArray[np.float64] | Integers, ...]
    match pick:
        case "first":
            keys = (known.values, known.order_in_day(), known.days)
        case "last":
            keys = (-known.values, -known.order_in_day(), -known.days)
        case "nearest":
            keys = (known.values, np.abs(known.days))
        case "min":
            keys = (known.values,)
        case "max" | "any":
            keys = (-known.values,)
    order = np.lexsort((*keys, known.rows))
    people, place = np.unique(known.rows[order], return_index=True)
    chosen = np.full(n, np.nan)
    chosen[people] = known.values[order][place]
    return chosen


@dataclass(frozen=True)
class Spells:
    """What held when: rows from `start` to `stop`, (start, stop], each of one person.

    Attributes:
        rows: (m,) the row in the table of the person.
        start, stop: (m,) days from the index date; the first spell of a person starts the day before it.
        event: (m,) 1 where it ended in the person's event, else 0.
        columns: name -> (m,) the value that held; NaN where none was known yet.
    """

    rows: Integers
    start: Floats
    stop: Floats
    event: Floats
    columns: Mapping[str, Floats]


def spells(
    changes: Mapping[str, Events], otherwise: Mapping[str, float], time: Floats, event: Floats
) -> Spells:
    """The follow-up of n people, cut where a value changes.

    A value holds from the day after it was recorded, so that an event of the same day saw the one before (as
    R's `tmerge`); what is known up to the index date holds from the beginning. Of several values of a day the
    last counts, as in `one_each`.

    Args:
        changes: name -> dated values.
        otherwise: name -> the value where nothing was recorded yet; without one it is NaN.
        time, event: (n,) days from the index date and 1 or 0; NaN: no follow-up, no spell.
    """
    known = {name: events.where(~np.isnan(events.values)) for name, events in changes.items()}
    followed = np.flatnonzero(~np.isnan(time))
    cut_rows, cut_days = [followed], [np.full(len(followed), -1, dtype=np.int64)]
    for events in known.values():
        inside = (events.days > 0) & (events.days < time[events.rows])
        cut_rows.append(events.rows[inside])
        cut_days.append(events.days[inside])
    rows, start = np.unique(
        np.stack([np.concatenate(cut_rows), np.concatenate(cut_days)]).astype(np.int64), axis=1
    )
    last = np.append(rows[1:] != rows[:-1], True) if len(rows) else np.zeros(0, dtype=bool)
    columns = {
        name: _held(events, rows, np.maximum(start, 0), otherwise.get(name, np.nan))
        for name, events in known.items()
    }
    return Spells(
        rows,
        start.astype(np.float64),
        np.where(last, time[rows], np.append(start[1:], 0)[: len(start)]),
        np.where(last, event[rows], 0.0),
        columns,
    )


def _held(events: Events, rows: Integers, days: Integers, otherwise: float) -> Floats:
    """(m,) the last value of a row's person up to a day; `otherwise` where there is none."""
    order = np.lexsort((events.values, events.order_in_day(), events.days, events.rows))
    owner, day, value = events.rows[order], events.days[order], events.values[order]
    first = min(int(day.min(initial=0)), 0)
    width = max(int(day.max(initial=0)), int(days.max(initial=0))) - first + 1
    place = np.searchsorted(owner * width + day - first, rows * width + days - first, side="right") - 1
    found = np.full(len(rows), otherwise)
    own = (place >= 0) & (np.append(owner, -1)[place] == rows)
    found[own] = value[place[own]]
    return found


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


def event_free_survival(
    index: Days,
    death: Days,
    last_contact: Days,
    alive: Mask,
    event: Days,
    before: Mask,
    *,
    death_counts: bool,
) -> tuple[Floats, Floats]:
    """((n,) days from the index date, (n,) 1 event, 0 censored); NaN in both where it is not known.

    A person without the event is followed as `overall_survival` has it: to death, which is an event where it
    counts and else censors, or to the last contact of one known to be alive. After death no event counts.

    Args:
        event: (n,) its first day after the index date; before: (n,) who had it by then and is left out.
    """
    died = ~np.isnat(death)
    end = np.where(died, death, np.where(alive, last_contact, np.datetime64("NaT")))
    happened = ~np.isnat(event) & ~(event > death)  # a comparison with NaT is false
    time, found = _time_and_event(index, np.where(happened, event, end), happened | (died & death_counts))
    return np.where(before, np.nan, time), np.where(before, np.nan, found)


def _time_and_event(index: Days, end: Days, event: Mask) -> tuple[Floats, Floats]:
    time = np.where(np.isnat(end), np.nan, (end - index).astype(np.float64))
    time[~(time >= 0)] = np.nan
    return time, np.where(np.isnan(time), np.nan, event.astype(np.float64))
