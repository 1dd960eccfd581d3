"""The one loader, for all kinds of sources: batches of records into the CDM, safe to kill and to repeat.

A batch is one transaction: the rows, the content hashes that make the next load skip them, and the
quarantine. Killed between two batches or inside one, a load is finished by running it again. Mapping happens
before the transaction begins, so that the write lock is held for the writing alone.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

import orjson
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, ProgrammingError

from cdm.concepts import Vocabulary
from cdm.database import RefusedRowError
from cdm.etl import MAPPERS
from cdm.etl.context import Context
from cdm.etl.derived import derive
from cdm.etl.identity import Identity
from cdm.etl.quarantine import Quarantine, Rejected
from cdm.etl.record import Excluded, Row, SourceRecord, Unmappable, Unreadable
from cdm.etl.runs import begin_run, finish_run, mapping_fingerprint, was_interrupted
from cdm.etl.store import Change, Known, Store, last_updated
from cdm.etl.summary import LoadSummary

BATCH = 2000
# What a mapper runs into where an element does not have the shape that its standard gives it.
# What a driver says of a value that it cannot bind or store; a full disk or a lost server is none of these.
REFUSED = (RefusedRowError, DataError, IntegrityError, InterfaceError, ProgrammingError, OverflowError)
MISSHAPEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)

Progress = Callable[[int], None]


def load(
    engine: Engine,
    records: Iterable[SourceRecord | Unreadable],
    source: str,
    identity: Identity,
    progress: Progress = lambda count: None,
    batch_size: int = BATCH,
) -> LoadSummary:
    """The summary of loading `records`: each is loaded, unchanged, removed, excluded or in quarantine.

    `source` names where they come from for good (`fhir`, `pacs`): the same record of the same source is
    replaced, of another source it is another record. A newer version that cannot be loaded goes to quarantine
    and leaves the older one's rows. `progress` is told how many records each batch had;
    `batch_size` is small where a record takes long to make, so that a kill loses little.
    """
    interrupted = was_interrupted(engine)
    run_id = begin_run(engine, source)
    loading = _Loading(engine, source, identity, run_id)
    with _collector_at_rest():
        for batch in _batches(records, batch_size):
            loading.take(batch)
            progress(len(batch))
    loading.quarantine.resolve_fixed()
    if loading.summary.changed or interrupted:
        derive(engine)
    loading.summary.unmapped_codes = len(loading.unmapped)
    finish_run(engine, run_id, loading.summary)
    return loading.summary


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Lets the garbage collector run seldom, which saves a third of a load's time.

    Records are trees without cycles: reference counts free them, and the memory does not grow (measured).
    """
    usual = gc.get_threshold()
    gc.set_threshold(200_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _batches(
    records: Iterable[SourceRecord | Unreadable], size: int
) -> Iterator[list[SourceRecord | Unreadable]]:
    """Batches in which no record stands twice: a second version waits for the next transaction."""
    batch: list[SourceRecord | Unreadable] = []
    seen: set[tuple[str, str]] = set()
    for record in records:
        name = (record.kind, record.record_id) if isinstance(record, SourceRecord) else None
        if len(batch) >= size or name in seen:
            yield batch
            batch, seen = [], set()
        batch.append(record)
        if name:
            seen.add(name)
    if batch:
        yield batch


class _Loading:
    """The state of one load."""

    def __init__(self, engine: Engine, source: str, identity: Identity, run_id: int) -> None:
        self.context = Context(source, identity, Vocabulary(engine))
        self.summary = LoadSummary(source, run_id)
        self.quarantine = Quarantine(engine, source, run_id, identity)
        self.store = Store(engine, source, run_id, identity, self.quarantine)
        self.unmapped: set[tuple[str, str]] = set()
        self._hash = blake2b(digest_size=16, key=mapping_fingerprint(engine))

    def take(self, batch: list[SourceRecord | Unreadable]) -> None:
        """Load one batch in one transaction; a record that the database refuses goes to quarantine alone."""
        changes, rejected = self._sort(batch)
        persons, self.context.new_persons = self.context.new_persons, {}
        unmapped = dict(self.context.unmapped)
        self.context.unmapped.clear()
        self.unmapped.update((system, code) for system, code, _ in unmapped)
        try:
            self.store.write(changes, rejected, persons, unmapped)
        except REFUSED:
            self.store.write([], rejected, persons, unmapped)
            rejected = rejected + self._write_one_by_one(changes)
        for change in changes:
            self._count(change)
        for one in rejected:
            self.summary.kinds[one.kind].quarantined += 1

    def _sort(self, batch: list[SourceRecord | Unreadable]) -> tuple[list[Change], list[Rejected]]:
        """What is to be written, and what cannot be; all else is counted here."""
        rejected: list[Rejected] = []
        candidates: list[tuple[int, SourceRecord, str]] = []
        for record in batch:
            self.quarantine.saw(record.position)
            if isinstance(record, Unreadable):
                rejected.append(Rejected(*record, None))
            elif record.kind not in MAPPERS:
                self.summary.kinds[record.kind].not_mapped_yet += 1
            else:
                key = self.store.record_key(record.kind, record.record_id)
                try:
                    candidates.append((key, record, self._content_hash(record)))
                except TypeError:  # orjson: nested too deep, or a number beyond 64 bits
                    rejected.append(_misshapen(record, key))
        known = self.store.known([key for key, _, _ in candidates])
        changes: list[Change] = []
        for key, record, content_hash in candidates:
            if key in known and _is_old(record, content_hash, known[key]):
                self.summary.kinds[record.kind].unchanged += 1
                continue
            outcome = self._map(key, record, content_hash, key in known)
            if isinstance(outcome, Rejected):
                rejected.append(outcome)
            else:
                changes.append(outcome)
        return changes, rejected

    def _content_hash(self, record: SourceRecord) -> str:
        """The hash of a record's content and of all else that decides its rows; empty of one taken back."""
        if record.deleted:
            return ""
        content = self._hash.copy()
        content.update(orjson.dumps(record.body, option=orjson.OPT_SORT_KEYS))
        return content.hexdigest()

    def _map(self, key: int, record: SourceRecord, content_hash: str, known: bool) -> Change | Rejected:
        if record.deleted:
            return Change(key, record, content_hash, [], "deleted at the source", known)
        self.context.kind = record.kind
        rows: list[Row] = []
        reason = ""
        try:
            rows = MAPPERS[record.kind](record.body, self.context)
        except Excluded as excluded:
            reason = excluded.reason
        except Unmappable as error:
            return Rejected(record.kind, record.position, error.code, error.reason, key)
        except (*MISSHAPEN, *REFUSED):  # refused: a code that cannot even be looked up
            return _misshapen(record, key)
        return Change(key, record, content_hash, rows, reason, known)

    def _write_one_by_one(self, changes: list[Change]) -> list[Rejected]:
        """What the database refuses of a batch that it refused as a whole; `changes` keeps the rest."""
        refused: list[Rejected] = []
        for change in list(changes):
            try:
                self.store.write([change], [], {}, {})
            except REFUSED:
                changes.remove(change)
                text = "a value does not fit its column"
                kind, position = change.record.kind, change.record.position
                refused.append(Rejected(kind, position, "refused-by-database", text, change.key))
        self.store.write([], refused, {}, {})
        return refused

    def _count(self, change: Change) -> None:
        counts = self.summary.kinds[change.record.kind]
        if change.excluded and change.had_rows:
            counts.removed += 1
        elif change.excluded:
            counts.exclude(change.excluded)
        elif change.known:
            counts.replaced += 1
        else:
            counts.loaded += 1


def _misshapen(record: SourceRecord, key: int) -> Rejected:
    reason = "an element does not have the shape that its standard gives it"
    return Rejected(record.kind, record.position, "malformed-record", reason, key)


def _is_old(record: SourceRecord, content_hash: str, known: Known) -> bool:
    """Whether the CDM has this version of the record already, or a newer one: files come in any order."""
    if content_hash == known.content_hash:
        return True
    updated = last_updated(record) if known.last_updated else None
    return updated is not None and known.last_updated is not None and updated < known.last_updated
