"""Checks of plausibility: days against a life, values against a body, a diagnosis against a sex."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Select,
    Table,
    and_,
    case,
    exists,
    extract,
    false,
    func,
    or_,
    select,
)

from cdm.days import plus_days
from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN
from cdm.quality.findings import Check
from cdm.schema import (
    concept,
    concept_ancestor,
    condition_occurrence,
    death,
    drug_exposure,
    image_occurrence,
    measurement,
    observation_period,
    person,
    visit_occurrence,
)

OLDEST = 120
MALE, FEMALE = 8507, 8532
FIRST_CT = date(1971, 10, 1)  # the first scan of a patient, Atkinson Morley Hospital
LATE_DAYS, AROUND_VISIT_DAYS = 60, 7
# Of ICD-10-CM the chapters that are of one sex, and SNOMED CT's concepts with all below them.
OF_ONE_SEX = {
    FEMALE: (("C51", "C52", "C53", "C54", "C55", "C56", "C57", "C58", "O"), ("363354003", "363443007")),
    MALE: (("C60", "C61", "C62", "C63", "N40", "N41"), ("399068003", "363449006")),
}
RANGES = (
    (person, "year_of_birth", None, None),
    (person, "month_of_birth", 1, 12),
    (person, "day_of_birth", 1, 31),
    (drug_exposure, "days_supply", 0, 730),
    (drug_exposure, "refills", 0, 99),
    (drug_exposure, "quantity", 0, 100_000),
)


def spans(table: Table) -> Iterator[Check]:
    """An end is not before its start."""
    for column in table.c:
        start = table.c.get(column.name.replace("_end_date", "_start_date"))
        if start is not None and start is not column:
            yield Check("plausibleStartBeforeEnd", table, column.name, column < start)


def lives(table: Table, today: date) -> Iterator[Check]:
    """What happens to a person happens in their life, and not in the future."""
    day = next((column for column in table.c if isinstance(column.type, Date) and not column.nullable), None)
    if day is None or "person_id" not in table.c:
        return
    yield Check("plausibleValueHigh", table, day.name, day > today, what="not in the future", tolerated=0.0)
    who = person.c.person_id == table.c.person_id
    unborn = exists().where(who, person.c.year_of_birth > extract("year", day))
    yield Check("plausibleAfterBirth", table, day.name, and_(day > DAY_NOT_KNOWN, unborn))
    if table is image_occurrence:
        yield Check("plausibleTemporalAfter", table, day.name, day < FIRST_CT, what="the first CT scan")
    if table is death:
        return
    # Asked of the dead alone, who are few.
    late = table.alias()
    after = (
        select(func.count())
        .join_from(death, late, late.c.person_id == death.c.person_id)
        .where(death.c.death_date < late.c[day.name])
    )
    yield Check("plausibleDuringLife", table, day.name, violations=after.scalar_subquery())
    long_after = after.where(plus_days(death.c.death_date, LATE_DAYS) < late.c[day.name])
    yield Check("plausibleBeforeDeath", table, day.name, violations=long_after.scalar_subquery())
    if "visit_occurrence_id" in table.c and table is not visit_occurrence:
        yield Check("withinVisitDates", table, day.name, violations=_outside_visit(table, day.name))


def _outside_visit(table: Table, day: str) -> ColumnElement[int]:
    """How many rows lie more than a week before or after the visit that they name."""
    rows, visit = table.alias(), visit_occurrence.alias()
    its_visit = visit.c.visit_occurrence_id == rows.c.visit_occurrence_id
    at, start, end = rows.c[day], visit.c.visit_start_date, visit.c.visit_end_date
    # Most lie in their visit: of them no other day is computed.
    outside = or_(
        and_(at < start, at < plus_days(start, -AROUND_VISIT_DAYS)),
        and_(at > end, at > plus_days(end, AROUND_VISIT_DAYS)),
    )
    return select(func.count()).join_from(rows, visit, its_visit).where(outside).scalar_subquery()


def periods(table: Table) -> Iterator[Check]:
    """A person's observation periods do not overlap."""
    if table is observation_period:
        other, columns = observation_period.alias().c, observation_period.c
        overlap = exists().where(
            other.person_id == columns.person_id,
            other.observation_period_id != columns.observation_period_id,
            other.observation_period_start_date <= columns.observation_period_end_date,
            other.observation_period_end_date >= columns.observation_period_start_date,
        )
        yield Check("measureObservationPeriodOverlap", table, "observation_period_start_date", overlap)


