"""The indexes by which studies find records, on SQLite: made after a first load, anew after a large one.

Filled row by row, in the order of arrival, their pages lie scattered and a third empty: a study's table costs
nearly twice what it costs with an index that was made at once, and a load writes every page of them with
every batch. PostgreSQL's do not suffer so.
"""

from sqlalchemy import Engine, Index, func, inspect, select

from cdm.database import writing
from cdm.etl.loader.due import EVENTS
from cdm.schema import metadata, source_record

MANY = 10_000  # records below which it is not worth a look
SHARE = 10  # one in so many records is new: what a load took for each, this takes a hundredth of
LARGE = sorted({table.name for table, _ in EVENTS})


def wait_with_indexes(engine: Engine) -> None:
    """Drop the indexes of events where nothing is loaded yet, so that nobody reads by them."""
    if engine.dialect.name != "sqlite" or _holds_records(engine):
        return
    with writing(engine) as connection:
        for index in _indexes():
            index.drop(connection, checkfirst=True)


def _holds_records(engine: Engine) -> bool:
    with engine.connect() as connection:
        return connection.execute(select(source_record.c.source_record_id).limit(1)).first() is not None


def make_missing(engine: Engine) -> bool:
    """Whether a first load, perhaps one that never came to its end, had waited with them; they are made."""
    if engine.dialect.name != "sqlite":
        return False
    with engine.connect() as connection:
        there = {one["name"] for name in LARGE for one in inspect(connection).get_indexes(name)}
    missing = [index for index in _indexes() if index.name not in there]
    if missing:
        with writing(engine) as connection:
            for index in missing:
                index.create(connection, checkfirst=True)
    return bool(missing)


def repack(engine: Engine, written: int) -> None:
    """Make the indexes of codes anew, if `written` records are much beside what is there."""
    if engine.dialect.name != "sqlite" or written < MANY:
        return
    with engine.connect() as connection:
        there = connection.scalar(select(func.count()).select_from(source_record)) or 0
    if written * SHARE >= there:
        repack_codes(engine)


def repack_codes(engine: Engine) -> None:
    """Make the indexes of codes anew on SQLite."""
    for index in _indexes() if engine.dialect.name == "sqlite" else ():
        if str(index.name).endswith("_codes"):
            with writing(engine) as connection:  # one by one: others want to write, too
                connection.exec_driver_sql(f"REINDEX {index.name}")


def _indexes() -> list[Index]:
    """The indexes of events, by their codes and by person."""
    found = (index for name in LARGE for index in metadata.tables[name].indexes)
    return sorted(found, key=lambda index: str(index.name))
