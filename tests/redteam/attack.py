"""What an attack is: one function that attacks a site that was weakened, and one as shipped."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

from site_node.governance import numbers_told


@dataclass(frozen=True)
class Figure:
    """What an attack got: a number, more is worse, and what it counts ("of 200 ages, error 2e-12")."""

    got: float
    what: str

    def __str__(self) -> str:
        return f"{self.got:.3g} {self.what}"


Attempt = Callable[[Path, bool], Figure]
"""(an empty folder, whether the site is weakened) -> what the attack got there."""


@dataclass(frozen=True)
class Attack:
    """One line of the scoreboard.

    Attributes:
        id: of the list of attacks, "RT01" to "RT68"; several attacks may be of one kind.
        name: of this attack, one word.
        title: who does what, and what for.
        attempt: the same attack on both sites, so that the one proves it and the other is proved.
        works_from: on the weakened site it must get at least this much, or it is no attack.
        holds_to: on the defaults it must get at most this much.
        slow: whether it needs more than about three seconds.
        needs: the module without which it cannot be tried.
        undefended: why the defaults do not hold yet; empty where they do. It fails the board.
    """

    id: str
    name: str
    title: str
    attempt: Attempt
    works_from: float
    holds_to: float
    slow: bool = False
    needs: str = ""
    undefended: str = ""

    def on_weakened(self, folder: Path) -> Figure:
        """What it gets of the weakened site; it counts no numbers, so that one defence is tried at a time."""
        with patch.object(numbers_told, "admit", lambda *_: True):
            return self.attempt(folder, True)

    def on_defaults(self, folder: Path) -> Figure:
        """What it gets of a site as it is shipped."""
        return self.attempt(folder, False)

    def can_be_tried(self) -> bool:
        """Whether this machine has what the attack needs."""
        return not self.needs or find_spec(self.needs) is not None


def attack(
    id: str,
    title: str,
    *,
    works_from: float,
    holds_to: float = 0,
    slow: bool = False,
    needs: str = "",
    undefended: str = "",
) -> Callable[[Attempt], Attack]:
    """Makes a function (folder, weakened) an attack; its name is the attack's."""

    def made(attempt: Attempt) -> Attack:
        name = getattr(attempt, "__name__", id)
        return Attack(id, name, title, attempt, works_from, holds_to, slow, needs, undefended)

    return made
