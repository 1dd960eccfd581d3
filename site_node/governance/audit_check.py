"""Whether an audit is the one that was written: its chain, the heads that it told, the answers that left.

A chain that was made again, or whose end was cut, is whole in itself. So `verify` also looks for the heads
that this site told and that others keep, and for every answer of the register. `mend` is the way on after
damage: it hides nothing, for what is lost stands in the line that says so.
"""

from collections.abc import Collection
from pathlib import Path

from protocols.core.errors import Code, StudyError
from protocols.runtime import audit_mend
from protocols.runtime.audit_chain import ChainLine
from protocols.runtime.audit_mend import MENDED, Mended
from site_node.governance import audit, audit_heads, ledger


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
    return audit_mend.mend(home, lambda chain: set().union(*_missing(home, chain, ())))


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
