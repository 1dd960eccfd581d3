"""A block: people x a named axis (genes, features, variants), read in chunks and never whole in memory.

A study names the axis by a rule (`protocols/core/block_kinds.py`), an analysis by `{block: rna}`, a question
by positions on it. At a site a reader lays the numbers where they can be read by columns; in a notebook and
in tests they are an array (`ArrayBlock`). A missing number is NaN; a step says what becomes of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protocols.core.axis import Axis, published

NUMBERS_AT_ONCE = 100_000
"""Numbers of people x names that are in memory at once: 0.8 MB, of which a processor's cache holds copies."""

MOST_SITES = 64
"""Sites of one run."""
NUMBERS_IN_A_ROUND = 250_000
"""Numbers that a site says of a block in one round, where nobody knows yet how many sites answer.

The answers of a roster are relayed to its sites in one message: masked, those of 64 sites are 256 MB.
"""
NUMBERS_IN_A_LAST_ROUND = 2_000_000
"""The most that a site says in one round, and what it says to the center alone: masked, 32 MB."""


class Block(ABC):
    """Numbers of (n,) people by the names of an axis.

    Attributes:
        axis: the public list of names.
        present: (n,) whether a person has any of the numbers.
    """

    axis: Axis
    present: NDArray[np.bool_]

    @abstractmethod
    def columns(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        """The (n, k) numbers under the names at these (k,) ascending positions; NaN: missing."""

    def __len__(self) -> int:
        return len(self.present)

    def select(self, rows: NDArray[np.bool_]) -> "Block":
        """The block of the people where the (n,) mask is true; itself, if that is everywhere."""
        if rows.all():
            return self
        return _Selected(self, np.flatnonzero(rows))


class _Selected(Block):
    """Some people of a block."""

    def __init__(self, whole: Block, rows: NDArray[np.int64]) -> None:
        self._whole, self._rows = whole, rows
        self.axis, self.present = whole.axis, whole.present[rows]

    def columns(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._whole.columns(at)[self._rows]


@dataclass(frozen=True, eq=False)
class ArrayBlock(Block):
    """A block in memory, for notebooks, tests and dummy people.

    Attributes:
        names: (f,) of the axis, which is published by it.
        values: (n, f) numbers; NaN: missing.
    """

    names: Sequence[str]
    values: NDArray[np.float64]
    axis: Axis = field(init=False)
    present: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        assert self.values.ndim == 2
        assert self.values.shape[1] == len(self.names)
        object.__setattr__(self, "axis", published(self.names))
        object.__setattr__(self, "present", ~np.isnan(self.values).all(axis=1))

    def __len__(self) -> int:
        return len(self.values)

    def columns(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.values[:, at]


def chunks(block: Block, at: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The numbers under the names at (k,) positions, in parts: where among them, and (n, part) numbers."""
    width = max(1, NUMBERS_AT_ONCE // max(len(block), 1))
    for begin in range(0, len(at), width):
        some = slice(begin, min(begin + width, len(at)))
        yield some, block.columns(at[some])


def names_at_once(numbers: int, sites: int = MOST_SITES, *, last: bool = False) -> int:
    """How many names of a block a round may ask about, with so many numbers for each.

    Args:
        sites: of the run, as far as is known: the fewer, the more may each say.
        last: whether the answers are for the center alone.
    """
    relayed = NUMBERS_IN_A_ROUND * MOST_SITES // sites
    most = NUMBERS_IN_A_LAST_ROUND if last else min(relayed, NUMBERS_IN_A_LAST_ROUND)
    return max(1, most // numbers)


def rounds_of(at: NDArray[np.int64], numbers: int, *, last: bool = False) -> Iterator[NDArray[np.int64]]:
    """The (k,) positions in parts of `names_at_once`."""
    width = names_at_once(numbers, last=last)
    return (at[begin : begin + width] for begin in range(0, len(at), width))
