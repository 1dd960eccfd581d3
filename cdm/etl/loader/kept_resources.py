"""What the mappers read of each record, kept beside the CDM, so that it is mapped anew without its source.

The records of a batch are one compressed block: a tenth of what single ones take, in time and in bytes. What
names a person and no mapper reads is left out. A block that holds records which are no longer wanted is
written anew at the end of a load, so a deleted record is gone from here too.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, Row, Select, bindparam, delete, func, insert, select, update

from cdm.database import CHUNK, chunks, writing
from cdm.etl.record import Body, SourceRecord
from cdm.schema import source_body, source_record

NARRATIVE = {"text"}
OF_PEOPLE = NARRATIVE | {"identifier", "name", "telecom", "address", "contact", "photo"}
PEOPLE = {"Patient", "Practitioner", "Person", "RelatedPerson"}
FAST = 1  # zlib's level: the others take longer than they save


class Place(NamedTuple):
    """Where a record's body stands: the block and the line in it."""

    source_body_id: int
    line: int


class Stored(NamedTuple):
    """A record as it was kept, with its key and the hash of what it was mapped from."""

    key: int
    source: str
    record: SourceRecord
    content_hash: str
    place: Place


def kept_content(record: SourceRecord, content: bytes) -> bytes:
    """The record's body as JSON on one line, without what names a person; `content` is the whole of it."""
    left_out = OF_PEOPLE if record.kind in PEOPLE else NARRATIVE
    if left_out.isdisjoint(record.body):
        return content
    kept = {name: value for name, value in record.body.items() if name not in left_out}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)


def write_block(connection: Connection, source_body_id: int, lines: list[bytes]) -> None:
    """Keep one block; nothing where there are no lines."""
    if lines:
        row = {"source_body_id": source_body_id, "records": len(lines), "content": _pack(lines)}
        connection.execute(insert(source_body), [row])


def read_bodies(connection: Connection, keys: Iterable[int]) -> Iterator[Stored]:
    """The kept records with these keys, block by block; those that were taken back have no body."""
    columns = source_record.c
    places = [
        row
        for chunk in chunks(keys, CHUNK)
        for row in connection.execute(_records().where(columns.source_record_id.in_(chunk)))
    ]
    blocks: dict[int, list[bytes]] = {}
    for row in sorted(places, key=lambda row: (row.source_body_id, row.body_line)):
        if row.source_body_id not in blocks:
            blocks = {row.source_body_id: _block(connection, row.source_body_id)}
        yield _stored(row, blocks[row.source_body_id])


def read_block(connection: Connection, source_body_id: int) -> list[Stored]:
    """The records that are still wanted from a block."""
    columns = source_record.c
    wanted = _records().where(columns.source_body_id == source_body_id)
    lines = _block(connection, source_body_id)
    return [_stored(row, lines) for row in connection.execute(wanted.order_by(columns.body_line))]


def compact(engine: Engine, among: set[int] | None) -> None:
    """Write anew the blocks with lines that no record points to, and delete those without any other.

    `among` are the blocks to look at; None for all, after a load that was killed.
    """
    wanted = func.count(source_record.c.source_record_id)
    joined = source_body.outerjoin(
        source_record, source_record.c.source_body_id == source_body.c.source_body_id
    )
    stale = (
        select(source_body.c.source_body_id)
        .select_from(joined)
        .group_by(source_body.c.source_body_id, source_body.c.records)
        .having(wanted < source_body.c.records)
    )
    with engine.connect() as connection:
        blocks = set(connection.scalars(stale)) if among is None else set()
        for chunk in chunks(among or (), CHUNK):
            blocks.update(connection.scalars(stale.where(source_body.c.source_body_id.in_(chunk))))
    for source_body_id in sorted(blocks):
        with writing(engine) as connection:
            _compact(connection, source_body_id)


def _compact(connection: Connection, source_body_id: int) -> None:
    columns = source_record.c
    pointing = select(columns.source_record_id, columns.body_line)
    records = connection.execute(pointing.where(columns.source_body_id == source_body_id)).all()
    lines = _block(connection, source_body_id)
    here = source_body.c.source_body_id == source_body_id
    if not records:
        connection.execute(delete(source_body).where(here))
        return
    content = _pack([lines[line] for _, line in records])
    connection.execute(update(source_body).where(here).values(records=len(records), content=content))
    moved = update(source_record).where(columns.source_record_id == bindparam("key"))
    moves = [{"key": key, "line": number} for number, (key, _) in enumerate(records)]
    connection.execute(moved.values(body_line=bindparam("line")), moves)


def _records() -> Select[Any]:
    columns = source_record.c
    return select(
        columns.source_record_id,
        columns.source,
        columns.kind,
        columns.record_id,
        columns.content_hash,
        columns.source_body_id,
        columns.body_line,
    ).where(columns.source_body_id.is_not(None))


def _stored(row: Row[Any], lines: list[bytes]) -> Stored:
    body: Body = orjson.loads(lines[row.body_line])
    record = SourceRecord(row.kind, row.record_id, f"{row.kind}:{row.source_record_id:x}", body)
    place = Place(row.source_body_id, row.body_line)
    return Stored(row.source_record_id, row.source, record, row.content_hash, place)


def _block(connection: Connection, source_body_id: int) -> list[bytes]:
    statement = select(source_body.c.content).where(source_body.c.source_body_id == source_body_id)
    return zlib.decompress(connection.execute(statement).scalar_one()).split(b"\n")


def _pack(lines: list[bytes]) -> bytes:
    return zlib.compress(b"\n".join(lines), FAST)
