"""Whose the rows are, at the end of a load: merged patients become one, and nobody's events wait.

    merged      Patient.link says that two patient records are one person's: the records of both are mapped
                anew, as the survivor's
    waiting     records of a patient who is not here, was deleted, or could not be read, have no rows until
                the patient comes; `data status` counts them (`person-not-here`)

All of it follows from what the tables hold, so that a load that was killed is settled by the next.
"""

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, Engine, and_, delete, exists, or_, select, update

from cdm.database import CHUNK, chunks, delete_rows, upsert, writing
from cdm.etl.identity import Identity
from cdm.etl.loader.store import KEYS, Store
from cdm.schema import (
    metadata,
    person,
    person_link,
    person_merge,
    record_doubt,
    source_need,
    source_record,
    source_row,
)

WAITS = "person-not-here"
OF_PEOPLE = tuple(
    table
    for table in metadata.sorted_tables
    if "person_id" in table.c and table.name in KEYS and table.name != "person_link"
)


def merges(engine: Engine) -> dict[str, str]:
    """Patient id -> the patient id that replaces it, as the sources' links say; chains are not followed."""
    columns = person_merge.c
    statement = select(columns.name, columns.survivor).where(columns.name != columns.survivor)
    with engine.connect() as connection:
        # The smallest of several comes last and counts, on every machine.
        ordered = connection.execute(statement.order_by(columns.name, columns.survivor.desc()))
        return {name: survivor for name, survivor in ordered}


def unsettled(engine: Engine, identity: Identity) -> set[int]:
    """The records whose rows belong to another person since a merge, or since one was taken back."""
    columns = person_merge.c
    with engine.connect() as connection:
        names = set(connection.scalars(select(columns.name).where(columns.settled.is_(False))))
        if not names:
            return set()
        persons = {identity.hash63("person", name) for name in names}
        linked = select(person_link.c.person_id)
        for chunk in chunks(names, CHUNK):
            persons |= set(connection.scalars(linked.where(person_link.c.source_person_id.in_(chunk))))
        return set(_records_of(connection, persons))


def mark_settled(engine: Engine) -> None:
    """Note that no record is left to be mapped by a merge, and forget those that were taken back."""
    columns = person_merge.c
    with writing(engine) as connection:
        connection.execute(delete(person_merge).where(columns.name == columns.survivor))
        connection.execute(update(person_merge).where(columns.settled.is_(False)).values(settled=True))


def arrived(engine: Engine) -> set[int]:
    """The records that wait for a patient who is here now."""
    needed = source_need.c.needed_id
    is_person = needed.in_(select(person.c.person_id))
    is_patient = exists().where(
        source_record.c.source_record_id == needed,
        source_record.c.kind == "Patient",
        source_record.c.deleted.is_(False),
    )
    statement = (
        select(source_need.c.source_record_id)
        .join(record_doubt, record_doubt.c.source_record_id == source_need.c.source_record_id)
        .where(record_doubt.c.code == WAITS, or_(is_person, is_patient))
    )
    with engine.connect() as connection:
        return set(connection.scalars(statement.distinct()))


def set_aside(engine: Engine, store: Store) -> int:
    """How many records lost their rows, since their patient is not here; they are mapped when that comes."""
    with engine.connect() as connection:
        awaited = list(_nobody(connection, store))
    found = 0
    for needed_ids, persons, source in awaited:
        with writing(engine) as connection:
            records = list(_records_of(connection, persons, source))
            found += len(records)
            for chunk in chunks(records, CHUNK):
                _put_aside(connection, chunk, needed_ids)
    return found


def _nobody(connection: Connection, store: Store) -> Iterator[tuple[list[int], set[int], str | None]]:
    """(what would bring a person back, the person, of which source alone) of each who is not here.

    Somebody whom DICOM or a genomic file names has a row in `person` without a Patient. Where a source took
    its Patient back, that source's own records wait all the same.
    """
    link, here = person_link.c, exists().where(person.c.person_id == person_link.c.person_id)
    patient = and_(
        source_record.c.source == link.source,
        source_record.c.kind == "Patient",
        source_record.c.record_id == link.source_person_id,
    )
    absent = select(link.source, link.source_person_id, link.person_id).where(~here)
    for source, name, person_id in connection.execute(absent).all():
        yield [person_id, store.record_key(source, "Patient", name)], {person_id}, None
    joined = person_link.join(source_record, patient)
    gone = select(link.source, link.source_person_id, link.person_id).select_from(joined)
    live = select(link.source, link.person_id).select_from(joined).where(source_record.c.deleted.is_(False))
    deleted = connection.execute(gone.where(source_record.c.deleted.is_(True), here)).all()
    alive = {(source, person_id) for source, person_id in connection.execute(live)} if deleted else set()
    for source, name, person_id in deleted:
        if (source, person_id) not in alive:
            yield [store.record_key(source, "Patient", name)], {person_id}, source


def _records_of(connection: Connection, persons: Iterable[int], source: str | None = None) -> Iterator[int]:
    """The records that own a row of one of these people, of all sources or of one."""
    owned = source_row.c
    seen: set[int] = set()
    for chunk in chunks(persons, CHUNK):
        for table in OF_PEOPLE:
            of_them = select(table.c[KEYS[table.name]]).where(table.c.person_id.in_(chunk))
            statement = select(owned.source_record_id).where(
                owned.row_id.in_(of_them), owned.table_name == table.name
            )
            if source is not None:
                statement = statement.join(
                    source_record, source_record.c.source_record_id == owned.source_record_id
                ).where(source_record.c.source == source)
            for key in connection.scalars(statement):
                if key not in seen:
                    seen.add(key)
                    yield key


def _put_aside(connection: Connection, records: list[int], needed_ids: list[int]) -> None:
    """Delete the rows of these records, and note what would bring them back."""
    owned = source_row.c
    statement = select(owned.table_name, owned.row_id).where(owned.source_record_id.in_(records))
    mine: dict[str, set[int]] = {}
    for table, row_id in connection.execute(statement):
        mine.setdefault(table, set()).add(row_id)
    delete_rows(connection, source_row, records)
    for table, ids in mine.items():
        still = select(owned.row_id).where(owned.row_id.in_(ids), owned.table_name == table)
        delete_rows(connection, metadata.tables[table], ids - set(connection.scalars(still)))
    doubts = ({"source_record_id": key, "code": WAITS, "occurrences": 1} for key in records)
    upsert(connection, record_doubt, doubts)
    needs = ({"source_record_id": key, "needed_id": needed} for key in records for needed in needed_ids)
    upsert(connection, source_need, needs)
