"""Whose periods and eras are to be made anew: the people whose rows a load writes, replaces or deletes.

They are noted in the transaction that changes the rows, and forgotten in the one that derives what follows
from them. So a load that was killed leaves nobody out, and one record costs what its own people have.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from cdm.database import CHUNK, chunks, key_columns, upsert
from cdm.schema import (
    condition_occurrence,
    derivation_due,
    drug_exposure,
    image_occurrence,
    measurement,
    metadata,
    observation,
    person,
    procedure_occurrence,
    visit_occurrence,
)

KEYS = {name: key_columns(table)[0] for name, table in metadata.tables.items() if table.primary_key.columns}
KEYS |= {"death": "person_id", "episode_event": "episode_id"}
OURS = {"derivation_due", "person_link"}
OF_PEOPLE = {
    name for name, table in metadata.tables.items() if "person_id" in table.c and name in KEYS
} - OURS
AT_ONCE = date.min  # since when it is due to derive anew what follows from a change
Due = set[tuple[int, date]]
"""(person, day): whose periods and eras are to be made anew, and from which day on."""

EVENTS = (
    (visit_occurrence, "visit_start_date"),
    (condition_occurrence, "condition_start_date"),
    (procedure_occurrence, "procedure_date"),
    (drug_exposure, "drug_exposure_start_date"),
    (measurement, "measurement_date"),
    (image_occurrence, "image_occurrence_date"),
    (observation, "observation_date"),
)
"""What happens to people, by its table and day."""

DAYS = {table.name: (day,) for table, day in EVENTS} | {
    "visit_occurrence": ("visit_start_date", "visit_end_date")
}
"""The columns that a period follows from: a day in them that is still to come counts when it has come."""

FEW_PEOPLE = 1_000  # up to so many it is not asked whether everybody at once is cheaper


def due_by(table: str, rows: Iterable[Mapping[str, Any]], latest: date) -> Due:
    """For whom something follows from rows of a table: at once, and again on a day that is to come."""
    if table not in OF_PEOPLE:
        return set()
    due: Due = set()
    names = DAYS.get(table, ())
    for values in rows:
        due.add((values["person_id"], AT_ONCE))
        for name in names:
            day = values.get(name)
            if isinstance(day, date) and (later := _day(day)) > latest:
                due.add((values["person_id"], later))
    return due


def _day(day: date) -> date:
    return day.date() if isinstance(day, datetime) else day


def mark_due(connection: Connection, due: Due) -> None:
    """Note whose periods and eras are to be made anew, and from which day on."""
    upsert(connection, derivation_due, ({"person_id": one, "due_day": day} for one, day in sorted(due)))


def people_of(connection: Connection, table: str, row_ids: Iterable[int]) -> Due:
    """Whose the rows are that are about to be deleted or replaced: something changes for them."""
    if table not in OF_PEOPLE:
        return set()
    columns = metadata.tables[table].c
    statement = select(columns.person_id).distinct()
    return {
        (person_id, AT_ONCE)
        for chunk in chunks(row_ids, CHUNK)
        for person_id in connection.scalars(statement.where(columns[KEYS[table]].in_(chunk)))
    }


def due_people(engine: Engine) -> list[int] | None:
    """The people whose rows have changed since the last derivation; None where they are most of all."""
    is_due = derivation_due.c.due_day <= latest_day()
    with engine.connect() as connection:
        due, everybody = (
            connection.scalar(select(func.count()).select_from(statement.subquery())) or 0
            for statement in (select(derivation_due).where(is_due), select(person.c.person_id))
        )
        if due > FEW_PEOPLE and due * 4 > everybody:
            return None
        return sorted(connection.scalars(select(derivation_due.c.person_id).where(is_due).distinct()))


def latest_day(today: date | None = None) -> date:
    """The last day on which something can have happened."""
    return (today or datetime.now(UTC).date()) + timedelta(days=1)  # it is tomorrow in the east