def ranges(table: Table, today: date) -> Iterator[Check]:
    """A value of a column is in the range that any person could have."""
    for of, name, low, high in RANGES:
        if of is not table:
            continue
        column = table.c[name]
        least, most = (today.year - OLDEST, today.year) if name == "year_of_birth" else (low, high)
        yield Check("plausibleValueLow", table, name, column < least, what=f"at least {least}")
        yield Check("plausibleValueHigh", table, name, column > most, what=f"at most {most}")
    if table is person:
        before = person.c.birth_datetime < datetime(1850, 1, 1)
        yield Check("plausibleTemporalAfter", table, "birth_datetime", before, what="the year 1850")


@dataclass(frozen=True)
class PlausibleMeasurement:
    """Between which values a measurement of a living person lies, in any of its usual units."""

    loinc: str
    name: str
    units: tuple[str, ...]
    low: float
    high: float


@cache
def plausible_measurements() -> tuple[PlausibleMeasurement, ...]:
    """The limits that are kept in `plausible_measurements.csv`: wide, so that only errors are outside."""
    with files("cdm.quality").joinpath("plausible_measurements.csv").open(encoding="utf-8") as file:
        return tuple(
            PlausibleMeasurement(
                row["loinc"],
                row["name"],
                tuple(row["units"].split(";")),
                float(row["low"]),
                float(row["high"]),
            )
            for row in csv.DictReader(file)
        )


def measurements(connection: Connection, table: Table) -> Iterator[Check]:
    """A measurement has a value and a unit that fit it; each is looked for by the codes under which it is."""
    if table is not measurement:
        return
    columns, name = measurement.c, "value_as_number"
    for one, is_it in _measured(connection):
        of = func.count(columns.value_as_number)
        unit = columns.unit_concept_id
        fits = or_(unit.in_(_concepts("UCUM", one.units)), columns.unit_source_value.in_(one.units))
        has_unit = or_(unit.is_not(None), columns.unit_source_value.is_not(None))
        odd = and_(columns.value_as_number.is_not(None), has_unit, ~_known(fits))
        for check, column, violated in (
            ("plausibleValueLow", name, columns.value_as_number < one.low),
            ("plausibleValueHigh", name, columns.value_as_number > one.high),
            ("plausibleUnitConceptIds", "unit_concept_id", odd),
        ):
            yield Check(check, table, column, violated, of=of, among=is_it, what=one.name)


def _measured(connection: Connection) -> Iterator[tuple[PlausibleMeasurement, ColumnElement[bool]]]:
    """Each measurement with limits, and whether a row is one."""
    columns = measurement.c
    asked = (
        columns.measurement_concept_id,
        columns.measurement_source_concept_id,
        columns.measurement_source_value,
    )
    written = connection.execute(select(*asked).distinct()).all()
    known = select(concept.c.concept_code, concept.c.concept_id).where(
        concept.c.vocabulary_id == "LOINC",
        concept.c.concept_code.in_([one.loinc for one in plausible_measurements()]),
    )
    ids = {(code, concept_id) for code, concept_id in connection.execute(known)}
    for one in plausible_measurements():
        mine = [row for row in written if row[2] == f"LOINC:{one.loinc}" or (one.loinc, row[0]) in ids]
        yield one, or_(false(), *(_is(asked, row) for row in mine))


def _is(columns: Sequence[ColumnElement[Any]], values: Sequence[Any]) -> ColumnElement[bool]:
    same = zip(columns, values, strict=True)
    return and_(*(column.is_(None) if value is None else column == value for column, value in same))


def _known(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """A condition that is false where it is NULL."""
    return case((condition, 1), else_=0) == 1


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _concepts(vocabulary_id: str, codes: tuple[str, ...]) -> Select[Any]:
    is_code = and_(concept.c.vocabulary_id == vocabulary_id, concept.c.concept_code.in_(codes))
    return select(concept.c.concept_id).where(is_code)


def sexes(table: Table) -> Iterator[Check]:
    """A diagnosis that only one sex can have is of a person of that sex."""
    if table is not condition_occurrence:
        return
    columns = condition_occurrence.c
    for sex, (chapters, codes) in OF_ONE_SEX.items():
        above = _concepts("SNOMED", codes)
        below = select(concept_ancestor.c.descendant_concept_id).where(
            concept_ancestor.c.ancestor_concept_id.in_(above)
        )
        stems = [f"ICD10CM:{code}" for code in chapters]
        written = [func.substr(columns.condition_source_value, 1, len(stem)) == stem for stem in stems]
        is_it = _known(or_(columns.condition_concept_id.in_(below), *written))
        other = MALE if sex == FEMALE else FEMALE
        of_the_other = exists().where(
            person.c.person_id == columns.person_id, person.c.gender_concept_id == other
        )
        what = "women" if sex == FEMALE else "men"
        yield Check(
            "plausibleGender",
            table,
            "condition_concept_id",
            and_(is_it, of_the_other),
            of=_count(is_it),
            what=f"only {what}",
        )
