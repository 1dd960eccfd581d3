"""The way on after an audit was damaged. It hides nothing: what is lost stands in the line that says so."""

import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from protocols.core.errors import Code, InputError, StudyError
from protocols.core.secret_files import write_secret
from protocols.runtime import audit_chain
from protocols.runtime.accounts.machine import unix_user
from protocols.runtime.audit_chain import ChainLine

MENDED = "audit-mended"


@dataclass(frozen=True)
class Mended:
    """What was lost of an audit, and the copy of it as it was found; None where its chain was whole.

    Attributes:
        kept, dropped: lines before and after the first damage.
        lost: what is known elsewhere to have been in this audit, and is not.
    """

    kept: int
    dropped: int
    lost: int
    copy: Path | None


@dataclass(frozen=True)
class MendedAudit:
    """An audit after it was mended."""

    mended: Mended
    schema_version: int = 1


def _nothing(chain: Collection[ChainLine]) -> set[str]:
    return set()


def mend(home: Path, lost_of: Callable[[Collection[ChainLine]], set[str]] = _nothing) -> Mended:
    """Cuts the audit where its chain breaks, and writes a line of what is lost; the file as found is kept.

    Args:
        lost_of: the digests that ought to be in the whole part of the chain, and are not.

    Raises:
        InputError: already-exists; nothing is damaged.
    """
    with audit_chain.locked(home) as file:
        file.seek(0)
        found = file.read()
        chain, end = _whole_part(home)
        lost = sorted(lost_of(chain))
        if end == len(found) and not lost and chain:
            raise InputError(Code.ALREADY_EXISTS, "the audit is whole: there is nothing to mend")
        copy = _set_aside(home, found) if end < len(found) else None
        os.ftruncate(file.fileno(), end)
        dropped = found[end:].count(b"\n")
        facts = {"kept": len(chain), "dropped": dropped, "lost": lost, "unix_user": unix_user()}
        facts["found_sha256"] = hashlib.sha256(found).hexdigest()
        audit_chain.append(file, home, MENDED, facts, is_restarted=True)
    return Mended(len(chain), dropped, len(lost), copy)


def _whole_part(home: Path) -> tuple[list[ChainLine], int]:
    """The lines before the first damage, and where they end; none if they do not bear the audit's key."""
    chain: list[ChainLine] = []
    try:
        for line in audit_chain.whole_lines(home):
            chain += [line]  # not all at once: an error keeps those before it
    except StudyError:
        is_keyed = any("mac" in line.content for line in chain)
        if (home / "keys" / audit_chain.KEY).exists() and not is_keyed:
            return [], 0
    return chain, chain[-1].end if chain else 0


def _set_aside(home: Path, found: bytes) -> Path:
    path = home / f"audit.damaged-{hashlib.sha256(found).hexdigest()[:16]}.jsonl"
    if not path.exists():
        write_secret(path, found)
    return path
