"""The numbers of a measurement in one unit: converted, bounded, or left out and counted, never mixed."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Integer, Select, Table, cast, null, select, union_all

from cdm.etl.omop_concepts import EQUAL, OPERATOR
from cdm.schema import concept
from cdm.vocabulary.ucum import conversion, parse
from protocols.core.errors import Code, SpecError
from protocols.core.variables import Measurement, Window
from site_node.features.arrays import Floats, Mask
from site_node.features.clinical import Events
from site_node.study_table.people import (
    MEASUREMENT,
    OBSERVATION,
    People,
    Source,
    as_numbers,
    as_seconds,
    has_concept,
)

UPPER_BOUNDS = {OPERATOR["<"], OPERATOR["<="]}  # the number is the upper bound of the value
BOUNDS = {*UPPER_BOUNDS, OPERATOR[">"], OPERATOR[">="]}
COUNTS = "1"


def measured(people: People, variable: Measurement) -> Events:
    """The numbers of a measurement in its window and unit; what is left out is counted in `people.doubts`.

    A bound (`<0.1`) is not a value: left out unless `comparator` says what to make of it. With `unit` each
    number is converted by UCUM, and one without a unit, or of a unit that does not convert, is left out.
    Without `unit` the numbers are as the site has them, if they are all of one unit.

    Raises:
        SpecError: the records are of several units and the study names none, or one that UCUM has not.
    """
    sources = (MEASUREMENT, OBSERVATION)
    rows, columns = people.ask(union_all(*(_statement(people, variable.concept, one) for one in sources)))
    days, values, times, operators, units, unit_ids = columns
    events = Events(rows, people.since_index(rows, days), as_numbers(values), as_seconds(times))
    inside = _inside(events, variable.window)
    kept = inside & _bounds(events.values, operators, variable, inside, people.doubts)
    numbers = _in_one_unit(people, variable, events.values, _ucum(people, units, unit_ids), kept)
    known = Events(rows, events.days, numbers, events.seconds)
    return known.where(kept & ~np.isnan(numbers))


def _statement(people: People, concept_code: str, source: Source) -> Select[Any]:
    table, _, day = source
    return select(
        table.c.person_id,
        table.c[day],
        table.c.value_as_number,
        table.c[f"{day}time"],
        _operator(table),
        table.c.unit_source_value,
        table.c.unit_concept_id,
    ).where(
        has_concept(source, [concept_code], people.vocabulary),
        table.c.value_as_number.is_not(None),
        people.are(table.c.person_id),
    )


def _operator(table: Table) -> Any:
    """The column of the operator; observation has none, and no bound stands there as a number."""
    return table.c.operator_concept_id if "operator_concept_id" in table.c else cast(null(), Integer)


def _inside(events: Events, window: Window) -> Mask:
    from_days = -np.inf if window.from_days is None else window.from_days
    to_days = np.inf if window.to_days is None else window.to_days
    inside: Mask = (events.days >= from_days) & (events.days <= to_days)
    return inside


def _bounds(
    values: Floats, operators: Sequence[Any], variable: Measurement, inside: Mask, doubts: Counter[str]
) -> Mask:
    """(k,) which numbers are used; bounds are replaced in place as the variable says."""
    kept = np.ones(len(values), dtype=bool)
    for place, operator in enumerate(operators):
        if operator is None or operator == EQUAL:
            continue
        doubts["comparator"] += int(inside[place])
        if variable.comparator == "half" and operator in UPPER_BOUNDS:
            values[place] /= 2
        elif variable.comparator != "limit" or operator not in BOUNDS:
            kept[place] = False
    return kept


def _ucum(people: People, units: Sequence[str | None], unit_ids: Sequence[int | None]) -> list[str | None]:
    """The unit of each number: what the site's map or vocabulary says of it, else what the source wrote."""
    ids = {one for one in unit_ids if one}
    columns = concept.c
    statement = select(columns.concept_id, columns.concept_code).where(
        columns.vocabulary_id == "UCUM", columns.concept_id.in_(ids)
    )
    codes = {key: code for key, code in people.connection.execute(statement)} if ids else {}
    return [codes.get(key or 0, unit) for unit, key in zip(units, unit_ids, strict=True)]


def _in_one_unit(
    people: People, variable: Measurement, values: Floats, units: list[str | None], kept: Mask
) -> Floats:
    """(k,) the numbers in the variable's unit, or in the only one that they have; NaN for those left out."""
    to = variable.unit or _only_unit(variable, {unit for unit, used in zip(units, kept, strict=True) if used})
    if to is None:
        return values
    if variable.unit is not None and parse(to) is None:
        raise SpecError(Code.INVALID_STUDY, f"{variable.concept}: {to} is not a unit of UCUM")
    found = np.full(len(values), np.nan)
    for unit in {*units}:
        of_unit = np.array([one == unit for one in units])
        # A number without a unit is a count where counts are asked for; else its unit is not known.
        way = conversion(unit or COUNTS, to) if unit != to else float
        if way is None:
            people.doubts["unit-missing" if unit is None else "unit-unknown"] += int(np.sum(of_unit & kept))
        else:
            found[of_unit] = [way(value) for value in values[of_unit].tolist()]
    return found


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
