"""ATLAS's entry events with what is asked of each: one statement for each criterion of a definition."""

from dataclasses import dataclass
from datetime import date
from operator import eq, ge, le
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    FromClause,
    Integer,
    Subquery,
    Table,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
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
from cdm.schema.columns import LONG
from site_node.study_table.atlas.records import COMPARE, ConceptSets, Condition, fits, records_of
from site_node.study_table.temporary import found

OCCURRENCE = ("eq", "lte", "gte")
IS_ENOUGH = (eq, le, ge)
EVENT: dict[str, Any] = {
    "person_id": LONG,
    "event_id": LONG,
    "start_date": Date(),
    "end_date": Date(),
    "visit_occurrence_id": LONG,
    "concept_id": Integer(),
}
OBSERVED: dict[str, Any] = {**EVENT, "op_start_date": Date(), "op_end_date": Date()}


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


class Events:
    """The events of a definition's criteria, step by step: each is a table that the next one is joined to.

    A criterion around an event is asked of all events at once: its records are found, joined to the events by
    person and counted, so that the cost is that of the records and not of one question per event.
    """

    def __init__(self, connection: Connection, expression: Expression) -> None:
        self._connection = connection
        self._expression = expression
        self.sets = ConceptSets(connection, expression.concept_sets)

    def entries(self) -> list[Entry]:
        """The entry events inside their observation window, by person and day."""
        expression, row = self._expression, self._primary()
        steps = [expression.additional_criteria] if expression.additional_criteria else []
        steps += [rule.expression for rule in expression.inclusion_rules]
        answers = [case((self._holds(step, row), 1), else_=0) for step in steps]
        censored = self._censored(expression.censoring_criteria, row)
        statement = (
            select(
                row.c.person_id,
                row.c.start_date,
                row.c.end_date,
                row.c.op_end_date,
                censored.c.day,
                *(answer.label(f"rule_{number}") for number, answer in enumerate(answers)),
            )
            .outerjoin_from(row, censored, censored.c.row_id == row.c.row_id)
            .order_by(row.c.row_id)
        )
        return [
            Entry(person_id, start, end, until, censored, tuple(map(bool, rules)))
            for person_id, start, end, until, censored, *rules in self._connection.execute(statement)
        ]

    def _primary(self) -> Table:
        primary = self._expression.primary_criteria
        events = union_all(*(select(self._found(one)) for one in primary.criteria_list)).subquery("event")
        row = _observed(events)
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
        return self._numbered(ranked, limited)

    def _numbered(self, row: FromClause, kept: Condition) -> Table:
        """The events with a number each, by person and day."""
        order = (row.c.person_id, row.c.start_date, row.c.event_id, row.c.end_date)
        number = func.row_number().over(order_by=order)
        answer = select(number, *(row.c[name] for name in OBSERVED)).where(kept)
        return found(self._connection, "row", {"row_id": LONG, **OBSERVED}, answer, ["row_id"])

    def _found(self, criterion: Criteria, among: Table | None = None) -> Table:
        """The records of a criterion, with what it asks to be around each; of the people of `among`."""
        event = criterion.event
        records = records_of(event, self.sets)
        if among is not None:
            # + 0: not person by person, but by the concepts and then whose they are.
            person_id = records.selected_columns.person_id + 0
            records = records.where(person_id.in_(select(among.c.person_id)))
        by = ["person_id", "start_date"]
        events = found(self._connection, "event", EVENT, records, by)
        group = event.correlated_criteria
        if group is None or group.is_empty():
            return events
        row = self._numbered(_observed(events), true())
        kept = select(*(row.c[name] for name in EVENT)).where(self._holds(group, row))
        return found(self._connection, "event", EVENT, kept, by)

    def _holds(self, group: Group, row: Table) -> Condition:
        """Whether a group of criteria holds for an event."""
        met = [
            *(self._occurs(one, row) for one in group.criteria_list),
            *(fits(one, row) for one in group.demographic_criteria_list),
            *(self._holds(one, row) for one in group.groups),
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

    def _occurs(self, criterion: CorrelatedCriteria, row: Table) -> Condition:
        """Whether there are as many records around an event as wanted."""
        events = self._found(criterion.criteria, among=row)
        wanted = criterion.occurrence
        counted = func.count(events.c.concept_id.distinct()) if wanted.is_distinct else func.count()
        compare, enough = COMPARE[OCCURRENCE[wanted.type]], IS_ENOUGH[wanted.type]
        is_met = compare(counted, wanted.count, None)
        none_is_enough = enough(0, wanted.count)
        each = row.alias()  # not the event that the statement around it looks at: all are asked at once
        answer = (
            select(each.c.row_id)
            .where(*_around(criterion, events, each))
            .group_by(each.c.row_id)
            .having(not_(is_met) if none_is_enough else is_met)
        )
        # Events without a record have no group.
        return row.c.row_id.not_in(answer) if none_is_enough else row.c.row_id.in_(answer)

    def _censored(self, censoring: tuple[Criteria, ...], row: Table) -> Subquery:
        """(row_id, day) of the first censoring event between an event's start and the end of observation."""
        if not censoring:
            return select(row.c.row_id, cast(null(), Date).label("day")).where(false()).subquery()
        events = union_all(*(select(self._found(one, among=row)) for one in censoring)).subquery()
        first = func.min(events.c.start_date, type_=Date)
        return (
            select(row.c.row_id, first.label("day"))
            .where(
                events.c.person_id == row.c.person_id,
                events.c.start_date >= row.c.start_date,
                events.c.start_date <= row.c.op_end_date,
            )
            .group_by(row.c.row_id)
            .subquery()
        )

    def exposures(self, number: int, supply_days: int | None) -> list[tuple[int, date, date]]:
        """Everybody's exposures to the drugs of a concept set, from when to when, by person and day."""
        drug = drug_exposure.c
        start = drug.drug_exposure_start_date
        end: ColumnElement[Any] = func.coalesce(
            drug.drug_exposure_end_date, plus_days(start, drug.days_supply), plus_days(start, 1)
        )
        if supply_days is not None:
            end = plus_days(start, supply_days)
        is_drug = or_(
            self.sets.has(drug.drug_concept_id, number), self.sets.has(drug.drug_source_concept_id, number)
        )
        statement = select(drug.person_id, start, end).where(is_drug).order_by(drug.person_id, start)
        return [(person_id, first, last) for person_id, first, last in self._connection.execute(statement)]


def _observed(events: FromClause) -> Subquery:
    """The events with the observation period in which each starts; others are not seen."""
    period = observation_period.alias()
    start, end = period.c.observation_period_start_date, period.c.observation_period_end_date
    is_inside = and_(
        events.c.person_id == period.c.person_id, events.c.start_date >= start, events.c.start_date <= end
    )
    columns = [events.c[name] for name in EVENT]
    return (
        select(*columns, start.label("op_start_date"), end.label("op_end_date"))
        .join_from(events, period, is_inside)
        .subquery()
    )


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
