"""Days in statements: what SQLite and PostgreSQL write each in their own way."""

from typing import Any

from sqlalchemy import ColumnElement, Date, Integer, cast
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class plus_days(FunctionElement[Any]):  # noqa: N801 - written as a function of SQL
    """A date so many days after another; NULL where either is."""

    type = Date()
    inherit_cache = True

    def __init__(self, day: ColumnElement[Any], days: int | ColumnElement[Any]) -> None:
        super().__init__(day, cast(days, Integer))


class days_between(FunctionElement[Any]):  # noqa: N801 - written as a function of SQL
    """The number of days from one date to another."""

    type = Integer()
    inherit_cache = True


@compiles(plus_days, "postgresql")
def _(element: plus_days, compiler: SQLCompiler, **options: Any) -> str:
    day, days = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({day} + {days})"


@compiles(plus_days, "sqlite")
def _(element: plus_days, compiler: SQLCompiler, **options: Any) -> str:
    day, days = (compiler.process(clause, **options) for clause in element.clauses)
    return f"date({day}, {days} || ' days')"


@compiles(days_between, "postgresql")
def _(element: days_between, compiler: SQLCompiler, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({end} - {start})"


@compiles(days_between, "sqlite")
def _(element: days_between, compiler: SQLCompiler, **options: Any) -> str:
    start, end = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CAST(julianday({end}) - julianday({start}) AS INTEGER)"
