"""Tables that live as long as a transaction: people, codes and events between two statements."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from sqlalchemy import Column, Connection, Index, MetaData, Select, Table, insert
from sqlalchemy.types import TypeEngine

from cdm.database import Cell, append

_numbers = count()


def listed(
    connection: Connection, name: str, columns: Sequence[Column[Any]], rows: Iterable[Sequence[Cell]]
) -> Table:
    """A table of these rows."""
    table = _empty(connection, name, columns)
    append(connection, table, [column.name for column in columns], rows)
    _measure(connection, table)
    return table


def found(
    connection: Connection,
    name: str,
    types: Mapping[str, TypeEngine[Any]],
    answer: Select[Any],
    by: Sequence[str] = (),
) -> Table:
    """A table of what a statement answers, in the order of `types`; with an index `by` some columns."""
    table = _empty(connection, name, [Column(one, kind) for one, kind in types.items()])
    connection.execute(insert(table).from_select(list(types), answer))
    if by:
        Index(f"by_{table.name}", *(table.c[one] for one in by)).create(connection)
    _measure(connection, table)
    return table


def _empty(connection: Connection, name: str, columns: Sequence[Column[Any]]) -> Table:
    table = Table(
        f"{name}_{next(_numbers)}",
        MetaData(),
        *columns,
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )
    table.create(connection, checkfirst=False)
    return table


def _measure(connection: Connection, table: Table) -> None:
    """Let the database know how many rows there are: by that it decides from which end to read."""
    connection.exec_driver_sql(f"ANALYZE {table.name}")
