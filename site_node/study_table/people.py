"""The people of a cohort, and the way from their rows in the CDM to arrays: one query for all of them."""

from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from operator import ge, le
from typing import Any

import numpy as np
from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    Date,
    Select,
    Table,
    bindparam,
    exists,
    extract,
    false,
    func,
    literal,
    or_,
    select,
    union,
    union_all,
)

from cdm.days import days_between, plus_days
from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN
from cdm.etl.loader.due import EVENTS
from cdm.etl.person import UNKNOWN_YEAR
from cdm.quality.plausible import LATE_DAYS
from cdm.schema import death, observation_period, person
from cdm.schema.columns import LONG
from cdm.vocabulary.concepts import Vocabulary
from cdm.vocabulary.doubts import OfVariable
from cdm.vocabulary.names import ConceptCode
from protocols.core.variables import Window
from site_node.features.arrays import Floats, Integers, Mask
from site_node.features.clinical import Days, Events
from site_node.study_table.codes import (
    Codes,
    Source,
    as_written,
    concept_ids,
    parse_concept,
)
from site_node.study_table.temporary import listed

Statement = Select[Any] | CompoundSelect[Any]

MILLENNIA_DAYS = 366 * 1000
LENT = 0.8  # of a list of people in the database: with fewer of them a new list costs less
MOST_DAYS = 4_000_000  # from the year 1 to 9999 it is fewer


