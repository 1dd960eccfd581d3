"""Readers of the clinical kinds: who a person is, what was measured, found, diagnosed and done."""

import numpy as np

from protocols.core.variables.clinical import (
    Age,
    Count,
    DaysSinceLast,
    Finding,
    Interval,
    Measured,
    Measurement,
    Occurrence,
    Sex,
)
from site_node.features.clinical import Events, one_each
from site_node.study_table import records
from site_node.study_table.people import People
from site_node.study_table.quantities import measured, picked
from site_node.study_table.readers.reader import ColumnReader, Columns, DatedReader


def age(variable: Age, people: People) -> Columns:
    return (records.ages(people),)


def sex(variable: Sex, people: People) -> Columns:
    return (records.sex_is(people, variable.is_),)


def measurement(variable: Measurement, people: People) -> Columns:
    return (picked(people, variable),)


def measurements(variable: Measurement, people: People) -> Events:
    return measured(people, variable)


def was_measured(variable: Measured, people: People) -> Columns:
    """(n,) 1 where there is a result, else 0: no record means that it was not measured."""
    rows, _ = records.days_with_results(people, [variable.concept], variable.window)
    return ((np.bincount(rows, minlength=len(people)) > 0).astype(np.float64),)


def count(variable: Count, people: People) -> Columns:
    """(n,) days with a result, 0 where there is none."""
    rows, _ = records.days_with_results(people, [variable.concept], variable.window)
    return (np.bincount(rows, minlength=len(people)).astype(np.float64),)


def interval(variable: Interval, people: People) -> Columns:
    """(n,) the days from the first result to the last over one less than the days with a result."""
    rows, days = records.days_with_results(people, [variable.concept], variable.window)
    found = np.full(len(people), np.nan)
    who, first, times = np.unique(rows, return_index=True, return_counts=True)
    often = times > 1
    who, first, times = who[often], first[often], times[often]
    found[who] = (days[first + times - 1] - days[first]) / (times - 1)
    return (found,)


def days_since_last(variable: DaysSinceLast, people: People) -> Columns:
    """(n,) days from the last result to the index date."""
    rows, days = records.days_with_results(people, [variable.concept], variable.window)
    found = np.full(len(people), np.nan)
    found[rows] = -days  # in the order of days, so that the last one stays
    return (found,)


def finding(variable: Finding, people: People) -> Columns:
    return (one_each(findings(variable, people), len(people), variable.pick),)


def findings(variable: Finding, people: People) -> Events:
    return records.findings(people, [variable.concept], variable.values, variable.window)


def occurrence(variable: Occurrence, people: People) -> Columns:
    """(n,) 1 where something was recorded, else 0: no record means that it was not done."""
    return (
        records.occurred(people, variable.domain, [variable.concept], variable.window).astype(np.float64),
    )


def occurrences(variable: Occurrence, people: People) -> Events:
    return records.occurrences(people, variable.domain, [variable.concept], variable.window)


READERS = (
    ColumnReader(Age, age),
    ColumnReader(Sex, sex),
    DatedReader(Measurement, measurement, measurements),
    ColumnReader(Measured, was_measured),
    ColumnReader(Count, count),
    ColumnReader(Interval, interval),
    ColumnReader(DaysSinceLast, days_since_last),
    DatedReader(Finding, finding, findings),
    DatedReader(Occurrence, occurrence, occurrences, absent=0.0),
)
