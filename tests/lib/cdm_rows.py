"""The whole content of a CDM, to compare two ways of getting there."""

from typing import Any

from sqlalchemy import Engine, select

from cdm.schema import metadata

# Ours: which run wrote a row is not part of what the CDM says.
OUTSIDE = {"load_run", "unmapped_code", "quarantine"}


def cdm_rows(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that has any, sorted; without the run that wrote it."""
    found = {}
    with engine.connect() as connection:
        for name, table in metadata.tables.items():
            if name not in OUTSIDE:
                columns = [column for column in table.c if column.name != "run_id"]
                rows = sorted(connection.execute(select(*columns)).all(), key=repr)
                found[name] = [tuple(row) for row in rows]
    return {name: rows for name, rows in found.items() if rows}