@dataclass(frozen=True)
class People:
    """Some people with an index date each.

    Attributes:
        connection: to their CDM.
        vocabulary: what codes mean at this site.
        persons: (n,) distinct person_ids, ascending.
        index: (n,) datetime64[D], the index dates.
        doubts: records that the variable in hand left out or read by a policy, by kind of doubt.
        in_doubt: kind of doubt -> the rows of the people whose records these are.
        codes: what stands in the event tables.
        lender: more people, of whom these are most: their lists in the database serve these too, since an
            answer about anybody else is dropped.
    """

    connection: Connection
    vocabulary: Vocabulary
    persons: Integers
    index: Days
    doubts: Counter[str] = field(default_factory=Counter, compare=False)
    in_doubt: dict[OfVariable, set[int]] = field(default_factory=dict, compare=False)
    codes: Codes = field(default_factory=Codes, compare=False)
    lender: "People | None" = field(default=None, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.persons)

    def kept(self, stays: Mask) -> "People":
        """Those of these people where the (n,) mask is true; what is read of a few others is dropped."""
        persons, lender = self.persons[stays], self.lender or self
        is_lent = len(persons) >= LENT * len(lender)
        return replace(self, persons=persons, index=self.index[stays], lender=lender if is_lent else None)

    def note_doubt(self, kind: OfVariable, records: int, rows: Integers) -> None:
        """Count records of the variable in hand that are in doubt; `rows` are those of their people."""
        if records:
            self.doubts[kind] += records
            self.in_doubt.setdefault(kind, set()).update(rows.tolist())

    @cached_property
    def listed(self) -> Table:
        """These people in their database, for as long as the transaction: person_id and index_date.

        Some others may be among them; `ask` drops what is answered about these.
        """
        if self.lender:
            return self.lender.listed
        key = Column("person_id", LONG, primary_key=True, autoincrement=False)
        columns: list[Column[Any]] = [key, Column("index_date", Date, nullable=False)]
        days = np.datetime_as_string(self.index).tolist()
        return listed(self.connection, "people", columns, zip(self.persons.tolist(), days, strict=True))

    @cached_property
    def early(self) -> Table | None:
        """Those who may have a record from before their birth, person_id and born; None where nobody has.

        Their observation period begins with the birth, as it was made to (cdm/etl/loader/periods.py); of
        nobody else a record can be so early. Where only the year or month is known, `born` is its first day.
        """
        if self.lender:
            return self.lender.early
        period, birth = observation_period.c, person.c
        start = period.observation_period_start_date
        statement = (
            select(birth.person_id, birth.year_of_birth, birth.month_of_birth, birth.day_of_birth)
            .join_from(observation_period, person, birth.person_id == period.person_id)
            .where(birth.year_of_birth > UNKNOWN_YEAR, extract("year", start) <= birth.year_of_birth)
            .where(self.are(birth.person_id))
            .distinct()
        )
        found = [
            (key, _first_day(year, month, day).isoformat())
            for key, year, month, day in self.connection.execute(statement)
        ]
        key = Column("person_id", LONG, primary_key=True, autoincrement=False)
        born = Column("born", Date, nullable=False)
        return listed(self.connection, "early", [key, born], found) if found else None

    @cached_property
    def late(self) -> Table | None:
        """Those who have a record long after their death, person_id and last day; None where nobody has."""
        if self.lender:
            return self.lender.late
        last = last_day()
        each = [
            select(death.c.person_id, last.label("last"))
            .join_from(self.listed, death, death.c.person_id == self.listed.c.person_id)
            .join(table, table.c.person_id == death.c.person_id)
            .where(table.c[day] > last)
            for table, day in EVENTS
        ]
        found = self.connection.execute(union(*each)).all()
        key = Column("person_id", LONG, primary_key=True, autoincrement=False)
        rows = [(key, str(day)) for key, day in found]
        return (
            listed(self.connection, "late", [key, Column("last", Date, nullable=False)], rows)
            if rows
            else None
        )

    def are(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        """Whether a column of person_ids names one of the listed people."""
        return column.in_(select(self.listed.c.person_id))

    def records(
        self,
        sources: Sequence[Source],
        concepts: Sequence[str],
        window: Window,
        columns: Callable[[Source], Sequence[ColumnElement[Any]]],
    ) -> CompoundSelect[Any]:
        """(person_id, …) of these people's records of one of the concepts in a window of days.

        `columns` are what is asked of a record, alike of each source. Records from before the birth are not
        among them, and neither are those from long after the death; both are counted in `doubts`.
        """
        asked = [
            (source, (is_it, *self._inside(source[0].c[source[2]], window)))
            for source in sources
            for is_it in self.codes.carrying(self.connection, self.vocabulary, source, concepts)
        ]
        self._note_outside(asked)
        branches = [
            self._record(source, columns(source), *conditions, *self._in_life(source))
            for source, conditions in asked
        ]
        return union_all(*branches or [self._record(sources[0], columns(sources[0]), false())])

    def named(
        self, source: Source, names: Collection[str], *columns: ColumnElement[Any]
    ) -> CompoundSelect[Any]:
        """(person_id, …) of these people's records that the ETL wrote under one of these names."""
        found = self.codes.named(self.connection, source, names)
        self._note_outside([(source, (is_it,)) for is_it in found])
        return union_all(
            *(self._record(source, columns, is_it, *self._in_life(source)) for is_it in found or [false()])
        )

    def _outside(self, source: Source) -> dict[OfVariable, tuple[ColumnElement[bool], ...]]:
        """Kind of doubt -> when a record lies outside the life of its person; only what anybody can have."""
        table, _, day = source
        found: dict[OfVariable, tuple[ColumnElement[bool], ...]] = {}
        if self.early is not None:
            of_person = self.early.c.person_id == table.c.person_id
            early = table.c[day] < self.early.c.born, table.c[day] > DAY_NOT_KNOWN
            found["before-birth"] = (of_person, *early)
        if self.late is not None:
            of_person = self.late.c.person_id == table.c.person_id
            found["after-death"] = of_person, table.c[day] > self.late.c.last
        return found

    def _in_life(self, source: Source) -> list[ColumnElement[bool]]:
        """Conditions for a record that lies in the life of its person."""
        return [~exists().where(*is_outside) for is_outside in self._outside(source).values()]

    def _note_outside(self, asked: Sequence[tuple[Source, Sequence[ColumnElement[bool]]]]) -> None:
        """Count the records from outside of a life among those that are asked for."""
        parts: dict[OfVariable, list[Select[Any]]] = {}
        for source, conditions in asked:
            for kind, is_outside in self._outside(source).items():
                parts.setdefault(kind, []).append(self._record(source, (), *conditions, *is_outside))
        for kind, each in parts.items():
            rows, _ = self.ask(union_all(*each))
            self.note_doubt(kind, len(rows), rows)

    def _record(
        self, source: Source, columns: Sequence[ColumnElement[Any]], *conditions: ColumnElement[bool]
    ) -> Select[Any]:
        of = source[0].c.person_id
        return (
            select(of, *columns)
            .join_from(self.listed, source[0], self.listed.c.person_id == of)
            .where(*conditions)
        )

    def _inside(self, day: ColumnElement[Any], window: Window) -> list[ColumnElement[bool]]:
        """Conditions for a day in a window around the index date, both ends included."""
        index = self.listed.c.index_date
        conditions: list[ColumnElement[bool]] = []
        for days, is_inside, otherwise in ((window.from_days, ge, date.min), (window.to_days, le, date.max)):
            if days is None:
                continue
            if abs(days) > MILLENNIA_DAYS:
                conditions.append(is_inside(days_between(index, day), max(-MOST_DAYS, min(days, MOST_DAYS))))
            else:  # what an index finds; SQLite has no day outside of its years
                conditions.append(is_inside(day, func.coalesce(plus_days(index, literal(days)), otherwise)))
        return conditions

    def ask(self, statement: Statement) -> tuple[Integers, list[tuple[Any, ...]]]:
        """The rows of these people that a statement with the columns (person_id, …) gives.

        Returns:
            (k,) the row in the table of each answer's person, and the k tuples of the other columns' values,
            column by column.
        """
        answers = self.connection.execute(statement).all()
        if not answers or not len(self):
            return np.zeros(0, dtype=np.int64), [() for _ in statement.selected_columns][1:]
        person_ids, *others = zip(*answers, strict=True)
        ids = np.array(person_ids, dtype=np.int64)
        rows = np.minimum(np.searchsorted(self.persons, ids), len(self) - 1)
        ours = self.persons[rows] == ids
        if ours.all():
            return rows, others
        kept = np.flatnonzero(ours)
        return rows[kept], [tuple(column[i] for i in kept) for column in others]

    def events(self, statement: Statement) -> Events:
        """The events that a statement with the columns (person_id, day, number[, time]) gives."""
        rows, (days, values, *times) = self.ask(statement)
        seconds = as_seconds(times[0]) if times else None
        return Events(rows, self.since_index(rows, days), as_numbers(values), seconds)

    def since_index(self, rows: Integers, days: Sequence[Any]) -> Integers:
        """(k,) days from the index date of the person in each row of the table to each date."""
        return (as_days(days) - self.index[rows]).astype(np.int64)

    def dates(self, rows: Integers, days: Sequence[Any]) -> Days:
        """(n,) one date per person, NaT where there is none, from at most one answer per person."""
        dates = np.full(len(self), np.datetime64("NaT"), dtype="datetime64[D]")
        dates[rows] = as_days(days)
        return dates


def last_day() -> ColumnElement[Any]:
    """The day until which records are plausible of somebody with a row in `death`, or with none.

    Reports of the last days arrive late (as in OMOP's plausibleBeforeDeath).
    """
    return func.coalesce(plus_days(death.c.death_date, LATE_DAYS), date.max)


def _first_day(year: int, month: int | None, day: int | None) -> date:
    """The first day on which somebody can be born of whom so much is known."""
    if month is None:
        return date(year, 1, 1)
    return date(year, month, min(day or 1, monthrange(year, month)[1]))


def as_days(values: Sequence[Any]) -> Days:
    """(k,) datetime64[D] of dates; NaT for None."""
    return np.array(values, dtype="datetime64[D]")


def as_seconds(values: Sequence[Any]) -> Floats:
    """(k,) seconds since 1970 of times; NaN for None."""
    moments = np.array(values, dtype="datetime64[s]")
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64))


