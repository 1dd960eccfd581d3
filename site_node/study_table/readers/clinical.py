"""Readers of the clinical kinds: who a person is, what was measured, found, diagnosed and done."""

import numpy as np

from protocols.core.variables.clinical import Age, Finding, Measurement, Occurrence, Sex
from site_node.features.arrays import Floats
from site_node.features.clinical import Events, one_each
from site_node.study_table import records
from site_node.study_table.people import People
from site_node.study_table.quantities import measured
from site_node.study_table.readers.reader import ColumnReader, Columns, DatedReader


def age(variable: Age, people: People) -> Columns:
    return (records.ages(people),)


def sex(variable: Sex, people: People) -> Columns:
    return (records.sex_is(people, variable.is_),)


def measurements(variable: Measurement, people: People) -> Events:
    return measured(people, variable)


def findings(variable: Finding, people: People) -> Events:
    found = records.findings(people, [variable.concept], variable.values)
    return found.within(variable.window.from_days, variable.window.to_days)


def occurrences(variable: Occurrence, people: People) -> Events:
    found = records.occurrences(people, variable.domain, [variable.concept])
    return found.within(variable.window.from_days, variable.window.to_days)


def picked(variable: Measurement | Finding, events: Events, n: int) -> Floats:
    """(n,) the one value per person that the variable picks; NaN without one."""
    return one_each(events, n, variable.pick)


def ever(variable: Occurrence, events: Events, n: int) -> Floats:
    """(n,) 1 where something was recorded, else 0: no record means that it was not done."""
    return np.nan_to_num(one_each(events, n, "any"))


READERS = (
    ColumnReader(Age, age),
    ColumnReader(Sex, sex),
    DatedReader(Measurement, measurements, picked),
    DatedReader(Finding, findings, picked),
    DatedReader(Occurrence, occurrences, ever, absent=0.0),
)
