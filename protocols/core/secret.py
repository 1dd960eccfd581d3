"""What the sites of a run do with answers that the center may not read as they are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

import numpy as np

from protocols.core.errors import StudyError
from protocols.core.site_step import Arrays
from protocols.core.table import Floats

if TYPE_CHECKING:
    from protocols.core.protocol import Total

ENDED = "ended"
"""The array of an answer that says what a search found, and is no sum."""

Secret = Literal["", "climb", "close", "sealed", "last"]


@dataclass(frozen=True)
class Turn:
    """How the sites turn the answer to one question of a climb; they alone can turn it back.

    Attributes:
        basis: (p, p), invertible, of the coefficients.
        factors: (k,) positive, of sums whose ratios alone the center needs.
    """

    basis: Floats
    factors: Floats

    @classmethod
    def none(cls, size: int, factors: int) -> Self:
        """That which changes nothing."""
        return cls(np.eye(size), np.ones(factors))


class Climb(Protocol):
    """A search whose coefficients the sites hold and whose derivatives the center sees, in a secret basis.

    Each side has a copy of its own, which only hears what that side may know (`estimation.climb`).
    """

    @property
    def size(self) -> int:
        """How many coefficients are searched."""

    @property
    def factors(self) -> int:
        """How many sums there are whose ratios alone the center needs."""

    def reply(self, total: "Total", normal: Callable[[int], Floats] | None) -> Arrays:
        """The center's reply to a total in the basis of its round; `normal` draws its dither, if any."""

    @property
    def columns(self) -> Sequence[str]:
        """The table's columns that its design is made of; empty where it is made of predictions."""

    def follow(self, reply: Arrays, turn: Turn, *, full: bool) -> None:
        """Goes on at a site by the center's reply to a round, whose turn this was."""

    def asked(self) -> Arrays:
        """The coefficients at which a site evaluates, as an argument of its step."""

    def dithered(self, arrays: Arrays, normal: Callable[[int], Floats]) -> Arrays:
        """A site's arrays with its share of the noise that the result of this question always has."""

    def turned(self, arrays: Arrays, axes: Mapping[str, tuple[str, ...]], turn: Turn) -> Arrays:
        """A site's arrays, turned for the center; `axes` names those of each array."""

    def agreed(self, question: Arrays) -> Arrays:
        """What every site says alike at the end, with all digits where all rounds were `full`."""


class Search(Protocol):
    """A search that every site makes for itself, from sums that the center carries and cannot open.

    The center's copy hears nothing; the sites' copies all hear the same (`estimation.sealed`).
    """

    @property
    def ended(self) -> bool:
        """Whether this site's copy has come to an end."""

    def asked(self) -> Arrays:
        """The arguments of its step that the sites alone know."""

    def hear(self, answer: "Total | StudyError") -> None:
        """Goes on at a site by a joined answer, or the error that it is."""

    def found(self) -> Arrays:
        """What every site says alike at the end, `ended` among it."""
