"""The numbers of a measurement in one unit: converted, bounded, or left out and counted, never mixed.

The database looks through a person's records and gives those of each kind (bound or not, and of which unit)
that may be picked: of the first or last day, or the smallest or largest number. What UCUM makes of a number,
and which of several kinds is picked, is decided here: a conversion keeps the order of the numbers of a unit.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, Integer, cast, func, null, select

from cdm.etl.omop_concepts import EQUAL, OPERATOR
from cdm.schema import concept
from cdm.vocabulary.doubts import OfVariable
from cdm.vocabulary.ucum import conversion, parse
from protocols.core.errors import Code, SpecError
from protocols.core.variables import Measurement
from site_node.features.arrays import Floats, Integers
from site_node.features.clinical import Events, one_each
from site_node.study_table.codes import MEASUREMENT, OBSERVATION, Source
from site_node.study_table.people import People, as_numbers, as_seconds

UPPER_BOUNDS = {OPERATOR["<"], OPERATOR["<="]}  # the number is the upper bound of the value
BOUNDS = {*UPPER_BOUNDS, OPERATOR[">"], OPERATOR[">="]}
COUNTS = "1"
INFINITY = float("inf")


class Kind(NamedTuple):
    """What tells numbers apart before they can be compared."""

    operator: int | None
    unit: str | None
    unit_concept_id: int | None


class Numbers(NamedTuple):
    """Numbers as the database gave them.

    Attributes:
        rows: (k,) the row in the table of the person.
        values: (k,) as recorded.
        kinds, kind: the different kinds, and (k,) which of them each number is of.
        times: (k,) for how many records it stands.
    """

    rows: Integers
    values: Floats
    kinds: list[Kind]
    kind: Integers
    times: Integers


def measured(people: People, variable: Measurement) -> Events:
    """The numbers of a measurement in its window and unit; what is left out is counted in `people.doubts`.

    A bound (`<0.1`) is not a value: left out unless `comparator` says what to make of it. With `unit` each
    number is converted by UCUM, and one without a unit, or of a unit that does not convert, is left out.
    Without `unit` the numbers are as the site has them, if they are all of one unit.

    Raises:
        SpecError: the records are of several units and the study names none, or one that UCUM has not.
    """
    each = _records(people, variable)
    statement = select(each.person_id, each.number, *_kind(each), each.day, each.moment)
    rows, (values, *kinds, days, moments) = people.ask(statement)
    numbers = _in_one_unit(people, variable, _numbers(rows, values, kinds))
    events = Events(rows, people.since_index(rows, days), numbers, as_seconds(moments))
    return events.where(~np.isnan(numbers))


def picked(people: People, variable: Measurement) -> Floats:
    """(n,) the one number per person that the variable picks of `measured`; NaN without one.

    Raises:
        SpecError: as `measured`.
    """
    match variable.pick:
        case "mean":
            events = _any_day(people, variable)
        case "min" | "max":
            events = _extremes(people, variable)
        case _:
            events = _of_one_day(people, variable)
    return one_each(events, len(people), variable.pick)


def _any_day(people: People, variable: Measurement) -> Events:
    """All numbers, in an order that does not hang on the database: a sum's last digits are the same."""
    each = _records(people, variable)
    rows, (values, *kinds) = people.ask(select(each.person_id, each.number, *_kind(each)))
    numbers = _in_one_unit(people, variable, _numbers(rows, values, kinds))
    order = np.lexsort((numbers, rows))
    return Events(rows[order], np.zeros(len(rows), dtype=np.int64), numbers[order])


def _extremes(people: People, variable: Measurement) -> Events:
    """The smallest or largest number of each kind."""
    each = _records(people, variable)
    of = (each.person_id, *_kind(each))
    extreme = func.min(each.number) if variable.pick == "min" else func.max(each.number)
    rows, (*kinds, values, times) = people.ask(select(*of, extreme, func.count()).group_by(*of))
    numbers = _in_one_unit(people, variable, _numbers(rows, values, kinds, times))
    return Events(rows, np.zeros(len(rows), dtype=np.int64), numbers)


def _of_one_day(people: People, variable: Measurement) -> Events:
    """The numbers of each kind on the first or last day of that kind.

    Those of the day that counts are among them: it is the first or last one of its kinds.
    """
    each = _records(people, variable)
    of = (each.person_id, *_kind(each))
    day = func.min(each.day) if variable.pick == "first" else func.max(each.day)
    ranked = select(
        *of,
        *(each.day, each.number, each.moment),
        day.over(partition_by=of).label("chosen"),
        func.count().over(partition_by=of).label("times"),
    ).subquery()
    columns = ranked.c
    statement = select(
        columns.person_id, columns.number, *_kind(columns), columns.times, columns.day, columns.moment
    ).where(columns.day == columns.chosen)
    rows, (values, *kinds, times, days, moments) = people.ask(statement)
    found = _numbers(rows, values, kinds, times)
    _, first = np.unique(found.rows * len(found.kinds) + found.kind, return_index=True)
    once = np.zeros(len(rows), dtype=np.int64)
    once[first] = found.times[first]  # several of one day stand for the same records
    numbers = _in_one_unit(people, variable, found._replace(times=once))
    return Events(rows, people.since_index(rows, days), numbers, as_seconds(moments))


