"""The scoreboard: each attack on a weakened site, where it works, and on the defaults, where it fails.

`python -m tests.redteam` and the tests run the same functions. A module `rt*.py` in this folder holds the
attacks of one kind; whoever adds one is on the board.
"""

import importlib
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.redteam.attack import Attack, Figure
from tests.redteam.kinds import KINDS

HERE = Path(__file__).parent


def attacks() -> list[Attack]:
    """Every attack of this folder, in the order of their kinds."""
    found: list[Attack] = []
    for path in sorted(HERE.glob("rt*.py")):
        module = importlib.import_module(f"tests.redteam.{path.stem}")
        found += [value for value in vars(module).values() if isinstance(value, Attack)]
    return sorted(found, key=lambda attack: attack.id)


@dataclass(frozen=True)
class Line:
    """What the board says of one attack, or of a kind of which there is none yet.

    Attributes:
        weakened, defaults: what the attack got, in words; or why there is no figure.
        wanted: whether it got enough of the one and little enough of the other.
        seconds: both together.
    """

    id: str
    title: str
    weakened: str
    defaults: str
    wanted: bool
    seconds: float = 0.0


def lines(chosen: tuple[str, ...] = ()) -> Iterator[Line]:
    """The board, line by line as the attacks are tried; of the kinds or attacks of these names, or of all."""
    known = attacks()
    for kind, title in KINDS.items():
        of_kind = [a for a in known if a.id == kind and (not chosen or {kind, a.name} & set(chosen))]
        yield from (tried(attack) for attack in of_kind)
        if not any(a.id == kind for a in known) and (not chosen or kind in chosen):
            yield Line(kind, title, "-", "not tried yet", False)


def tried(attack: Attack) -> Line:
    """The line of one attack, which is tried now."""
    if not attack.can_be_tried():
        return Line(attack.id, attack.title, "-", f"not tried: needs {attack.needs}", False)
    begun = time.perf_counter()
    weakened, works = _said(attack.on_weakened, lambda got: got >= attack.works_from)
    defaults, holds = _said(attack.on_defaults, lambda got: got <= attack.holds_to)
    if attack.undefended and not holds and not defaults.startswith("broken"):
        defaults = f"NOT DEFENDED: {defaults}"
    seconds = time.perf_counter() - begun
    return Line(attack.id, attack.title, weakened, defaults, works and holds, seconds)


def _said(attempt: Callable[[Path], Figure], wanted: Callable[[float], bool]) -> tuple[str, bool]:
    """The figure of an attempt in a folder of its own, in words, and whether it is as wanted."""
    with tempfile.TemporaryDirectory(prefix="redteam-") as folder:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of damaged files, of which the figure says enough
                figure = attempt(Path(folder))
        except Exception as error:  # one attack that breaks must not hide the others
            return f"broken: {type(error).__name__}: {error}", False
    return str(figure), wanted(figure.got)


def markdown(board: list[Line]) -> str:
    """The board as the table of docs/security.md."""
    mark = {True: "yes", False: "**no**"}
    rows = [f"| {b.id} | {b.title} | {b.weakened} | {b.defaults} | {mark[b.wanted]} |" for b in board]
    return "\n".join(
        [
            "| kind | attack | on a weakened site | on the defaults | as wanted |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )
