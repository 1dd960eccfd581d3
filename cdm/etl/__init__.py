"""From a source's record to rows of the CDM: one mapper a kind of record, and MAPPERS is their list."""

from cdm.etl.context import Context
from cdm.etl.identity import Identity
from cdm.etl.record import Excluded, Mapper, Row, SourceRecord, Unmappable, Unreadable

MAPPERS: dict[str, Mapper] = {}

__all__ = [
    "MAPPERS",
    "Context",
    "Excluded",
    "Identity",
    "Mapper",
    "Row",
    "SourceRecord",
    "Unmappable",
    "Unreadable",
]
