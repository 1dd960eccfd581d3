"""The state of one load: what becomes of each record of a batch, before and after the batch is written."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

import orjson
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, ProgrammingError

from cdm.database import RefusedRowError, chunks
from cdm.etl import MAPPERS
from cdm.etl.context import Context
from cdm.etl.fhir.words.labels import doubt_labelled
from cdm.etl.fhir.words.plain_references import make_plain, names_of
from cdm.etl.fhir.words.references import has_nested_modifier
from cdm.etl.identity import Identity
from cdm.etl.loader import settle
from cdm.etl.loader.due import due_people
from cdm.etl.loader.kept_resources import Place, Stored, kept_content
from cdm.etl.loader.parts import WHOLE, Part, missed, overlapping
from cdm.etl.loader.quarantine import Quarantine, Rejected
from cdm.etl.loader.runs import mapping_fingerprint
from cdm.etl.loader.store import Change, Known, Store, last_updated
from cdm.etl.loader.summary import LoadSummary
from cdm.etl.profile import Profile
from cdm.etl.record import Body, Excluded, Row, SourceRecord, Unmappable, Unreadable
from cdm.vocabulary.concepts import Vocabulary
from cdm.vocabulary.doubts import DOUBTS, DOUBTS_OF_READER

# What a driver says of a value that it cannot bind or store; a full disk or a lost server is none of these.
REFUSED = (RefusedRowError, DataError, IntegrityError, InterfaceError, ProgrammingError, OverflowError)
# What a mapper runs into where an element does not have the shape that its standard gives it.
MISSHAPEN = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
CONTENT_DIGITS = 32  # of a content hash; what stands behind is the mapping's fingerprint
CONDITIONAL = re.compile(rb'"reference":"[A-Za-z]*\?')  # a reference as orjson writes it
AT_ONCE = 2_000  # records mapped anew in one transaction
REMEMBERED = 5_000  # bodies of records that others look into
Called = tuple[int, str]  # the key of a record that has a name, and its `Kind/id`


class Candidate(NamedTuple):
    """A record to map, unless it is known: where it was kept before, `place` says where."""

    key: int
    source: str
    record: SourceRecord
    content_hash: str
    content: bytes
    place: Place | None = None
    counted: bool = True
    names: frozenset[int] = frozenset()


class Loading:
    """One load of one source, batch by batch."""

    def __init__(
        self,
        engine: Engine,
        source: str,
        identity: Identity,
        run_id: int,
        profile: Profile,
        part: Part = WHOLE,
    ) -> None:
        self.summary = LoadSummary(source, run_id)
        self.quarantine = Quarantine(engine, source, run_id, identity, part)
        self.store = Store(engine, source, run_id, identity, self.quarantine)
        self._part = part
        self.fingerprint = mapping_fingerprint(engine, profile)
        self._source = source
        self._identity = identity
        self._vocabulary = Vocabulary(engine)
        self._profile = profile
        self._contexts: dict[str, Context] = {}
        self._engine = engine
        self._use_merges()
        self._batch: dict[int, Body | None] = {}
        self._bodies: dict[int, Body | None] = {}
        self._called: defaultdict[int, list[Called]] = defaultdict(list)
        self._named: dict[int, Called | None] = {}
        self._new_keys: set[int] = set()  # of the batch, those whose content is new
        self._needs: set[int] = set()

    def take(self, batch: Iterable[SourceRecord | Unreadable]) -> None:
        """Load one batch in one transaction; what is not mapped, or not readable, is counted."""
        rejected: list[Rejected] = []
        candidates: list[Candidate] = []
        for record in batch:
            if isinstance(record, Unreadable):
                rejected.append(Rejected(*record, None))
            elif record.kind not in MAPPERS:
                self.summary.kinds[record.kind].not_mapped_yet += 1
            else:
                candidate = self._candidate(record)
                (candidates if isinstance(candidate, Candidate) else rejected).append(candidate)  # type: ignore[arg-type]
        known = self.store.known([one.key for one in candidates])
        self._load(self._new(candidates, known), known, rejected)

    def seen(self, records: Iterable[SourceRecord | Unreadable]) -> Iterator[SourceRecord | Unreadable]:
        """The records that fall to this process; that their files were read again is noted of all."""
        for record in records:
            self.quarantine.saw(record.position)
            if self._part.of == 1 or self._part.has(self._key_of(record)):
                yield record

    def _key_of(self, record: SourceRecord | Unreadable) -> int | None:
        if isinstance(record, Unreadable) or record.kind not in MAPPERS:
            return None
        return self.store.record_key(self._source, record.kind, record.record_id)

    def remap(self, stored: Iterable[Stored]) -> None:
        """Map anew, in one transaction, records as they were kept."""
        candidates = [self._again(one) for one in stored]
        self._load(candidates, self.store.known([one.key for one in candidates]), [])

    def settle(self, together: Iterable[int]) -> None:
        """Give the rows to whom they belong (settle.py): merged patients are one, and nobody's rows wait.

        `together` are runs of other processes that loaded parts of the source.
        """
        at_once = overlapping(self._engine, self.summary.run_id) | set(together)
        self._remap_records(missed(self._engine, at_once) | self.summary.reached)
        self._use_merges()
        self._remap_records(settle.unsettled(self._engine, self._identity))
        settle.mark_settled(self._engine)
        people = due_people(self._engine)
        self._remap_records(settle.arrived(self._engine, self.store, people))
        self.summary.waiting = settle.set_aside(self._engine, self.store, people)

    def _use_merges(self) -> None:
        self._identity = self._identity.after(settle.merges(self._engine))
        self._contexts.clear()

    def _remap_records(self, keys: Iterable[int]) -> None:
        for chunk in chunks(keys, AT_ONCE):
            candidates = [self._again(one, counted=False) for one in self.store.bodies(chunk)]
            self._load(candidates, self.store.known(chunk), [])

    def _candidate(self, record: SourceRecord) -> Candidate | Rejected:
        """The record with its hash, which is empty of one taken back."""
        key = self.store.record_key(self._source, record.kind, record.record_id)
        if record.deleted:
            return Candidate(key, self._source, record, "", b"")
        try:
            content = orjson.dumps(record.body, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # nested too deep, or a number beyond 64 bits
            return _misshapen(record, key)
        content_hash = blake2b(content, digest_size=CONTENT_DIGITS // 2).hexdigest() + self.fingerprint
        # An identifier without a kind is a patient's, as good as always.
        called = (name for name in names_of(record.body) if record.kind == "Patient" or name[0] != "?")
        names = frozenset(self._name_key(self._source, name) for name in called)
        return Candidate(key, self._source, record, content_hash, content, names=names)

    def _again(self, stored: Stored, counted: bool = True) -> Candidate:
        content_hash = stored.content_hash[:CONTENT_DIGITS] + self.fingerprint
        record = stored.record
        return Candidate(stored.key, stored.source, record, content_hash, b"", stored.place, counted)

    def _new(self, candidates: list[Candidate], known: dict[int, Known]) -> list[Candidate]:
        """Those of which this version, or a newer one, is not there already."""
        new: list[Candidate] = []
        for one in candidates:
            if one.key in known and _is_old(one, known[one.key]):
                self.summary.kinds[one.record.kind].unchanged += 1
            else:
                new.append(one)
        return new

    def _load(self, candidates: list[Candidate], known: dict[int, Known], rejected: list[Rejected]) -> None:
        # What others look into is what this batch says, not what was there before.
        self._batch = {one.key: None if one.record.deleted else one.record.body for one in candidates}
        for key in self._bodies.keys() & self._batch.keys():
            del self._bodies[key]
        self._named, self._called = {}, defaultdict(list)
        self._new_keys = {one.key for one in candidates if one.place is None}
        for one in candidates:
            for name in one.names:
                self._called[name].append((one.key, f"{one.record.kind}/{one.record.record_id}"))
        changes: list[Change] = []
        seen: set[int] = set()
        while candidates:
            seen |= {one.key for one in candidates}
            self._map_all(candidates, known, changes, rejected)
            # Mapped together with what they depend on: a kill leaves both old or both new.
            reached = self.store.touched_by(changes) - seen
            for_later = {key for key in reached if not self._part.has(key)}  # by whom loads them, at the end
            self.summary.reached |= for_later
            reached -= for_later
            candidates = [self._again(one, counted=False) for one in self.store.bodies(reached)]
            known |= self.store.known([one.key for one in candidates])
        self._write(changes, rejected)

    def _map_all(
        self,
        candidates: list[Candidate],
        known: dict[int, Known],
        changes: list[Change],
        rejected: list[Rejected],
    ) -> None:
        for one in candidates:
            outcome = self._map(one, one.key in known)
            if isinstance(outcome, Rejected):
                rejected.append(outcome)
            else:
                changes.append(outcome)

    def _map(self, one: Candidate, known: bool) -> Change | Rejected:
        record = one.record
        rows: list[Row] = []
        context = self._context(one.source)
        reason = "deleted at the source" if record.deleted else ""
        self._needs = set()
        if not record.deleted:
            context.kind, context.doubts, context.merges = record.kind, Counter(), {}
            try:
                if b'"modifierExtension"' in one.content and has_nested_modifier(record.body):
                    raise Unmappable("modifier-extension", "a modifier deep inside may change the meaning")
                rows = MAPPERS[record.kind](self._plain(one), context)
                doubt_labelled(record.body, context)
            except Excluded as excluded:
                reason = excluded.reason
            except Unmappable as error:
                return Rejected(record.kind, record.position, error.code, error.reason, one.key)
            except (*MISSHAPEN, *REFUSED):  # refused: a code that cannot even be looked up
                return _misshapen(record, one.key)
        content = kept_content(record, one.content) if one.content else b""
        return Change(
            *(one.key, one.source, record, one.content_hash, rows, reason, known),
            content=content,
            place=one.place,
            needs=self._needs,
            names=set(one.names),
            counted=one.counted,
            doubts=_doubts(record, context.doubts),
            merges={} if record.deleted else dict(context.merges),
        )

    def _context(self, source: str) -> Context:
        """The context of a source; beside our own those of records that ours reach."""
        if source not in self._contexts:
            self._contexts[source] = Context(
                source,
                self._identity,
                self._vocabulary,
                self._profile,
                lambda kind, record_id: self._find(source, kind, record_id),
                find_named=lambda name: self._find_named(source, name),
            )
        return self._contexts[source]

    def _plain(self, one: Candidate) -> Body:
        """The record's body; references by an identifier are made plain, of which the record is here."""
        content = one.content or orjson.dumps(one.record.body)
        if b'"identifier":{' not in content and not (b"?" in content and CONDITIONAL.search(content)):
            return one.record.body  # nearly all of them
        body: Body = orjson.loads(content)
        make_plain(body, lambda name: self._find_named(one.source, name))
        return body

    def _find_named(self, source: str, name: str) -> str | None:
        """`Kind/id` of the record that has a name, noting that it was looked for."""
        if "?" not in name:
            return None
        key = self._name_key(source, name)
        self._needs.add(key)
        if key not in self._named:
            # The kept content of a record has no identifiers: one mapped anew has the names that it had.
            before = (one for one in self.store.named(key) if one[0] not in self._new_keys)
            self._named[key] = min((*self._called.get(key, ()), *before), default=None)
        found = self._named[key]
        return found[1] if found else None

    def _name_key(self, source: str, name: str) -> int:
        return self._identity.hash63("name", source, name)

    def _find(self, source: str, kind: str, record_id: str) -> Body | None:
        """The body of a record that another one looks into; that it did is noted."""
        key = self.store.record_key(source, kind, record_id)
        self._needs.add(key)
        if key in self._batch:
            return self._batch[key]
        if key not in self._bodies:
            if len(self._bodies) >= REMEMBERED:
                self._bodies.clear()
            found = self.store.bodies([key])
            self._bodies[key] = found[0].record.body if found else None
        return self._bodies[key]

    def _write(self, changes: list[Change], rejected: list[Rejected]) -> None:
        """Write a batch; a record that the database refuses goes to quarantine alone."""
        context = self._context(self._source)
        persons = self._new_persons()
        unmapped = dict(context.unmapped)
        context.unmapped.clear()
        self.summary.unmapped.update((system, code) for system, code, _ in unmapped)
        try:
            self.store.write(changes, rejected, persons, unmapped)
        except REFUSED:
            self.store.write([], rejected, persons, unmapped)
            rejected = rejected + self._write_one_by_one(changes)
        for change in changes:
            if change.counted:
                self._count(change)
        for one in rejected:
            self.summary.kinds[one.kind].quarantined += 1

    def _new_persons(self) -> dict[tuple[str, str], int]:
        """(source, patient id) -> the person of everybody who was named for the first time."""
        found = {
            (source, name): person_id
            for source, context in self._contexts.items()
            for name, person_id in context.new_persons.items()
        }
        for context in self._contexts.values():
            context.new_persons = {}
        return found

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
        self.summary.doubts.update(change.doubts)


def _doubts(record: SourceRecord, found: Counter[str]) -> Counter[str]:
    """The doubts of a mapped record: those of its mapper, and of its reader if that is one of ours."""
    if record.deleted:
        return Counter()
    of_reader = record.body.get(DOUBTS_OF_READER)
    if "resourceType" not in record.body and isinstance(of_reader, dict):
        found.update({kind: times for kind, times in of_reader.items() if kind in DOUBTS})
    return found


def _misshapen(record: SourceRecord, key: int) -> Rejected:
    reason = "an element does not have the shape that its standard gives it"
    return Rejected(record.kind, record.position, "malformed-record", reason, key)


def _is_old(one: Candidate, known: Known) -> bool:
    """Whether the CDM has this version of the record already, or a newer one: files come in any order."""
    if one.content_hash == known.content_hash:
        return True
    updated = last_updated(one.record) if known.last_updated else None
    return updated is not None and known.last_updated is not None and updated < known.last_updated