def as_numbers(values: Sequence[Any]) -> Floats:
    """(k,) float64 of numbers; NaN for None."""
    return np.array(values, dtype=np.float64)


def has_value(table: Table, values: Sequence[str], vocabulary: Vocabulary) -> ColumnElement[bool]:
    """Whether the coded value of a row of measurement or observation is one of `values`.

    A value is a concept (`LOINC:LA9633-4`), found as `Codes` finds it, or a source's own code (`G3`).
    """
    own = [value for value in values if ":" not in value]
    codes = [parse_concept(value) for value in values if ":" in value]
    source_value = table.c.value_source_value
    return or_(
        source_value.in_(own),
        *(_written(source_value, code) for code in codes),
        table.c.value_as_concept_id.in_(literal_ids(sorted(concept_ids(codes, vocabulary)))),
    )


def _written(column: ColumnElement[str], code: ConceptCode) -> ColumnElement[bool]:
    text = as_written(code)
    # Not LIKE: SQLite's ignores case and PostgreSQL's does not.
    return func.substr(column, 1, len(text)) == text if code.is_prefix else column == text


def literal_ids(ids: list[int]) -> Any:
    """Integers that become part of the statement: a database takes far more text than parameters."""
    return bindparam(None, ids, expanding=True, literal_execute=True)
