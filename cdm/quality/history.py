"""What the checks found before: kept run by run, so that a load shows what it made better or worse."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, case, func, select

from cdm.database import upsert, writing
from cdm.quality.findings import Finding
from cdm.schema import load_run, quality_result

Key = tuple[str, str, str, str]  # a check, its table, its column, and what of several it is


@dataclass(frozen=True)
class Run:
    """One run of the checks: when, after how many loads, and how many checks failed."""

    checked_at: datetime
    loads: int
    checks: int
    failed: int


@dataclass(frozen=True)
class Change:
    """What differs from the run before."""

    broken: list[Key]
    mended: list[Key]


def keep(engine: Engine, findings: Sequence[Finding], at: datetime) -> None:
    """Writes down the findings of a run; those of checks that had rows."""
    rows = [
        {
            "checked_at": at,
            "check_name": one.name,
            "table_name": one.table,
            "column_name": one.column,
            "what": one.what,
            "rows_checked": one.rows,
            "violations": one.violations,
            "passed": one.passed,
        }
        for one in findings
        if one.rows
    ]
    with writing(engine) as connection:
        upsert(connection, quality_result, rows)


def runs(engine: Engine, last: int = 12) -> list[Run]:
    """The newest runs, the oldest of them first."""
    columns = quality_result.c
    failed = func.sum(case((columns.passed, 0), else_=1))
    loads = (
        select(func.count())
        .select_from(load_run)
        .where(load_run.c.started_at <= columns.checked_at)
        .correlate(quality_result)
        .scalar_subquery()
    )
    statement = (
        select(columns.checked_at, func.count(), failed, loads)
        .group_by(columns.checked_at)
        .order_by(columns.checked_at.desc())
        .limit(last)
    )
    with engine.connect() as connection:
        rows = connection.execute(statement).all()
    return [Run(at, int(number), int(checks), int(fails)) for at, checks, fails, number in reversed(rows)]


def change(engine: Engine) -> Change:
    """The checks that fail since the run before the newest, and those that fail no longer."""
    newest = [run.checked_at for run in runs(engine, last=2)]
    if len(newest) < 2:
        return Change([], [])
    before, after = (_failing(engine, at) for at in newest)
    return Change(sorted(after - before), sorted(before - after))


def _failing(engine: Engine, at: datetime) -> set[Key]:
    columns = quality_result.c
    statement = select(columns.check_name, columns.table_name, columns.column_name, columns.what)
    with engine.connect() as connection:
        rows = connection.execute(statement.where(columns.checked_at == at, columns.passed.is_(False)))
        return {(name, table, column, what) for name, table, column, what in rows}
