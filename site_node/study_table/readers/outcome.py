"""Readers of the outcomes: what happened to a person, and when."""

from protocols.core.variables.outcome import Survival
from site_node.study_table import records
from site_node.study_table.people import People
from site_node.study_table.readers.reader import ColumnReader, Columns


def survival(variable: Survival, people: People) -> Columns:
    """(n,) days from the index date, and (n,) 1 for an event or 0 for censored."""
    if variable.endpoint == "overall":
        return records.overall_survival(people)
    return records.progression_free_survival(people)


READERS = (ColumnReader(Survival, survival),)
