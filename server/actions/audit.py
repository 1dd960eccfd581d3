"""What a person can ask of the center's audit: its lines, whether it is whole, a way on after damage."""

from dataclasses import dataclass
from pathlib import Path

from protocols.runtime import audit_chain, audit_mend
from protocols.runtime.audit_chain import AuditLines
from protocols.runtime.audit_mend import MendedAudit
from server.home.config import load


@dataclass(frozen=True)
class Chain:
    """An audit that is whole; a broken one is an error."""

    lines: int
    schema_version: int = 1


def shown(home: Path, *, last: int = 20) -> AuditLines:
    """The last lines of the audit."""
    return audit_chain.shown(load(home).home, last=last)


def verify(home: Path) -> Chain:
    """The number of lines, none of which was altered, removed or put in another order.

    Nobody else keeps heads of a center's audit: whoever has its key can make the whole chain again.

    Raises:
        StudyError: audit-damaged; the text says at which line the chain breaks.
    """
    return Chain(sum(1 for _ in audit_chain.whole_lines(load(home).home)))


def mend(home: Path) -> MendedAudit:
    """The audit that goes on after damage; what is lost of it stands in its next line.

    Raises:
        InputError: already-exists; nothing is damaged.
    """
    return MendedAudit(audit_mend.mend(load(home).home))
