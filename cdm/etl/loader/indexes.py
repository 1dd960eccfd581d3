"""The indexes by which studies find records, made anew on SQLite after a load that wrote much.

Filled row by row, in the order of arrival, their pages lie scattered and a third empty: a study's table costs
nearly twice what it costs with an index that was made at once. PostgreSQL's do not suffer so.
"""

from sqlalchemy import Engine, func, select

from cdm.database import writing
from cdm.schema import metadata, source_record

MANY = 10_000  # records below which it is not worth a look
SHARE = 10  # one in so many records is new: what a load took for each, this takes a hundredth of


def repack(engine: Engine, written: int) -> None:
    """Make the indexes of codes anew, if `written` records are much beside what is there."""
    if engine.dialect.name != "sqlite" or written < MANY:
        return
    with engine.connect() as connection:
        there = connection.scalar(select(func.count()).select_from(source_record)) or 0
    if written * SHARE < there:
        return
    indexes = (index.name for table in metadata.sorted_tables for index in table.indexes)
    for name in sorted(str(one) for one in indexes if str(one).endswith("_codes")):
        with writing(engine) as connection:  # one by one: others want to write, too
            connection.exec_driver_sql(f"REINDEX {name}")
