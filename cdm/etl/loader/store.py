"""What a load writes: the rows of a batch, whose they are, and what was left out, in one transaction."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from cdm.database import (
    CHUNK,
    SHARED_ROWS_LOCK,
    chunks,
    delete_rows,
    take_turns,
    upsert,
    upsert_cells,
    writing,
)
from cdm.etl.fhir.words.dates import instant
from cdm.etl.identity import Identity
from cdm.etl.loader.due import KEYS, Due, due_by, latest_day, mark_due, people_of
from cdm.etl.loader.kept_resources import Place, Stored, read_bodies, write_block
from cdm.etl.loader.quarantine import Quarantine, Rejected
from cdm.etl.record import Row, SourceRecord, Unmappable
from cdm.schema import (
    metadata,
    person_link,
    person_merge,
    record_doubt,
    source_name,
    source_need,
    source_record,
    source_row,
    unmapped_code,
)

# What several records may tell of, a person or a series: the row is that of the first of them, in an order
# that does not hang on which of them arrived first.
SHARED = {"person", "death", "procedure_occurrence", "image_occurrence", "image_acquisition"}


BLOCK = 1_000  # records kept in one block


class Told(NamedTuple):
    """A row that several records may tell of; the smallest precedence counts."""

    row_id: int
    precedence: tuple[bool, int]
    values: dict[str, Any]


class Known(NamedTuple):
    """What is known of a record that was loaded before; the hash of one deleted since is empty."""

    content_hash: str
    last_updated: datetime | None


@dataclass
class Change:
    """A record whose rows are to be written; `excluded` says why there are none.

    `content` is what to keep of its body, empty of a record taken back; one that is mapped anew from what was
    kept has its `place` already. `needs` are the keys of the records that were looked into to map it, and of
    the names that were looked up; `names` are those of its own names.
    """

    key: int
    source: str
    record: SourceRecord
    content_hash: str
    rows: list[Row]
    excluded: str
    known: bool
    content: bytes = b""
    place: Place | None = None
    needs: set[int] = field(default_factory=set)
    names: set[int] = field(default_factory=set)
    doubts: Counter[str] = field(default_factory=Counter)
    merges: dict[str, str] = field(default_factory=dict)
    had_rows: bool = False
    counted: bool = True  # False where another record's change made it be mapped anew

    @property
    def is_new(self) -> bool:
        """Whether the source said something new; else it is mapped anew from what was kept."""
        return bool(self.content) or self.record.deleted


class Store:
    """The writer of one load."""

    def __init__(
        self, engine: Engine, source: str, run_id: int, identity: Identity, quarantine: Quarantine
    ) -> None:
        self._engine = engine
        self._source = source
        self._run_id = run_id
        self._block_id = run_id  # blocks sort by time, as runs do
        self._identity = identity
        self._quarantine = quarantine
        self._latest = latest_day()
        self.left_blocks: set[int] = set()  # with lines that no record points to any more
        with engine.connect() as connection:
            self._any_needs = connection.execute(select(source_need).limit(1)).first() is not None

    def record_key(self, source: str, kind: str, record_id: str) -> int:
        """The key of a record, there already or not."""
        return self._identity.hash63("record", source, kind, record_id)

    def known(self, keys: list[int]) -> dict[int, Known]:
        """What is known of those records that were loaded before."""
        columns = source_record.c
        statement = select(columns.source_record_id, columns.content_hash, columns.last_updated)
        with self._engine.connect() as connection:
            return {
                key: Known(content_hash, last_updated)
                for chunk in chunks(keys, CHUNK)
                for key, content_hash, last_updated in connection.execute(
                    statement.where(columns.source_record_id.in_(chunk))
                )
            }

    def named(self, name_key: int) -> list[tuple[int, str]]:
        """(key, `Kind/id`) of the records with a name."""
        columns = source_record.c
        statement = select(columns.source_record_id, columns.kind, columns.record_id).join(
            source_name, source_name.c.source_record_id == columns.source_record_id
        )
        with self._engine.connect() as connection:
            found = connection.execute(statement.where(source_name.c.name_key == name_key)).all()
        return [(key, f"{kind}/{record_id}") for key, kind, record_id in found]

    def bodies(self, keys: Iterable[int]) -> list[Stored]:
        """The records with these keys as they were kept, of whichever source."""
        with self._engine.connect() as connection:
            return list(read_bodies(connection, keys))

    def touched_by(self, changes: list[Change]) -> set[int]:
        """The other records that these changes reach.

        They looked into one of them, or for its name, or they tell, as a fallback, of a row that one of them
        gives up.
        """
        keys = {change.key for change in changes}
        with self._engine.connect() as connection:
            found = (
                set(_needing(connection, keys | _names(connection, changes))) if self._any_needs else set()
            )
            found |= set(_left_with(connection, [change for change in changes if change.known]))
        return found - keys

    def write(
        self,
        changes: list[Change],
        rejected: Iterable[Rejected],
        persons: Mapping[tuple[str, str], int],
        unmapped: Mapping[tuple[str, str, str], int],
    ) -> None:
        """Replace the rows of the changed records and note the rest, in one transaction."""
        due: Due = set()
        with writing(self._engine) as connection:
            self._delete_earlier(connection, [change for change in changes if change.known], due)
            shared = self._insert(connection, changes, due)
            self._name(connection, changes)
            self._keep(connection, changes)
            upsert_cells(connection, source_record, map(self._record_row, changes))
            self._quarantine.write(connection, rejected)
            _note_merges(connection, changes)
            # Last, and in this order, what another process may be writing too: to be waited for shortly.
            self._insert_shared(connection, shared, due)
            mark_due(connection, due)
            upsert(connection, person_link, itertools.starmap(_link, persons.items()))
            _count_unmapped(connection, unmapped)
        self._quarantine.loaded(change.key for change in changes)

    def _delete_earlier(self, connection: Connection, changes: list[Change], due: Due) -> None:
        """Delete what the records made before, but not a row that another record tells of too."""
        by_key = {change.key: change for change in changes}
        if changes:
            take_turns(connection, SHARED_ROWS_LOCK)
        self.left_blocks |= _blocks_of(connection, (change.key for change in changes if change.is_new))
        for chunk in chunks(by_key, CHUNK):
            mine: defaultdict[str, set[int]] = defaultdict(set)
            for key, table, row_id in _rows_of(connection, chunk):
                by_key[key].had_rows = True
                mine[table].add(row_id)
            delete_rows(connection, source_row, chunk)
            delete_rows(connection, source_need, chunk)
            delete_rows(connection, record_doubt, chunk)
            for table, ids in mine.items():
                due |= people_of(connection, table, ids)
                kept = _still_owned(connection, table, ids)
                delete_rows(connection, metadata.tables[table], ids - kept)

    def _insert(
        self, connection: Connection, changes: list[Change], due: Due
    ) -> defaultdict[str, list[Told]]:
        """Write the rows that one record alone tells of; the others, by table, are still to be written."""
        rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        shared: defaultdict[str, list[Told]] = defaultdict(list)
        owners: list[tuple[object, ...]] = []
        for change in changes:
            for table, values, precision, fallback in change.rows:
                row_id = values[KEYS[table]]
                if table in SHARED:
                    shared[table].append(Told(row_id, (fallback, change.key), values))
                else:
                    rows[table].append(values)
                known = None if precision == "day" else precision
                owners.append((change.key, table, row_id, known, fallback))
        for table, ready in rows.items():
            due |= due_by(table, ready, self._latest)
            upsert(connection, metadata.tables[table], ready)
        upsert_cells(connection, source_row, owners)
        needs = [(change.key, needed) for change in changes for needed in change.needs]
        self._any_needs = self._any_needs or bool(needs)
        upsert(connection, record_doubt, _doubt_rows(changes))
        upsert_cells(connection, source_need, needs)
        return shared

    def _insert_shared(self, connection: Connection, shared: Mapping[str, list[Told]], due: Due) -> None:
        """Write of each row what its first teller says, whoever else tells of it at this moment."""
        if shared:
            take_turns(connection, SHARED_ROWS_LOCK)
        for table, told in sorted(shared.items()):
            due |= due_by(table, (one.values for one in told), self._latest)
            due |= people_of(connection, table, {one.row_id for one in told})
            upsert(connection, metadata.tables[table], _first_told(connection, table, told))

    def _name(self, connection: Connection, changes: list[Change]) -> None:
        """Keep the names of what is new, in place of those that it had."""
        new = [change for change in changes if change.is_new]
        delete_rows(connection, source_name, (change.key for change in new if change.known))
        upsert_cells(connection, source_name, ((one.key, name) for one in new for name in one.names))

    def _keep(self, connection: Connection, changes: list[Change]) -> None:
        """Keep the bodies of new contents in small blocks: one is read and written as a whole."""
        for block in chunks((change for change in changes if change.content), BLOCK):
            self._block_id += 1
            write_block(connection, self._block_id, [change.content for change in block])
            for line, change in enumerate(block):
                change.place = Place(self._block_id, line)

    def _record_row(self, change: Change) -> tuple[object, ...]:
        """The cells of source_record."""
        meta = change.record.body.get("meta")
        version = meta.get("versionId") if isinstance(meta, dict) else None
        return (
            change.key,
            change.source,
            change.record.kind,
            change.record.record_id,
            version[:64] if isinstance(version, str) else None,
            last_updated(change.record),
            change.content_hash,
            self._run_id,
            change.record.deleted,
            *(change.place or (None, None)),
        )


def _blocks_of(connection: Connection, keys: Iterable[int]) -> set[int]:
    """The blocks in which the bodies of these records stand so far."""
    columns = source_record.c
    statement = select(columns.source_body_id).where(columns.source_body_id.is_not(None)).distinct()
    return {
        block
        for chunk in chunks(keys, CHUNK)
        for block in connection.scalars(statement.where(columns.source_record_id.in_(chunk)))
        if block is not None
    }


def _link(named: tuple[str, str], person_id: int) -> dict[str, Any]:
    return {"source": named[0], "source_person_id": named[1], "person_id": person_id}


def _note_merges(connection: Connection, changes: list[Change]) -> None:
    """Keep which patients these records say are replaced; what one no longer says is kept until settled."""
    patients = {change.key: change for change in changes if change.record.kind == "Patient"}
    columns = person_merge.c
    before: defaultdict[int, dict[str, str]] = defaultdict(dict)
    statement = select(columns.source_record_id, columns.name, columns.survivor)
    for chunk in chunks((key for key, change in patients.items() if change.known), CHUNK):
        for key, name, survivor in connection.execute(statement.where(columns.source_record_id.in_(chunk))):
            before[key][name] = survivor
    rows = [
        {"source_record_id": key, "name": name, "survivor": change.merges.get(name, name), "settled": False}
        for key, change in patients.items()
        for name in before[key].keys() | change.merges.keys()
        if before[key].get(name) != change.merges.get(name, name)
    ]
    upsert(connection, person_merge, rows)


def last_updated(record: SourceRecord) -> datetime | None:
    """When the source last changed the record, in UTC; None where it does not say."""
    meta = record.body.get("meta")
    text = meta.get("lastUpdated") if isinstance(meta, dict) else None
    try:
        return instant(text).time if isinstance(text, str) else None
    except Unmappable:
        return None


def _rows_of(connection: Connection, keys: Iterable[int]) -> Iterator[tuple[int, str, int]]:
    """(record, table, row) of what these records made."""
    owned = source_row.c
    statement = select(owned.source_record_id, owned.table_name, owned.row_id)
    for chunk in chunks(keys, CHUNK):
        for row in connection.execute(statement.where(owned.source_record_id.in_(chunk))):
            yield row.source_record_id, row.table_name, row.row_id


def _doubt_rows(changes: list[Change]) -> Iterator[dict[str, Any]]:
    for change in changes:
        for code, occurrences in change.doubts.items():
            yield {"source_record_id": change.key, "code": code, "occurrences": occurrences}


def _names(connection: Connection, changes: list[Change]) -> set[int]:
    """The names that what is new has, or had before."""
    found = {name for change in changes for name in change.names}
    known = [change.key for change in changes if change.known and change.is_new]
    statement = select(source_name.c.name_key)
    for chunk in chunks(known, CHUNK):
        found.update(connection.scalars(statement.where(source_name.c.source_record_id.in_(chunk))))
    return found


def _needing(connection: Connection, keys: Iterable[int]) -> Iterator[int]:
    """The records that looked into these."""
    statement = select(source_need.c.source_record_id)
    for chunk in chunks(keys, CHUNK):
        yield from connection.scalars(statement.where(source_need.c.needed_id.in_(chunk)))


def _left_with(connection: Connection, changes: list[Change]) -> Iterator[int]:
    """The records that tell of a row which its own record no longer makes: theirs is a fallback for it."""
    still_made = {
        change.key: {(row.table, row.values[KEYS[row.table]]) for row in change.rows if not row.fallback}
        for change in changes
    }
    given_up: defaultdict[str, set[int]] = defaultdict(set)
    for key, table, row_id in _rows_of(connection, still_made):
        if (table, row_id) not in still_made[key]:
            given_up[table].add(row_id)
    owned = source_row.c
    for table, ids in given_up.items():
        for chunk in chunks(ids, CHUNK):
            owners = select(owned.source_record_id).where(owned.row_id.in_(chunk), owned.table_name == table)
            yield from connection.scalars(owners)


def _first_told(connection: Connection, table: str, told: list[Told]) -> list[dict[str, Any]]:
    """Of each row what its first teller says, unless one that comes before has written it already."""
    first: dict[int, Told] = {}
    for one in told:
        if one.row_id not in first or one.precedence < first[one.row_id].precedence:
            first[one.row_id] = one
    owned = source_row.c
    statement = select(owned.row_id, owned.fallback, owned.source_record_id)
    for chunk in chunks(list(first), CHUNK):
        there = connection.execute(statement.where(owned.row_id.in_(chunk), owned.table_name == table)).all()
        for row_id, fallback, key in there:
            if row_id in first and (fallback, key) < first[row_id].precedence:
                del first[row_id]
    return [one.values for one in first.values()]


def _still_owned(connection: Connection, table: str, ids: set[int]) -> set[int]:
    """The rows that some other record tells of too; the owners just taken away are gone already."""
    owned = source_row.c
    return {
        found
        for chunk in chunks(ids, CHUNK)
        for found in connection.scalars(
            select(owned.row_id).where(owned.row_id.in_(chunk), owned.table_name == table)
        )
    }


def _count_unmapped(connection: Connection, unmapped: Mapping[tuple[str, str, str], int]) -> None:
    insert = (postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert)(unmapped_code)
    total = unmapped_code.c.occurrences + insert.excluded.occurrences
    statement = insert.on_conflict_do_update(
        index_elements=["system", "code", "kind"], set_={"occurrences": total}
    )
    rows = [
        {"system": system[:255], "code": code[:255], "kind": kind, "occurrences": count}
        for (system, code, kind), count in sorted(unmapped.items())
    ]
    if rows:
        connection.execute(statement, rows)