def _records(people: People, variable: Measurement) -> Any:
    """The columns of the records that have a number: person_id, day, moment, number and those of `Kind`."""

    def columns(source: Source) -> Sequence[ColumnElement[Any]]:
        table, _, day = source
        # Observation has no operator, and no bound stands there as a number.
        operator = table.c.operator_concept_id if table is MEASUREMENT[0] else cast(null(), Integer)
        return (
            table.c[day].label("day"),
            table.c[f"{day}time"].label("moment"),
            table.c.value_as_number.label("number"),
            operator.label("operator"),
            table.c.unit_source_value.label("unit"),
            table.c.unit_concept_id.label("unit_concept_id"),
        )

    found = people.records(
        (MEASUREMENT, OBSERVATION), [variable.concept], variable.window, columns
    ).subquery()
    return select(found).where(found.c.number <= INFINITY).subquery().c  # neither NULL nor PostgreSQL's NaN


def _kind(columns: Any) -> list[ColumnElement[Any]]:
    return [columns[name] for name in Kind._fields]


def _numbers(
    rows: Integers, values: Sequence[Any], kinds: Sequence[Sequence[Any]], times: Sequence[int] | None = None
) -> Numbers:
    known: dict[tuple[Any, ...], int] = {}
    kind = [known.setdefault(one, len(known)) for one in zip(*kinds, strict=True)]
    stands_for = np.ones(len(rows), dtype=np.int64) if times is None else np.array(times, dtype=np.int64)
    found = [Kind(*one) for one in known]
    return Numbers(rows, as_numbers(values), found, np.array(kind, dtype=np.int64), stands_for)


def _in_one_unit(people: People, variable: Measurement, numbers: Numbers) -> Floats:
    """(k,) the numbers in the variable's unit, or in the only one that they have; NaN for those left out."""
    records = np.bincount(numbers.kind, weights=numbers.times, minlength=len(numbers.kinds)).astype(np.int64)
    units = _ucum(people, numbers.kinds)
    shares = [_bound(variable, kind) for kind in numbers.kinds]
    used = {unit for unit, share in zip(units, shares, strict=True) if share is not None}
    to = variable.unit or _only_unit(variable, used)
    if variable.unit is not None and parse(variable.unit) is None:
        raise SpecError(Code.INVALID_STUDY, f"{variable.concept}: {variable.unit} is not a unit of UCUM")
    found = np.full(len(numbers.values), np.nan)
    for place, (unit, share) in enumerate(zip(units, shares, strict=True)):
        of_kind, times = numbers.kind == place, int(records[place])
        if _is_bound(numbers.kinds[place]):
            people.note_doubt("comparator", times, numbers.rows[of_kind])
        if share is None:
            continue
        # A number without a unit is a count where counts are asked for; else its unit is not known.
        way = conversion(unit or COUNTS, to) if to is not None and unit != to else float
        if way is None:
            doubt: OfVariable = "unit-missing" if unit is None else "unit-unknown"
            people.note_doubt(doubt, times, numbers.rows[of_kind])
        else:
            different, where = np.unique(numbers.values[of_kind] * share, return_inverse=True)
            found[of_kind] = np.array([way(value) for value in different.tolist()])[where.ravel()]
    return found


def _bound(variable: Measurement, kind: Kind) -> float | None:
    """What the variable makes of a number of this kind: a share of it, or None where it is left out."""
    if not _is_bound(kind):
        return 1.0
    if variable.comparator == "half" and kind.operator in UPPER_BOUNDS:
        return 0.5
    return 1.0 if variable.comparator == "limit" and kind.operator in BOUNDS else None


def _is_bound(kind: Kind) -> bool:
    return kind.operator is not None and kind.operator != EQUAL


def _ucum(people: People, kinds: Sequence[Kind]) -> list[str | None]:
    """The unit of each kind: what the site's map or vocabulary says of it, else what the source wrote."""
    ids = {kind.unit_concept_id for kind in kinds if kind.unit_concept_id}
    columns = concept.c
    statement = select(columns.concept_id, columns.concept_code).where(
        columns.vocabulary_id == "UCUM", columns.concept_id.in_(ids)
    )
    codes = {key: code for key, code in people.connection.execute(statement)} if ids else {}
    return [codes.get(kind.unit_concept_id or 0, kind.unit) for kind in kinds]


def _only_unit(variable: Measurement, units: set[str | None]) -> str | None:
    """The unit that all records have, which may be written in several ways; None where they have none.

    Raises:
        SpecError: they have several, of which the study must name one.
    """
    written = sorted(unit for unit in units if unit is not None)
    for unit in written[1:]:
        way = conversion(unit, written[0])
        if way is None or way(1.0) != 1.0 or way(0.0) != 0.0:
            raise SpecError(
                Code.INVALID_STUDY,
                f"{variable.concept} is recorded here in several units; name the one to use: `unit: …`",
            )
    return written[0] if written else None
