"""Who is in a study at this site: the index event gives people a date, each rule then keeps some of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import singledispatch
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, and_, extract, func, or_, select, union_all

from cdm.cohorts.cohort import (
    AgeAtIndex,
    AtlasCohort,
    CohortDefinition,
    Event,
    FollowUp,
    GeneTested,
    HasImaging,
    HasRecord,
    SexIs,
)
from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN
from cdm.schema import death, person
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.variables import Window
from site_node.features.arrays import Mask
from site_node.study_table import atlas, consents, genomic_records, records
from site_node.study_table.codes import SOURCES, Codes
from site_node.study_table.people import People, as_days, last_day


@dataclass(frozen=True)
class Cohort:
    """The people of a cohort, and how many were left after the index event and after each rule."""

    people: People
    attrition: list[tuple[str, int]]


def evaluate(
    connection: Connection,
    definition: CohortDefinition | AtlasCohort,
    vocabulary: Vocabulary,
    today: date | None = None,
) -> Cohort:
    """The cohort of this CDM, without those whose newest consent does not permit research `today`.

    Raises:
        SpecError: the definition names a concept that cannot be one.
    """
    today = today or datetime.now(UTC).date()
    refused = consents.refusing(connection, today)
    if isinstance(definition, AtlasCohort):
        return _by_atlas(connection, definition, vocabulary, refused)
    people = _with_index_event(connection, definition.index, vocabulary, today)
    kept = ~np.isin(people.persons, np.fromiter(refused, dtype=np.int64))
    # of those who refuse nothing is read, so that they are on no list
    people = replace(people, persons=people.persons[kept], index=people.index[kept])
    counts = [len(people)]
    for rule in definition.rules:
        kept = keeps(rule, people)
        people = people.kept(kept)
        counts.append(len(people))
    return Cohort(people, list(zip(definition.steps(), counts, strict=True)))


def _by_atlas(
    connection: Connection, definition: AtlasCohort, vocabulary: Vocabulary, refused: set[int]
) -> Cohort:
    """Everybody whom ATLAS's definition finds, dated by the first day in its cohort."""
    found = atlas.find(connection, definition, refused)
    first: dict[int, date] = {}
    for person_id, start, _ in found.stays:
        first.setdefault(person_id, start)
    persons = np.fromiter(first, dtype=np.int64)
    return Cohort(People(connection, vocabulary, persons, as_days(list(first.values()))), found.attrition)


def _with_index_event(connection: Connection, event: Event, vocabulary: Vocabulary, today: date) -> People:
    """Every person with a record of the concept, dated by the first or last one.

    Records of people who are not in `person` are nobody's, and a day before the birth, long after the death
    or in the future, or the one that stands for "not known", dates nothing.
    """
    codes = Codes()
    branches = [
        select(source[0].c.person_id, source[0].c[source[2]].label("day")).where(is_it)
        for source in SOURCES[event.domain]
        for is_it in codes.carrying(connection, vocabulary, source, event.concepts)
    ]
    if not branches:
        return People(connection, vocabulary, np.zeros(0, dtype=np.int64), as_days([]))
    found = union_all(*branches).subquery()
    chosen: Callable[..., Any] = func.min if event.pick == "first" else func.max
    can_be = (
        found.c.day > DAY_NOT_KNOWN,
        found.c.day <= today + timedelta(days=1),  # it is tomorrow in the east
        _is_born(found.c.day),
        found.c.day <= last_day(),
    )
    statement = (
        select(found.c.person_id, chosen(found.c.day, type_=found.c.day.type))
        .join_from(found, person, person.c.person_id == found.c.person_id)
        .outerjoin(death, death.c.person_id == found.c.person_id)
        .where(*can_be)
        .group_by(found.c.person_id)
        .order_by(found.c.person_id)
    )
    answers = connection.execute(statement).all()
    persons = np.array([person_id for person_id, _ in answers], dtype=np.int64)
    return People(connection, vocabulary, persons, as_days([day for _, day in answers]), codes=codes)


def _is_born(day: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a day is not before the birth, as far as that is known."""
    born, year = person.c, extract("year", day)
    first = func.coalesce(born.month_of_birth * 100 + func.coalesce(born.day_of_birth, 1), 101)
    of_that_year = and_(
        year == born.year_of_birth, extract("month", day) * 100 + extract("day", day) >= first
    )
    return or_(year > born.year_of_birth, of_that_year)  # the year is 0 where it is not known


@singledispatch
def keeps(rule: object, people: People) -> Mask:
    """(n,) whether a rule keeps each person. What is not known about a person does not fulfil a rule."""
    raise NotImplementedError(type(rule).__name__)


@keeps.register
def _(rule: AgeAtIndex, people: People) -> Mask:
    age = records.ages(people)
    lowest = -np.inf if rule.at_least is None else rule.at_least
    highest = np.inf if rule.at_most is None else rule.at_most
    return (age >= lowest) & (age <= highest)


@keeps.register
def _(rule: SexIs, people: People) -> Mask:
    is_it: Mask = records.sex_is(people, rule.is_) == 1
    return is_it


@keeps.register
def _(rule: HasRecord, people: People) -> Mask:
    window = Window(from_days=rule.from_days, to_days=rule.to_days)
    present = records.occurred(people, rule.domain, rule.concepts, window)
    return ~present if rule.absent else present


@keeps.register
def _(rule: HasImaging, people: People) -> Mask:
    return records.has_images(people, rule.modality, with_features=rule.features)


@keeps.register
def _(rule: GeneTested, people: People) -> Mask:
    state = genomic_records.gene_states(people, rule.gene)
    return ~np.isnan(state) if rule.mutated is None else state == float(rule.mutated)


@keeps.register
def _(rule: FollowUp, people: People) -> Mask:
    death = records.deaths(people)
    end = np.where(np.isnat(death), records.last_contacts(people), death)
    followed: Mask = (end - people.index) >= np.timedelta64(rule.at_least_days, "D")
    return followed
