"""What could not be loaded: where it stands, a code and a reason, never a value, until a retry succeeds."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, and_, select, update

from cdm.database import CHUNK, chunks, upsert, writing
from cdm.etl.identity import Identity
from cdm.etl.loader.parts import WHOLE, Part
from cdm.schema import quarantine

POSITION_LENGTH = 255


class Rejected(NamedTuple):
    """A place in a source, or a record (`key`), that goes to quarantine."""

    kind: str
    position: str
    code: str
    reason: str
    key: int | None


class Quarantine:
    """The quarantine during one load of one source.

    What an earlier load put there is resolved when its record loads, or when its file was read again and this
    load did not complain about the same place.
    """

    def __init__(
        self, engine: Engine, source: str, run_id: int, identity: Identity, part: Part = WHOLE
    ) -> None:
        self._engine = engine
        self._source = source
        self._run_id = run_id
        self._identity = identity
        self._part = part
        self._by_file: defaultdict[str, set[int]] = defaultdict(set)
        self._by_record: defaultdict[int, set[int]] = defaultdict(set)
        self._fixed: set[int] = set()
        self._read_open()

    def _read_open(self) -> None:
        columns = quarantine.c
        statement = select(columns.quarantine_id, columns.position, columns.source_record_id).where(
            and_(columns.source == self._source, columns.resolved.is_(False))
        )
        with self._engine.connect() as connection:
            for quarantine_id, position, key in connection.execute(statement):
                if not self._part.has(key):  # another process says whether it is still so
                    continue
                self._by_file[_file_of(position)].add(quarantine_id)
                if key is not None:
                    self._by_record[key].add(quarantine_id)

    def saw(self, position: str) -> None:
        """Take note that something was read in this file."""
        if self._by_file:
            self._fixed |= self._by_file.pop(_file_of(position[-POSITION_LENGTH:]), set())

    def loaded(self, keys: Iterable[int]) -> None:
        """Take note that these records are in the CDM now."""
        if self._by_record:
            for key in keys:
                self._fixed |= self._by_record.pop(key, set())

    def write(self, connection: Connection, rejected: Iterable[Rejected]) -> None:
        """Put the rejected places there; the same complaint about the same place or record stays one row."""
        places = list(rejected)
        for place in places:
            if place.key is not None:  # the record may have been read from another folder before
                self._fixed |= self._by_record.pop(place.key, set())
        upsert(connection, quarantine, map(self._row, places))

    def resolve_fixed(self) -> None:
        """Mark as resolved what an earlier load put there and this one did not."""
        columns = quarantine.c
        with writing(self._engine) as connection:
            for chunk in chunks(sorted(self._fixed), CHUNK):
                fixed = and_(columns.quarantine_id.in_(chunk), columns.run_id != self._run_id)
                connection.execute(update(quarantine).where(fixed).values(resolved=True))

    def _row(self, rejected: Rejected) -> dict[str, Any]:
        name = ("quarantine", self._source, rejected.position, rejected.code)
        return {
            "quarantine_id": self._identity.hash63(*name),
            "source": self._source,
            "position": rejected.position[-POSITION_LENGTH:],
            "kind": rejected.kind[:50],
            "code": rejected.code,
            "reason": rejected.reason,
            "run_id": self._run_id,
            "source_record_id": rejected.key,
            "resolved": False,
        }


def _file_of(position: str) -> str:
    return position.partition(":")[0]
