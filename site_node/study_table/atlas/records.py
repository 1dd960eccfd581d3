"""ATLAS's criteria as statements: the records of one kind that fulfil every condition on themselves.

The meaning is that of circe-be 1.11: a record without an end lasts a day, a drug as long as it was supplied,
and `First` is a person's first record of the concept set, before any other condition is asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Table,
    and_,
    cast,
    exists,
    extract,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
)

from cdm.cohorts.circe import criteria, parts
from cdm.days import days_between, plus_days
from cdm.schema import (
    concept,
    concept_ancestor,
    concept_relationship,
    condition_era,
    condition_occurrence,
    death,
    device_exposure,
    drug_era,
    drug_exposure,
    measurement,
    observation,
    person,
    procedure_occurrence,
    specimen,
    visit_occurrence,
)
from cdm.schema.columns import LONG
from site_node.study_table.people import literal_ids
from site_node.study_table.temporary import found

Condition = ColumnElement[bool]


@dataclass(frozen=True)
class Kind:
    """Where records of a kind are: their table and the names of its columns; `lasts` gives a missing end."""

    table: Table
    prefix: str
    start: str
    end: str | None = None
    key: str = ""
    supply: str | None = None

    def end_of(self, columns: Any) -> ColumnElement[Any]:
        """The day on which a record ends."""
        start = columns[self.start]
        next_day = plus_days(start, 1)
        ends = [columns[self.end]] if self.end else []
        supplied = [plus_days(start, columns[self.supply])] if self.supply else []
        return func.coalesce(*ends, *supplied, next_day) if ends else next_day


KINDS: dict[type[criteria.Event], Kind] = {
    criteria.ConditionOccurrence: Kind(
        condition_occurrence, "condition", "condition_start_date", "condition_end_date"
    ),
    criteria.ProcedureOccurrence: Kind(procedure_occurrence, "procedure", "procedure_date"),
    criteria.DrugExposure: Kind(
        drug_exposure,
        "drug",
        "drug_exposure_start_date",
        "drug_exposure_end_date",
        supply="days_supply",
    ),
    criteria.DeviceExposure: Kind(
        device_exposure, "device", "device_exposure_start_date", "device_exposure_end_date"
    ),
    criteria.Observation: Kind(observation, "observation", "observation_date"),
    criteria.Measurement: Kind(measurement, "measurement", "measurement_date"),
    criteria.VisitOccurrence: Kind(visit_occurrence, "visit", "visit_start_date", "visit_end_date"),
    criteria.Death: Kind(death, "cause", "death_date", key="person_id"),
    criteria.Specimen: Kind(specimen, "specimen", "specimen_date"),
    criteria.ConditionEra: Kind(
        condition_era, "condition", "condition_era_start_date", "condition_era_end_date"
    ),
    criteria.DrugEra: Kind(drug_era, "drug", "drug_era_start_date", "drug_era_end_date"),
}

COMPARE: dict[str, Callable[[Any, Any, Any], Condition]] = {
    "lt": lambda column, value, _: column < value,
    "lte": lambda column, value, _: column <= value,
    "eq": lambda column, value, _: column == value,
    "!eq": lambda column, value, _: column != value,
    "gt": lambda column, value, _: column > value,
    "gte": lambda column, value, _: column >= value,
    "bt": lambda column, value, extent: and_(column >= value, column <= extent),
    "!bt": lambda column, value, extent: not_(and_(column >= value, column <= extent)),
}


class ConceptSets:
    """The concepts of a definition's sets, each found once."""

    def __init__(self, connection: Connection, sets: Sequence[parts.ConceptSet]) -> None:
        self._connection = connection
        self._sets: Mapping[int, parts.ConceptSet] = {one.id: one for one in sets}
        self._found: dict[int, Table] = {}

    def has(self, column: ColumnElement[Any], number: int) -> Condition:
        """Whether a column's concept is in the set."""
        if number not in self._found:
            concepts = _concepts(self._sets[number])
            self._found[number] = found(
                self._connection, "concepts", {"concept_id": Integer()}, concepts, ["concept_id"]
            )
        return column.in_(select(self._found[number].c.concept_id))


def _concepts(concept_set: parts.ConceptSet) -> Select[Any]:
    items = concept_set.expression.items
    wanted = _named([item for item in items if not item.is_excluded])
    excluded = [item for item in items if item.is_excluded]
    statement = select(concept.c.concept_id).where(wanted)
    return statement.where(not_(_named(excluded))) if excluded else statement


def _named(items: Sequence[parts.Item]) -> Condition:
    """Whether a concept is one of the items, below one, or mapped to one of those."""
    if not items:
        return false()
    mapped = [item for item in items if item.include_mapped]
    direct = _at_or_below(items)
    if not mapped:
        return direct
    target = concept.alias()
    to_these = select(concept_relationship.c.concept_id_1).where(
        concept_relationship.c.relationship_id == "Maps to",
        concept_relationship.c.invalid_reason.is_(None),
        concept_relationship.c.concept_id_2.in_(
            select(target.c.concept_id).where(_at_or_below(mapped, target))
        ),
    )
    return or_(direct, concept.c.concept_id.in_(to_these))


def _at_or_below(items: Sequence[parts.Item], table: FromClause = concept) -> Condition:
    its_id = table.c.concept_id
    themselves = its_id.in_(literal_ids([item.concept.concept_id for item in items]))
    above = [item.concept.concept_id for item in items if item.include_descendants]
    if not above:
        return themselves
    below = select(concept_ancestor.c.descendant_concept_id).where(
        concept_ancestor.c.ancestor_concept_id.in_(literal_ids(above))
    )
    return or_(themselves, and_(table.c.invalid_reason.is_(None), its_id.in_(below)))


