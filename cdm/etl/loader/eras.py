"""Eras: how long a person had one condition, or took one ingredient, when pauses of a month do not count.

OHDSI's rules: an occurrence without an end lasts a day, a drug without one as long as its supply; a pause of
at most 30 days joins two of them. A drug counts for each RxNorm ingredient that the loaded vocabulary has
above it. What has no standard concept has no era.

An era's key comes from its own occurrences and hangs on no other person's: the eras of some people can be
made anew alone.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    case,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    true,
)
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import CTE, Subquery

from cdm.days import days_between, plus_days
from cdm.etl.omop_concepts import NO_CONCEPT
from cdm.schema import (
    concept,
    concept_ancestor,
    condition_era,
    condition_occurrence,
    drug_era,
    drug_exposure,
)

PAUSE_DAYS = 30
KEYS, APART = 2**62, 2**30
BEFORE = (None, -1)  # rows of a window: all that come before
SO_FAR = (None, 0)


def make_eras(connection: Connection, people: Sequence[int] | None = None) -> None:
    """Make the eras of these people, or of everybody, anew from the conditions and drugs that are there."""
    for table, rows in ((condition_era, _condition_eras(people)), (drug_era, _drug_eras(people))):
        connection.execute(delete(table).where(of_people(table.c.person_id, people)))
        connection.execute(insert(table).from_select([column.name for column in table.c], rows))


def of_people(person_id: ColumnElement[int], people: Sequence[int] | None) -> ColumnElement[bool]:
    """That a row is of one of these people; of anybody where they are None."""
    return true() if people is None else person_id.in_(people)


def _condition_eras(people: Sequence[int] | None) -> Select[Any]:
    columns = condition_occurrence.c
    start = columns.condition_start_date
    spans = select(
        columns.person_id,
        columns.condition_concept_id.label("concept_id"),
        start.label("first"),
        _end(start, columns.condition_end_date).label("last"),
        columns.condition_occurrence_id.label("first_key"),
    ).where(columns.condition_concept_id != NO_CONCEPT, of_people(columns.person_id, people))
    parts = _joined(spans, PAUSE_DAYS, "condition_parts").c
    of = (parts.person_id, parts.concept_id)
    return (
        select(func.min(parts.first_key), *of, func.min(parts.first), func.max(parts.last), func.count())
        .group_by(*of, parts.joined)
        .order_by(*of, parts.joined)
    )


def _drug_eras(people: Sequence[int] | None) -> Select[Any]:
    """The eras of exposures that were joined first where they touch, so that their pauses can be counted."""
    columns, above = drug_exposure.c, _ingredients(people)
    start = columns.drug_exposure_start_date
    ends = (func.nullif(columns.drug_exposure_end_date, start), plus_days(start, columns.days_supply))
    spans = (
        select(
            columns.person_id,
            above.c.ancestor_concept_id.label("concept_id"),
            start.label("first"),
            _end(start, *ends).label("last"),
            columns.drug_exposure_id.label("first_key"),
        )
        .join(above, above.c.descendant_concept_id == columns.drug_concept_id)
        .where(of_people(columns.person_id, people))
    )
    touching = _joined(spans, 0, "exposures").c
    whole = (touching.person_id, touching.concept_id)
    taken = (
        select(
            *whole,
            func.min(touching.first).label("first"),
            func.max(touching.last).label("last"),
            func.count().label("exposures"),
            func.min(touching.first_key).label("first_key"),
        )
        .group_by(*whole, touching.joined)
        .subquery("taken")
    )
    parts = _joined(select(taken), PAUSE_DAYS, "drug_parts").c
    of = (parts.person_id, parts.concept_id)
    first, last = func.min(parts.first), func.max(parts.last)
    pauses = days_between(first, last) - func.sum(days_between(parts.first, parts.last))
    return (
        select(_drug_era_id(parts), *of, first, last, func.sum(parts.exposures), pauses)
        .group_by(*of, parts.joined)
        .order_by(*of, parts.joined)
    )


def _drug_era_id(parts: Any) -> ColumnElement[int]:
    """The smallest exposure's key, moved by the ingredient: one exposure counts for several of them.

    The keys of exposures are hashes, so two of these meet as seldom as two of those; all stay below 2^63.
    """
    return func.min(parts.first_key) % KEYS + cast(parts.concept_id, BigInteger) * APART


def _ingredients(people: Sequence[int] | None) -> CTE:
    """Each drug that somebody had, with the ingredients above it."""
    upper, lower = concept_ancestor.c.ancestor_concept_id, concept_ancestor.c.descendant_concept_id
    is_ingredient = (concept.c.concept_class_id == "Ingredient") & (concept.c.vocabulary_id == "RxNorm")
    had = select(drug_exposure.c.drug_concept_id).where(of_people(drug_exposure.c.person_id, people))
    return (
        select(upper, lower)
        .join(concept, concept.c.concept_id == upper)
        .where(is_ingredient, lower.in_(had))
        .cte("ingredient")
    )


def _end(start: ColumnElement[Any], *told: ColumnElement[Any]) -> ColumnElement[Any]:
    """The first end that is told and does not lie before the start; else the next day."""
    return func.coalesce(*(case((end >= start, end)) for end in told), plus_days(start, 1))


def _joined(spans: Select[Any], pause_days: int, name: str) -> CTE:
    """The spans with `joined`, which counts on where a person's span of a concept begins after a pause."""
    one = spans.subquery()
    before = func.max(one.c.last, type_=one.c.last.type)
    marked = select(one, _in_order(before, one, BEFORE).label("before")).subquery()
    is_new = or_(marked.c.before.is_(None), marked.c.first > plus_days(marked.c.before, pause_days))
    number = _in_order(func.sum(case((is_new, 1), else_=0)), marked, SO_FAR)
    return select(marked, number.label("joined")).cte(name)


def _in_order(
    value: FunctionElement[Any], spans: Subquery, rows: tuple[int | None, int | None]
) -> ColumnElement[Any]:
    """The value over a person's spans of a concept, by their days."""
    columns = spans.c
    return value.over(
        partition_by=(columns.person_id, columns.concept_id),
        order_by=(columns.first, columns.last),
        rows=rows,
    )
