"""What a CDM holds: all of it, to compare two ways of getting there, or one table."""

from typing import Any

from sqlalchemy import Engine, Table, select

from cdm.schema import measurement, metadata

# Ours: what is still to be derived, which run wrote a row, and in which block its source was kept, is not
# part of what the CDM says.
OUTSIDE = {"derivation_due", "load_run", "unmapped_code", "quarantine", "source_body"}
OF_THE_RUN = {"run_id", "source_body_id", "body_line"}


def cdm_rows(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that has any, sorted; without the run that wrote it."""
    found = {}
    with engine.connect() as connection:
        for name, table in metadata.tables.items():
            if name not in OUTSIDE:
                columns = [column for column in table.c if column.name not in OF_THE_RUN]
                rows = sorted(connection.execute(select(*columns)).all(), key=repr)
                found[name] = [tuple(row) for row in rows]
    return {name: rows for name, rows in found.items() if rows}


def rows(engine: Engine, table: Table) -> list[Any]:
    """The rows of one table."""
    with engine.connect() as connection:
        return list(connection.execute(select(table)).all())


def values(engine: Engine) -> list[float]:
    """The values of all measurements."""
    return [row.value_as_number for row in rows(engine, measurement)]
