"""Data-quality checks after Kahn et al. 2016 (eGEMs 4:1244): conformance, completeness, plausibility.

Each check counts the rows that violate it; no finding holds a value of a row. The checks follow from the
tables themselves: a column that refers to another, one that wants a concept of a domain, a start and its end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Engine,
    String,
    Table,
    and_,
    exists,
    extract,
    func,
    or_,
    select,
)

from cdm.schema import (
    clinical,
    concept,
    death,
    derived,
    genomics,
    health_system,
    image_acquisition,
    image_feature,
    image_occurrence,
    imaging,
    measurement,
    metadata,
    observation_period,
    person,
)

Category = Literal["conformance", "completeness", "plausibility"]

CHECKED = tuple(
    table
    for module in (clinical, derived, health_system, imaging, genomics)
    for table in vars(module).values()
    if isinstance(table, Table)
)
IMAGING = (image_occurrence, image_feature, image_acquisition)
OLDEST = 120


@dataclass(frozen=True)
class Check:
    """What should hold for every row of a table; `tolerated` is the share of rows for which it need not."""

    category: Category
    name: str
    table: Table
    column: str
    violated: ColumnElement[bool]
    tolerated: float = 0.0


@dataclass(frozen=True)
class Finding:
    """How many of a table's rows violate a check."""

    category: Category
    name: str
    table: str
    column: str
    rows: int
    violations: int
    passed: bool


def check(engine: Engine, today: date) -> list[Finding]:
    """The findings of all checks on the tables that have rows, in the order of the tables."""
    findings = []
    with engine.connect() as connection:
        for table in CHECKED:
            rows = connection.scalar(select(func.count()).select_from(table)) or 0
            if rows:
                findings += [_finding(connection, it, rows) for it in _checks(table, today)]
    return findings


def _finding(connection: Connection, it: Check, rows: int) -> Finding:
    violations = connection.scalar(select(func.count()).select_from(it.table).where(it.violated)) or 0
    passed = violations <= it.tolerated * rows
    return Finding(it.category, it.name, it.table.name, it.column, rows, violations, passed)


def _checks(table: Table, today: date) -> Iterator[Check]:
    for rule in (_references, _domains, _widths, _mapped, _order):
        yield from rule(table)
    yield from _times(table, today)
    if table is person:
        yield from _people(today)


def _references(table: Table) -> Iterator[Check]:
    """A key that names a row of another table names one that is there."""
    for column in table.c:
        target = metadata.tables.get(column.info.get("references", ""))
        if target is None or target is concept:
            continue
        there = target.alias()
        key = there.c[target.primary_key.columns.keys()[0]]
        dangling = and_(column.is_not(None), ~exists().where(key == column))
        yield Check("conformance", f"refers to {target.name}", table, column.name, dangling)


def _domains(table: Table) -> Iterator[Check]:
    """A concept is of the domain that its column wants; what no loaded vocabulary knows is not judged."""
    if table in IMAGING:
        return  # MI-CDM is a draft: it wants a procedure for a modality, and its vocabulary has measurements
    for column in table.c:
        wanted = column.info.get("domain", "")
        if wanted:
            domain = concept.c.domain_id
            other = and_(concept.c.concept_id == column, column != 0, domain.not_in(wanted.split(", ")))
            yield Check("conformance", f"domain is {wanted}", table, column.name, exists().where(other))


def _widths(table: Table) -> Iterator[Check]:
    """A text fits the standard's width, which SQLite does not enforce."""
    for column in table.c:
        if isinstance(column.type, String) and column.type.length:
            wide = func.length(column) > column.type.length
            yield Check("conformance", f"at most {column.type.length} characters", table, column.name, wide)


def _mapped(table: Table) -> Iterator[Check]:
    """The concept that says what a row is: not 0, but for features of images, which no vocabulary has."""
    for column in table.c:
        if column.index and column.info.get("references") == "concept":
            unmapped = column == 0
            if table is measurement:
                features = select(image_feature.c.image_feature_event_id)
                features = features.where(image_feature.c.image_feature_event_id.is_not(None))
                unmapped = and_(unmapped, measurement.c.measurement_id.not_in(features))
            yield Check("completeness", "mapped to a standard concept", table, column.name, unmapped, 0.05)


def _order(table: Table) -> Iterator[Check]:
    """An end is not before its start."""
    for column in table.c:
        start = table.c.get(column.name.replace("_end_date", "_start_date"))
        if start is not None and start is not column:
            yield Check("plausibility", "end not before start", table, column.name, column < start)


def _times(table: Table, today: date) -> Iterator[Check]:
    """What happens to a person happens in their life, and not in the future."""
    day = next((column for column in table.c if isinstance(column.type, Date) and not column.nullable), None)
    if day is None or "person_id" not in table.c:
        return
    yield Check("plausibility", "not in the future", table, day.name, day > today)
    its_person = person.c.person_id == table.c.person_id
    unborn = exists().where(its_person, person.c.year_of_birth > extract("year", day))
    yield Check("plausibility", "not before birth", table, day.name, unborn)
    if table is not death:
        # Reports of the last days arrive late, so a few are tolerated.
        dead = exists().where(death.c.person_id == table.c.person_id, death.c.death_date < day)
        yield Check("plausibility", "not after death", table, day.name, dead, 0.01)


def _people(today: date) -> Iterator[Check]:
    year = person.c.year_of_birth
    impossible = and_(year != 0, or_(year < today.year - OLDEST, year > today.year))
    yield Check("plausibility", f"at most {OLDEST} years old", person, "year_of_birth", impossible)
    yield Check("completeness", "year of birth is known", person, "year_of_birth", year == 0, 0.01)
    yield Check(
        "completeness", "sex is known", person, "gender_concept_id", person.c.gender_concept_id == 0, 0.01
    )
    unobserved = ~exists().where(observation_period.c.person_id == person.c.person_id)
    yield Check("completeness", "has an observation period", person, "person_id", unobserved)
