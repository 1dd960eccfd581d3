"""ATLAS's entry events with what is asked of each: one statement for a whole definition."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)

from cdm.cohorts.circe import Expression
from cdm.cohorts.circe.criteria import CorrelatedCriteria, Criteria, Group
from cdm.cohorts.circe.parts import Endpoint, Window
from cdm.days import plus_days
from cdm.schema import drug_exposure, observation_period
from site_node.study_table.atlas.records import COMPARE, ConceptSets, Condition, fits, records

OCCURRENCE = ("eq", "lte", "gte")
COLUMNS = ("person_id", "event_id", "start_date", "end_date", "visit_occurrence_id", "concept_id")


@dataclass(frozen=True)
class Entry:
    """An event with which a person may enter.

    Attributes:
        observed_until: the end of the observation period in which it lies.
        censored: the first censoring event from its start on.
        rules: whether each of the definition's steps holds, in their order.
    """

    person_id: int
    start: date
    end: date
    observed_until: date
    censored: date | None
    rules: tuple[bool, ...]


def entries(connection: Connection, expression: Expression) -> list[Entry]:
    """The entry events inside their observation window, by person and day."""
    sets = ConceptSets(expression.concept_sets)
    row = _primary(expression, sets)
    steps = [expression.additional_criteria] if expression.additional_criteria else []
    steps += [rule.expression for rule in expression.inclusion_rules]
    answers = [case((_holds(step, row, sets), 1), else_=0) for step in steps]
    statement = select(
        row.c.person_id,
        row.c.start_date,
        row.c.end_date,
        row.c.op_end_date,
        _censored(expression.censoring_criteria, row, sets),
        *(answer.label(f"rule_{number}") for number, answer in enumerate(answers)),
    ).order_by(row.c.person_id, row.c.start_date, row.c.event_id)
    return [
        Entry(person_id, start, end, until, censored, tuple(map(bool, rules)))
        for person_id, start, end, until, censored, *rules in connection.execute(statement)
    ]


def _primary(expression: Expression, sets: ConceptSets) -> FromClause:
    primary = expression.primary_criteria
    found = union_all(*(_events(one, sets) for one in primary.criteria_list)).subquery("event")
    row = _observed(found)
    window = primary.observation_window
    inside = (
        plus_days(row.c.op_start_date, window.prior_days) <= row.c.start_date,
        plus_days(row.c.start_date, window.post_days) <= row.c.op_end_date,
    )
    last = primary.primary_criteria_limit.type == "Last"
    order = (row.c.start_date.desc() if last else row.c.start_date, row.c.event_id, row.c.end_date)
    place = func.row_number().over(partition_by=row.c.person_id, order_by=order)
    ranked = select(*row.c, place.label("place")).where(*inside).subquery("ranked")
    limited = true() if primary.primary_criteria_limit.type == "All" else ranked.c.place == 1
    return select(ranked).where(limited).cte("entry")


def _observed(found: FromClause) -> FromClause:
    """The events with the observation period in which each starts; others are not seen."""
    period = observation_period.alias()
    start, end = period.c.observation_period_start_date, period.c.observation_period_end_date
    is_inside = and_(
        found.c.person_id == period.c.person_id, found.c.start_date >= start, found.c.start_date <= end
    )
    columns = [found.c[name] for name in COLUMNS]
    return (
        select(*columns, start.label("op_start_date"), end.label("op_end_date"))
        .join_from(found, period, is_inside)
        .subquery()
    )


def _events(criterion: Criteria, sets: ConceptSets) -> Select[Any]:
    """The records of a criterion, with what it asks to be around each."""
    event = criterion.event
    found = records(event, sets)
    if event.correlated_criteria is None or event.correlated_criteria.is_empty():
        return found
    row = _observed(found.subquery())
    return select(*(row.c[name] for name in COLUMNS)).where(_holds(event.correlated_criteria, row, sets))


def _holds(group: Group, row: FromClause, sets: ConceptSets) -> Condition:
    """Whether a group of criteria holds for an event."""
    met = [
        *(_occurs(one, row, sets) for one in group.criteria_list),
        *(fits(one, row) for one in group.demographic_criteria_list),
        *(_holds(one, row, sets) for one in group.groups),
    ]
    if not met:
        return true()
    if group.type == "ALL":
        return and_(*met)
    if group.type == "ANY":
        return or_(*met)
    count: ColumnElement[int] = sum((case((one, 1), else_=0) for one in met), start=literal(0))
    wanted = group.count or 0
    return count >= wanted if group.type == "AT_LEAST" else count <= wanted


def _occurs(criterion: CorrelatedCriteria, row: FromClause, sets: ConceptSets) -> Condition:
    """Whether there are as many records around an event as wanted."""
    found = _events(criterion.criteria, sets).subquery()
    wanted = criterion.occurrence
    counted = func.count(found.c.concept_id.distinct()) if wanted.is_distinct else func.count()
    around = select(counted).select_from(found).where(*_around(criterion, found, row))
    compare = COMPARE[OCCURRENCE[wanted.type]]
    return compare(around.correlate(row).scalar_subquery(), wanted.count, None)


def _around(criterion: CorrelatedCriteria, found: FromClause, row: FromClause) -> list[Condition]:
    conditions = [found.c.person_id == row.c.person_id]
    is_observed = not criterion.ignore_observation_period
    if is_observed:
        start = found.c.start_date
        conditions += [start >= row.c.op_start_date, start <= row.c.op_end_date]
    # Of an end window that does not say so, ATLAS takes the event's end; of a start window its start.
    for window, by_default in ((criterion.start_window, False), (criterion.end_window, True)):
        if window is not None:
            conditions += _within(window, by_default, found, row, is_observed)
    if criterion.restrict_visit:
        conditions.append(found.c.visit_occurrence_id == row.c.visit_occurrence_id)
    return conditions


def _within(
    window: Window, by_default: bool, found: FromClause, row: FromClause, is_observed: bool
) -> list[Condition]:
    by_end = by_default if window.use_event_end is None else window.use_event_end
    day = found.c.end_date if by_end else found.c.start_date
    index = row.c.end_date if window.use_index_end else row.c.start_date
    conditions = []
    for endpoint, op in ((window.start, "gte"), (window.end, "lte")):
        bound = _bound(endpoint, index, row, is_observed)
        if bound is not None:
            conditions.append(COMPARE[op](day, bound, None))
    return conditions


def _bound(
    endpoint: Endpoint, index: ColumnElement[Any], row: FromClause, is_observed: bool
) -> ColumnElement[Any] | None:
    if endpoint.days is not None:
        return plus_days(index, endpoint.coeff * endpoint.days)
    if not is_observed:
        return None
    return row.c.op_start_date if endpoint.coeff == -1 else row.c.op_end_date


def _censored(censoring: tuple[Criteria, ...], row: FromClause, sets: ConceptSets) -> ColumnElement[Any]:
    """The first censoring event between an event's start and the end of observation."""
    if not censoring:
        return null()
    found = union_all(*(_events(one, sets) for one in censoring)).subquery()
    first = func.min(found.c.start_date, type_=found.c.start_date.type)
    after = select(first).where(
        found.c.person_id == row.c.person_id,
        found.c.start_date >= row.c.start_date,
        found.c.start_date <= row.c.op_end_date,
    )
    return after.correlate(row).scalar_subquery()


def exposures(
    connection: Connection, expression: Expression, number: int, supply_days: int | None
) -> list[tuple[int, date, date]]:
    """Everybody's exposures to the drugs of a concept set, from when to when, by person and day."""
    sets = ConceptSets(expression.concept_sets)
    drug = drug_exposure.c
    start = drug.drug_exposure_start_date
    end: ColumnElement[Any] = func.coalesce(
        drug.drug_exposure_end_date, plus_days(start, drug.days_supply), plus_days(start, 1)
    )
    if supply_days is not None:
        end = plus_days(start, supply_days)
    is_drug = or_(sets.has(drug.drug_concept_id, number), sets.has(drug.drug_source_concept_id, number))
    statement = select(drug.person_id, start, end).where(is_drug).order_by(drug.person_id, start)
    return [(person_id, first, last) for person_id, first, last in connection.execute(statement)]
