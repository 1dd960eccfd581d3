"""Whose the rows are, at the end of a load: merged patients become one, and nobody's events wait.

    merged      Patient.link says that two patient records are one person's: the records of both are mapped
                anew, as the survivor's
    waiting     records of a patient who is not here, was deleted, or could not be read, have no rows until
                the patient comes; `data status` counts them (`person-not-here`)

All of it follows from what the tables hold, so that a load that was killed is settled by the next.
"""

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, Engine, delete, exists, or_, select, update

from cdm.database import CHUNK, chunks, delete_rows, upsert, writing
from cdm.etl.identity import Identity
from cdm.etl.loader.due import KEYS, OF_PEOPLE, mark_due, people_of
from cdm.etl.loader.store import Store
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
Link = tuple[str, str, int]  # a source, a patient id of it, the person


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


def arrived(engine: Engine, store: Store, people: list[int] | None) -> set[int]:
    """The records that wait for a patient who is here now: one of these people, or anybody."""
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
        .distinct()
    )
    with engine.connect() as connection:
        if people is None:
            return set(connection.scalars(statement))
        came = set(people) | {key for links in _links(connection, people) for key in _patients(store, links)}
        return {
            key
            for chunk in chunks(came, CHUNK)
            for key in connection.scalars(statement.where(needed.in_(chunk)))
        }


def set_aside(engine: Engine, store: Store, people: list[int] | None) -> int:
    """How many records lost their rows, since their patient is not here; they are mapped when that comes."""
    with engine.connect() as connection:
        awaited = list(_nobody(connection, store, people))
    found = 0
    for needed_ids, persons, source in awaited:
        with writing(engine) as connection:
            records = list(_records_of(connection, persons, source))
            found += len(records)
            for chunk in chunks(records, CHUNK):
                _put_aside(connection, chunk, needed_ids)
    return found


def _nobody(
    connection: Connection, store: Store, people: list[int] | None
) -> Iterator[tuple[list[int], set[int], str | None]]:
    """(what would bring a person back, the person, of which source alone) of each who is not here.

    Somebody whom DICOM or a genomic file names has a row in `person` without a Patient. Where a source took
    its Patient back, that source's own records wait all the same.
    """
    gone: dict[int, Link] = {}
    for links in _links(connection, people):
        named = {person_id for _, _, person_id in links}
        here = set(connection.scalars(select(person.c.person_id).where(person.c.person_id.in_(named))))
        for source, name, person_id in links:
            if person_id not in here:
                yield [person_id, store.record_key(source, "Patient", name)], {person_id}, None
        patients = {key: link for key, link in _patients(store, links).items() if link[2] in here}
        gone |= {key: patients[key] for key in _states(connection, patients, deleted=True)}
    left = [person_id for _, _, person_id in gone.values()]
    alive: set[tuple[str, int]] = set()
    for links in _links(connection, left):
        patients = _patients(store, links)
        living = (patients[key] for key in _states(connection, patients, deleted=False))
        alive |= {(source, person_id) for source, _, person_id in living}
    for key, (source, _, person_id) in gone.items():
        if (source, person_id) not in alive:
            yield [key], {person_id}, source


def _links(connection: Connection, people: list[int] | None) -> Iterator[list[Link]]:
    """Who these people, or all, are in their sources, some hundred at once."""
    columns = person_link.c
    statement = select(columns.source, columns.source_person_id, columns.person_id)
    if people is None:
        everybody = ((row[0], row[1], row[2]) for row in connection.execute(statement))
        yield from chunks(everybody, CHUNK)
        return
    for chunk in chunks(people, CHUNK):
        found = connection.execute(statement.where(columns.person_id.in_(chunk)))
        yield [(row[0], row[1], row[2]) for row in found]


def _patients(store: Store, links: Iterable[Link]) -> dict[int, Link]:
    """The keys of the Patient records that these people have, or would have."""
    return {store.record_key(link[0], "Patient", link[1]): link for link in links}


def _states(connection: Connection, keys: Iterable[int], *, deleted: bool) -> set[int]:
    """Those of the records that were taken back, or that were not."""
    columns = source_record.c
    statement = select(columns.source_record_id).where(columns.deleted.is_(deleted))
    return {
        key
        for chunk in chunks(keys, CHUNK)
        for key in connection.scalars(statement.where(columns.source_record_id.in_(chunk)))
    }


def _records_of(connection: Connection, persons: Iterable[int], source: str | None = None) -> Iterator[int]:
    """The records that own a row of one of these people, of all sources or of one."""
    owned = source_row.c
    seen: set[int] = set()
    for chunk in chunks(persons, CHUNK):
        for name in sorted(OF_PEOPLE):
            columns = metadata.tables[name].c
            of_them = select(columns[KEYS[name]]).where(columns.person_id.in_(chunk))
            statement = select(owned.source_record_id).where(
                owned.row_id.in_(of_them), owned.table_name == name
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
        mark_due(connection, people_of(connection, table, ids))
        still = select(owned.row_id).where(owned.row_id.in_(ids), owned.table_name == table)
        delete_rows(connection, metadata.tables[table], ids - set(connection.scalars(still)))
    doubts = ({"source_record_id": key, "code": WAITS, "occurrences": 1} for key in records)
    upsert(connection, record_doubt, doubts)
    needs = ({"source_record_id": key, "needed_id": needed} for key in records for needed in needed_ids)
    upsert(connection, source_need, needs)