def records_of(event: criteria.Event, sets: ConceptSets) -> Select[Any]:
    """The records that fulfil the conditions on themselves (all but `CorrelatedCriteria`).

    Its columns: person_id, event_id, start_date, end_date, visit_occurrence_id, concept_id.
    """
    asked = _Records(event, sets)
    return asked.statement.where(*asked.conditions())


@dataclass(frozen=True)
class _Records:
    event: criteria.Event
    sets: ConceptSets

    @cached_property
    def kind(self) -> Kind:
        return KINDS[type(self.event)]

    @cached_property
    def table(self) -> FromClause:
        return self.kind.table.alias()

    @cached_property
    def key(self) -> str:
        return self.kind.key or f"{self.kind.table.name}_id"

    @cached_property
    def start(self) -> ColumnElement[Any]:
        return self.table.c[self.kind.start]

    @cached_property
    def end(self) -> ColumnElement[Any]:
        return self.kind.end_of(self.table.c)

    @property
    def statement(self) -> Select[Any]:
        """Every record of the kind."""
        columns = self.table.c
        visit = columns.get("visit_occurrence_id")
        return select(
            columns.person_id,
            columns[self.key].label("event_id"),
            self.start.label("start_date"),
            self.end.label("end_date"),
            (cast(null(), LONG) if visit is None else visit).label("visit_occurrence_id"),
            columns[f"{self.kind.prefix}_concept_id"].label("concept_id"),
        )

    def conditions(self) -> list[Condition]:
        """The conditions that the event names, with the first record of the set among them."""
        conditions = self._of_the_set(self.table)
        if self.event.first:
            conditions.append(self._is_first())
        for name, value in self.event:
            if isinstance(value, (parts.NumericRange, parts.DateRange)):
                conditions.append(COMPARE[value.op](self._quantity(name), value.value, value.extent))
            elif isinstance(value, tuple) and value:
                conditions.append(self._has_concept(name, value))
        return conditions

    def _of_the_set(self, table: FromClause) -> list[Condition]:
        event, prefix = self.event, self.kind.prefix
        conditions = []
        if event.codeset_id is not None:
            conditions.append(self.sets.has(table.c[f"{prefix}_concept_id"], event.codeset_id))
        for name, value in event:
            if name.endswith("_source_concept") and value is not None:
                conditions.append(self.sets.has(table.c[f"{prefix}_source_concept_id"], value))
        return conditions

    def _is_first(self) -> Condition:
        other = self.kind.table.alias()
        order = (other.c[self.kind.start], other.c[self.key])
        place = func.row_number().over(partition_by=other.c.person_id, order_by=order)
        ranked = select(other.c[self.key].label("event_id"), place.label("place"))
        ranks = ranked.where(*self._of_the_set(other)).subquery()
        return self.table.c[self.key].in_(select(ranks.c.event_id).where(ranks.c.place == 1))

    def _quantity(self, name: str) -> ColumnElement[Any]:
        """The column or expression to which a range applies."""
        columns = self.table.c
        match name:
            case "occurrence_start_date" | "era_start_date":
                return self.start
            case "occurrence_end_date" | "era_end_date":
                return self.end
            case "age" | "age_at_start":
                return _age(columns.person_id, self.start)
            case "age_at_end":
                return _age(columns.person_id, self.end)
            case "era_length" | "visit_length":
                return days_between(self.start, self.end)
            case "occurrence_count":
                return next(column for column in columns if column.name.endswith("_count"))
        return columns[name]

    def _has_concept(self, name: str, wanted: tuple[parts.Concept, ...]) -> Condition:
        ids = literal_ids([one.concept_id for one in wanted])
        columns = self.table.c
        if name == "gender":
            return exists().where(
                person.c.person_id == columns.person_id, person.c.gender_concept_id.in_(ids)
            )
        if name == "visit_type" and self.kind.table is not visit_occurrence:
            visits = visit_occurrence.alias().c
            its_visit = visits.visit_occurrence_id == columns.visit_occurrence_id
            return exists().where(its_visit, visits.visit_concept_id.in_(ids))
        column = columns[f"{name.removesuffix('_concept')}_concept_id"]
        return column.not_in(ids) if getattr(self.event, f"{name}_exclude", False) else column.in_(ids)


def _age(person_id: ColumnElement[Any], day: ColumnElement[Any]) -> ColumnElement[Any]:
    """The difference of the years, which is what ATLAS takes for the age."""
    born = select(person.c.year_of_birth).where(person.c.person_id == person_id).scalar_subquery()
    return extract("year", day) - born


def fits(criterion: criteria.DemographicCriteria, row: FromClause) -> Condition:
    """Whether the person of an event is so at its day."""
    who = person.alias()
    conditions: list[Condition] = []
    ranges = (
        (criterion.age, extract("year", row.c.start_date) - who.c.year_of_birth),
        (criterion.occurrence_start_date, row.c.start_date),
        (criterion.occurrence_end_date, row.c.end_date),
    )
    for wanted, column in ranges:
        if wanted is not None:
            conditions.append(COMPARE[wanted.op](column, wanted.value, wanted.extent))
    for name in ("gender", "race", "ethnicity"):
        if concepts := getattr(criterion, name):
            ids = literal_ids([one.concept_id for one in concepts])
            conditions.append(who.c[f"{name}_concept_id"].in_(ids))
    there = select(literal(1)).where(who.c.person_id == row.c.person_id, *conditions)
    return there.correlate(row).exists()
