"""What a person can ask of the audit: its lines, whether its chain is whole, what left the site."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from site_node.governance import audit, ledger
from site_node.governance.ledger import ReleasedAnswer


@dataclass(frozen=True)
class AuditLine:
    """One decision or answer; the facts are names, counts, codes and digests."""

    at: datetime
    event: str
    facts: Mapping[str, object]


@dataclass(frozen=True)
class AuditLines:
    """Lines of the audit, the oldest first."""

    lines: tuple[AuditLine, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Chain:
    """An audit whose chain is whole; a broken one is an error."""

    lines: int
    schema_version: int = 1


@dataclass(frozen=True)
class Releases:
    """Every answer that left this site, the oldest first."""

    answers: tuple[ReleasedAnswer, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class ExportedAudit:
    """The audit in a file."""

    lines: int
    file: Path
    schema_version: int = 1


def shown(home: Path, *, last: int = 20) -> AuditLines:
    """The last lines of the audit."""
    kept = list(audit.lines(home))[-last:]
    return AuditLines(tuple(_line(line) for line in kept))


def verify(home: Path) -> Chain:
    """The number of lines, none of which was altered, removed or put in another order.

    Raises:
        StudyError: tampered; the text says at which line the chain breaks.
    """
    return Chain(audit.verify(home))


def releases(home: Path) -> Releases:
    """The answers that left this site, each with the digest of its exact bytes."""
    return Releases(tuple(ledger.released(home)))


def export(home: Path, file: Path) -> ExportedAudit:
    """The whole audit in a file, after its chain was checked.

    Raises:
        StudyError: tampered; nothing is written.
    """
    count = audit.verify(home)
    file.write_bytes((home / audit.FILE).read_bytes() if count else b"")
    return ExportedAudit(count, file)


def _line(line: Mapping[str, object]) -> AuditLine:
    facts = {name: fact for name, fact in line.items() if name not in ("at", "event", "after", "hash")}
    return AuditLine(datetime.fromisoformat(str(line["at"])), str(line["event"]), facts)
