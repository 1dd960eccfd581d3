"""What a person can do with answers that wait for review: look at what would leave, let it go, refuse it."""

from dataclasses import dataclass
from pathlib import Path

from protocols.runtime.accounts.machine import unix_user
from site_node.governance import approvals, holds
from site_node.governance.holds import HeldAnswer


@dataclass(frozen=True)
class HeldAnswers:
    """The answers that wait, the oldest first; `names` maps the hash of each study to its name."""

    answers: tuple[HeldAnswer, ...]
    names: dict[str, str]
    schema_version: int = 1


@dataclass(frozen=True)
class Reviewed:
    """A held answer, and the name of its study."""

    answer: HeldAnswer
    study: str
    schema_version: int = 1


def listed(home: Path) -> HeldAnswers:
    """The answers that wait for people, with what each would let out."""
    found = tuple(holds.waiting(home))
    return HeldAnswers(found, {one.study: _name(home, one) for one in found})


def shown(home: Path, answer: str) -> Reviewed:
    """What a held answer would let out, in words and numbers: of a sum, this site's own part.

    Raises:
        InputError: no answer is held under that name.
    """
    return _reviewed(home, holds.find(home, answer))


def release(home: Path, answer: str, *, by: str = "", note: str = "") -> Reviewed:
    """The answer after one person has let it go; it leaves once all that the policy wants have.

    Args:
        by: who has looked; the Unix user, who is kept in any case, where it is empty.

    Raises:
        InputError: no answer is held under that name, it is decided, or the person has let it go already.
    """
    return _reviewed(home, holds.let_go(home, answer, by=by or unix_user(), note=note))


def refuse(home: Path, answer: str, *, by: str = "", note: str = "") -> Reviewed:
    """The answer after it was refused: it never leaves. The coordinator learns that it is withheld, not why.

    Raises:
        InputError: no answer is held under that name, or it is decided.
    """
    return _reviewed(home, holds.refuse(home, answer, by=by or unix_user(), note=note))


def _reviewed(home: Path, answer: HeldAnswer) -> Reviewed:
    return Reviewed(answer, _name(home, answer))


def _name(home: Path, answer: HeldAnswer) -> str:
    return approvals.find(home, answer.study).name
