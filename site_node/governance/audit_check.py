"""Whether an audit is the one that was written: its chain, the heads that it told, the answers that left.

A chain that was made again, or whose end was cut, is whole in itself. So `verify` also looks for the heads
that this site told and that others keep, and for every answer of the register. `mend` is the way on after
damage: it hides nothing, for what is lost stands in the line that says so.
"""

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from protocols.core.errors import Code, InputError, StudyError
from protocols.exchange.keys import write_secret
from protocols.runtime.accounts.machine import unix_user
from site_node.governance import audit, audit_heads, ledger
from site_node.governance.audit import ChainLine

MENDED = "audit-mended"


@dataclass(frozen=True)
class Mended:
    """What was lost of an audit, and the copy of it as it was found; None where its chain was whole.

    Attributes:
        kept, dropped: lines before and after the first damage.
        lost: heads that are told or kept of this audit, and answers that left, and are not in it.
    """

    kept: int
    dropped: int
    lost: int
    copy: Path | None


def verify(home: Path, heads: Collection[str] = ()) -> int:
    """The number of lines, when the audit is whole.

    Args:
        heads: what others keep of this audit, beside what they sent with their answers.

    Raises:
        StudyError: audit-damaged; the chain breaks, or a head or an answer is not in it.
    """
    chain = list(audit.whole_lines(home))
    told, kept, left = _missing(home, chain, heads)
    found = [
        f"{what}: {len(missing)}"
        for missing, what in (
            (told, "heads that this site gave out"),
            (kept, "heads that others keep"),
            (left, "answers that left"),
        )
        if missing
    ]
    if found:
        raise StudyError(
            Code.AUDIT_DAMAGED,
            f"the audit was cut or made again; missing are {', '.join(found)}",
            "find out who changed it; then shadowgraph audit mend",
        )
    return len(chain)


def refuse_damaged(home: Path) -> None:
    """Raises unless the chain is whole and has every head that this site told; asks nobody else.

    Raises:
        StudyError: audit-damaged.
    """
    if audit_heads.own(home) - _known(list(audit.whole_lines(home))):
        raise StudyError(Code.AUDIT_DAMAGED, "the audit was cut or made again", "shadowgraph audit verify")


def mend(home: Path) -> Mended:
    """Cuts the audit where its chain breaks, and writes a line of what is lost; the file as found is kept.

    Raises:
        InputError: already-exists; nothing is damaged.
    """
    with audit.locked(home) as file:
        file.seek(0)
        found = file.read()
        chain, end = _whole_part(home)
        told, kept, left = _missing(home, chain, ())
        lost = sorted(told | kept | left)
        if end == len(found) and not lost and chain:
            raise InputError(Code.ALREADY_EXISTS, "the audit is whole: there is nothing to mend")
        copy = _set_aside(home, found) if end < len(found) else None
        os.ftruncate(file.fileno(), end)
        dropped = found[end:].count(b"\n")
        facts = {"kept": len(chain), "dropped": dropped, "lost": lost, "unix_user": unix_user()}
        facts["found_sha256"] = hashlib.sha256(found).hexdigest()
        audit.append(file, home, MENDED, facts, is_restarted=True)
    return Mended(len(chain), dropped, len(lost), copy)


def _missing(
    home: Path, chain: Collection[ChainLine], heads: Collection[str]
) -> tuple[set[str], set[str], set[str]]:
    """Heads that were told, heads that others keep, and digests of answers, which are not in the chain."""
    known = _known(chain)
    answered = {line.content["sha256"] for line in chain if line.content["event"] == "answered"}
    kept = {*heads, *audit_heads.unknown(home)}
    return audit_heads.own(home) - known, kept - known, _left(home) - answered - known


def _left(home: Path) -> set[str]:
    """The digests of the answers in the register."""
    return {answer.sha256 for answer in ledger.released(home)}


def _known(chain: Collection[ChainLine]) -> set[str]:
    """The heads of a chain, and what is known to be lost since an earlier damage."""
    found = {line.head for line in chain} | {audit.FIRST}
    for line in chain:
        if line.content["event"] == MENDED:
            found.update(map(str, line.content["lost"]))
    return found


def _whole_part(home: Path) -> tuple[list[ChainLine], int]:
    """The lines before the first damage, and where they end; none if they do not bear the site's key."""
    chain: list[ChainLine] = []
    try:
        for line in audit.whole_lines(home):
            chain += [line]  # not all at once: an error keeps those before it
    except StudyError:
        is_keyed = any("mac" in line.content for line in chain)
        if (home / "keys" / audit.KEY).exists() and not is_keyed:
            return [], 0
    return chain, chain[-1].end if chain else 0


def _set_aside(home: Path, found: bytes) -> Path:
    path = home / f"audit.damaged-{hashlib.sha256(found).hexdigest()[:16]}.jsonl"
    if not path.exists():
        write_secret(path, found)
    return path
