"""Readers of the outcomes: what happened to a person, and when."""

from protocols.core.variables.outcome import RULES, Survival
from site_node.study_table import records
from site_node.study_table.people import People
from site_node.study_table.readers.reader import ColumnReader, Columns


def survival(variable: Survival, people: People) -> Columns:
    """(n,) days from the index date, and (n,) 1 for an event or 0 for censored."""
    if variable.endpoint == "overall":
        return records.overall_survival(people)
    if variable.endpoint == "progression_free":
        return records.progression_free_survival(people)
    named = [(each.domain, each.concept) for each in variable.events]
    rule = RULES[variable.endpoint]
    return records.event_free_survival(people, named, death_counts=rule.death, free=rule.free)


READERS = (ColumnReader(Survival, survival),)
