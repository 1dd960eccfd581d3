"""The one loader, for all kinds of sources: batches of records into the CDM, safe to kill and to repeat.

A batch is one transaction: the rows, the content hashes that make the next load skip them, and the
quarantine. Killed between two batches or inside one, a load is finished by running it again. Mapping happens
before the transaction begins, so that the write lock is held for the writing alone.
"""

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from sqlalchemy import Engine, select

from cdm.etl.identity import Identity
from cdm.etl.loader.batch import CONTENT_DIGITS, Loading
from cdm.etl.loader.indexes import make_missing, repack, wait_with_indexes
from cdm.etl.loader.kept_resources import compact, read_block
from cdm.etl.loader.parts import WHOLE, Part
from cdm.etl.loader.periods import derive_due
from cdm.etl.loader.runs import begin_run, finish_run, was_interrupted
from cdm.etl.loader.summary import LoadSummary
from cdm.etl.profile import Profile
from cdm.etl.record import SourceRecord, Unreadable
from cdm.progress import Progress
from cdm.schema import source_record

BATCH = 10_000  # each writes the pages of all keys that it adds: the larger, the less is written twice
BATCH_BYTES = 32 * 1024 * 1024  # parsed, a batch of this size takes about 200 MB
USUAL = Profile()


def load(
    engine: Engine,
    records: Iterable[SourceRecord | Unreadable],
    source: str,
    identity: Identity,
    progress: Progress = lambda count: None,
    batch_size: int = BATCH,
    profile: Profile = USUAL,
    part: Part = WHOLE,
) -> LoadSummary:
    """The summary of loading `records`: each is loaded, unchanged, removed, excluded or in quarantine.

    `source` names where they come from for good (`fhir`, `pacs`): the same record of the same source is
    replaced, of another source it is another record. A newer version that cannot be loaded goes to quarantine
    and leaves the older one's rows. `progress` is told how many records each batch had;
    `batch_size` is small where a record takes long to make, so that a kill loses little. Of several processes
    that load the same records each takes a `part`; `finish_parts` ends what they did.
    """
    with _running(engine, source, identity, profile, part) as loading:
        for batch in _batches(loading.seen(records), batch_size):
            loading.take(batch)
            progress(len(batch))
        loading.quarantine.resolve_fixed()
    return loading.summary


def finish_parts(
    engine: Engine, parts: list[LoadSummary], identity: Identity, profile: Profile = USUAL
) -> LoadSummary:
    """The summary of a source that several processes have loaded: what follows from all its rows is made."""
    together = [part.run_id for part in parts]
    with _running(engine, parts[0].source, identity, profile, together=together) as loading:
        for part in parts:
            loading.summary.add(part)
    return loading.summary


def remap(
    engine: Engine,
    identity: Identity,
    progress: Progress = lambda count: None,
    profile: Profile = USUAL,
) -> list[LoadSummary]:
    """The summaries, a source each, of mapping anew what is loaded, where map, vocabulary or profile changed.

    The records' sources are not needed: the CDM is as if they were loaded again.
    """
    return [_remap(engine, source, identity, progress, profile) for source in _sources(engine)]


def _remap(
    engine: Engine, source: str, identity: Identity, progress: Progress, profile: Profile
) -> LoadSummary:
    with _running(engine, source, identity, profile) as loading:
        for source_body_id in _blocks(engine, source):
            with engine.connect() as connection:
                stored = read_block(connection, source_body_id)
            old = [
                one
                for one in stored
                if one.source == source and one.content_hash[CONTENT_DIGITS:] != loading.fingerprint
            ]
            if old:
                loading.remap(old)
            progress(len(stored))
    return loading.summary


def _sources(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.scalars(select(source_record.c.source).distinct()))


def _blocks(engine: Engine, source: str) -> list[int]:
    columns = source_record.c
    statement = select(columns.source_body_id).where(columns.source == source).distinct()
    with engine.connect() as connection:
        wanted = connection.scalars(statement.where(columns.source_body_id.is_not(None))).all()
    return sorted(key for key in wanted if key is not None)


@contextmanager
def _running(
    engine: Engine,
    source: str,
    identity: Identity,
    profile: Profile,
    part: Part = WHOLE,
    together: Sequence[int] = (),
) -> Iterator[Loading]:
    """A load from its note in `load_run` to its end, when what follows from the rows is made anew."""
    interrupted = was_interrupted(engine)
    run_id = begin_run(engine, source, profile, part)
    wait_with_indexes(engine)
    loading = Loading(engine, source, identity, run_id, profile, part)
    with _collector_at_rest():
        yield loading
    made = part.of == 1 and make_missing(engine)
    if part.of == 1 and (loading.summary.changed or interrupted):
        loading.settle(together)
        derive_due(engine)
        compact(engine, None if interrupted or together else loading.store.left_blocks)
        if not made:
            repack(engine, loading.summary.written)
    finish_run(engine, run_id, loading.summary)


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
    """Batches in which no record appears twice: its second version waits for the next transaction."""
    upcoming, left = iter(records), True
    waiting: list[SourceRecord | Unreadable] = []
    while left or waiting:
        batch: list[SourceRecord | Unreadable] = []
        seen: set[tuple[str, str]] = set()
        earlier, waiting = iter(waiting), []
        left, read = False, 0
        for record in chain(earlier, upcoming):
            if isinstance(record, SourceRecord):
                name = (record.kind, record.record_id)
                (waiting if name in seen else batch).append(record)
                seen.add(name)
                read += record.size
            else:
                batch.append(record)
            if max(len(batch), len(waiting)) >= size or read >= BATCH_BYTES:
                left = True
                break
        waiting += earlier  # where the batch was full before they were all taken
        if batch:
            yield batch
