"""ATLAS's cohorts on this site's CDM: who is in, from when to when, and how many each step left.

The database says which events there are and which rules hold for each; limits, ends and eras are decided
here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection

from cdm.cohorts.circe import CustomEra, Expression, Limit
from cdm.cohorts.cohort import AtlasCohort
from site_node.study_table.atlas.events import Entry, Events

Span = tuple[int, date, date]  # a person, from a day to a day


@dataclass(frozen=True)
class AtlasPeople:
    """Who is in a cohort.

    Attributes:
        stays: (person_id, first day, last day), ascending; a person may stay several times.
        attrition: how many people are left after each step of the definition.
    """

    stays: list[Span]
    attrition: list[tuple[str, int]]


def find(connection: Connection, cohort: AtlasCohort, refusing: Collection[int] = ()) -> AtlasPeople:
    """The people of a cohort, without those who refused."""
    expression = cohort.circe
    events = Events(connection, expression)
    found = [entry for entry in events.entries() if entry.person_id not in refusing]
    counts = [_people(found)]
    for step in range(cohort.rule_count()):
        found = [entry for entry in found if entry.rules[step]]
        if step == 0 and expression.additional_criteria:
            found = list(_limited(found, expression.qualified_limit))
        counts.append(_people(found))
    found = list(_limited(found, expression.expression_limit))
    stays = _collapsed(_stays(events, expression, found), expression.collapse_settings.era_pad)
    if cohort.has_censor_window():
        stays = list(_inside(stays, expression))
        counts.append(len({person_id for person_id, _, _ in stays}))
    return AtlasPeople(stays, list(zip(cohort.steps(), counts, strict=True)))


def _people(found: Iterable[Entry]) -> int:
    return len({entry.person_id for entry in found})


def _limited(found: list[Entry], limit: Limit) -> Iterable[Entry]:
    """The first or last event of each person; the events come by person and day."""
    if limit.type == "All":
        return found
    one_each: dict[int, Entry] = {}
    for entry in found:
        before = one_each.get(entry.person_id)
        if before is None or (limit.type == "Last" and entry.start > before.start):
            one_each[entry.person_id] = entry
    return one_each.values()


def _stays(events: Events, expression: Expression, found: list[Entry]) -> Iterator[Span]:
    """From each event to the earliest of its ends: of observation, of the strategy, or by censoring."""
    strategy = expression.end_strategy
    eras = _eras(events, strategy.custom_era) if strategy.custom_era else {}
    for entry in found:
        ends = [entry.observed_until]
        if strategy.date_offset is not None:
            origin = entry.start if strategy.date_offset.date_field == "StartDate" else entry.end
            ends.append(origin + timedelta(days=strategy.date_offset.offset))
        ends += [last for first, last in eras.get(entry.person_id, ()) if first <= entry.start <= last]
        if entry.censored is not None:
            ends.append(entry.censored)
        yield entry.person_id, entry.start, min(end for end in ends if end >= entry.start)


def _eras(events: Events, era: CustomEra) -> dict[int, list[tuple[date, date]]]:
    """When each person took the drug, a gap of some days included."""
    taken = events.exposures(era.drug_codeset_id, era.days_supply_override)
    # The offset is part of an exposure and the gap is not: it joins two of them and is taken off again.
    offset = timedelta(days=era.offset)
    eras = defaultdict(list)
    for person_id, first, last in _collapsed(((p, a, b + offset) for p, a, b in taken), era.gap_days):
        eras[person_id].append((first, last))
    return eras


def _collapsed(spans: Iterable[Span], pad: int) -> list[Span]:
    """The spans, those of one person joined that are at most `pad` days apart."""
    joined: list[Span] = []
    for person_id, first, last in sorted(spans):
        if joined and joined[-1][0] == person_id and first <= joined[-1][2] + timedelta(days=pad):
            start, end = joined[-1][1:]
            joined[-1] = (person_id, start, max(end, last))
        else:
            joined.append((person_id, first, last))
    return joined


def _inside(stays: Iterable[Span], expression: Expression) -> Iterator[Span]:
    window = expression.censor_window
    for person_id, first, last in stays:
        first = max(first, window.start_date or first)
        last = min(last, window.end_date or last)
        if first <= last:
            yield person_id, first, last
