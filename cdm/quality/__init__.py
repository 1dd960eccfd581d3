"""Data-quality checks after Kahn et al. 2016 (eGEMs 4:1244), under the names of OHDSI's DataQualityDashboard.

Each check counts the rows that violate it; no finding holds a value of a row. The checks of a table are one
statement, so that the table is read once, and the tables are read at the same time.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import chain, groupby
from os import cpu_count

from sqlalchemy import ColumnElement, Connection, Engine, Table, case, func, inspect, literal_column, select

from cdm.database import chunks
from cdm.quality import plausible, relational
from cdm.quality.findings import CHECK_TYPES, Category, Check, CheckType, Context, Finding
from cdm.schema import clinical, derived, genomics, health_system, imaging, person

__all__ = ["CHECK_TYPES", "Category", "Check", "CheckType", "Context", "Finding", "check"]

CHECKED = tuple(
    table
    for module in (clinical, derived, health_system, imaging, genomics)
    for table in vars(module).values()
    if isinstance(table, Table)
)
# SQLite takes 2,000 columns in a result, PostgreSQL 1,664; a statement of so many is also planned slowly.
AT_ONCE = 150


def check(
    engine: Engine,
    today: date,
    tolerated: Mapping[str, float] | None = None,
    workers: int | None = None,
) -> list[Finding]:
    """The findings of all checks, in the order of the tables; of a table without rows, that it is there.

    Args:
        tolerated: check type -> the share of rows that may violate it here, in place of the type's own.
        workers: how many tables are read at the same time; one per core unless told otherwise.
    """
    shares = tolerated or {}
    structure = list(_structure(engine))
    missing = {(one.table, one.column) for one in structure if one.violations}
    there = [table for table in CHECKED if (table.name, "") not in missing]

    def of_a_table(table: Table) -> list[Finding]:
        with engine.connect() as connection:
            return _of_a_table(connection, table, today, shares, missing)

    # SQLite and PostgreSQL both work outside of Python's lock, so threads are enough.
    with ThreadPoolExecutor(workers or cpu_count() or 1) as pool:
        return [*structure, *chain.from_iterable(pool.map(of_a_table, there))]


def _structure(engine: Engine) -> Iterator[Finding]:
    """Whether the tables and columns of the standard are there."""
    columns = {
        name: {column["name"] for column in found}
        for (_, name), found in inspect(engine).get_multi_columns().items()
    }
    for table in CHECKED:
        yield _finding(Check("cdmTable", table, ""), 1, int(table.name not in columns))
        if table.name in columns:
            for column in table.c:
                absent = column.name not in columns[table.name]
                yield _finding(Check("cdmField", table, column.name), 1, int(absent))


def _of_a_table(
    connection: Connection,
    table: Table,
    today: date,
    shares: Mapping[str, float],
    missing: set[tuple[str, str]],
) -> list[Finding]:
    rows = connection.scalar(select(func.count()).select_from(table)) or 0
    people = connection.scalar(select(func.count()).select_from(person)) or 0
    found = _counted(connection, person, relational.people_with(table), people, shares) if people else []
    if rows:
        checks = (one for one in _checks(connection, table, today) if (table.name, one.column) not in missing)
        found += _counted(connection, table, checks, rows, shares)
    return found


def _checks(connection: Connection, table: Table, today: date) -> Iterator[Check]:
    yield from relational.required(table)
    yield from relational.keys(connection, table)
    yield from relational.types(table, connection.dialect.name)
    for rule in (relational.references, relational.concepts, relational.mapped, relational.filled):
        yield from rule(table)
    for rule in (plausible.spans, plausible.periods, plausible.sexes):
        yield from rule(table)
    yield from plausible.measurements(connection, table)
    yield from plausible.ranges(table, today)
    yield from plausible.lives(table, today)


def _counted(
    connection: Connection,
    table: Table,
    checks: Iterator[Check],
    rows: int,
    shares: Mapping[str, float],
) -> list[Finding]:
    """The findings of a table's checks, counted in as few passes over it as the database allows."""
    asked, found = list(checks), []
    for _, of_the_same_rows in groupby(asked, key=lambda one: id(one.among)):
        for some in chunks(of_the_same_rows, AT_ONCE):
            found += _of_one_pass(connection, table, some, rows, shares)
    return found


def _of_one_pass(
    connection: Connection, table: Table, some: list[Check], rows: int, shares: Mapping[str, float]
) -> list[Finding]:
    counts = [_violations(one).label(f"v{number}") for number, one in enumerate(some)]
    of = [one.of.label(f"n{n}") for n, one in enumerate(some) if one.of is not None]
    statement = select(*counts, *of).select_from(table)
    if some[0].among is not None:
        statement = statement.where(some[0].among)
    answer = connection.execute(statement).one()
    affected = iter(answer[len(some) :])
    found = []
    for one, violations in zip(some, answer, strict=False):
        among = rows if one.of is None else next(affected)
        found.append(_finding(one, int(among or 0), int(violations or 0), shares))
    return found


def _violations(one: Check) -> ColumnElement[int]:
    if one.violated is None:
        assert one.violations is not None
        return one.violations
    return func.count(case((one.violated, literal_column("1"))))  # cheaper than a sum of 0 and 1


def _finding(one: Check, rows: int, violations: int, shares: Mapping[str, float] | None = None) -> Finding:
    kind = CHECK_TYPES[one.name]
    own = kind.tolerated if one.tolerated is None else one.tolerated
    tolerated = (shares or {}).get(one.name, own)
    table, what = one.table.name, one.what
    if one.name == "measurePersonCompleteness":
        table, what = one.what, "people with a row"
    return Finding(
        kind.category,
        kind.context,
        one.name,
        table,
        one.column,
        what,
        rows,
        violations,
        tolerated,
        violations <= tolerated * rows,
    )
