"""What a kind of block is at a site: the function that reads it for some people, and where its numbers lie.

What stands in the CDM is read once, when the study's table is made, into a file that is laid out by names and
has no name itself: it is gone when the table is, and when the process is. So every round sees the same
numbers, and a chunk of names costs one stretch of the file. Files that are laid out so already (genotypes)
need no copy: their reader returns a `Block` of its own.
"""

import os
import tempfile
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from protocols.core.axis import Axis
from protocols.core.block import Block
from protocols.core.block_kinds import BlockKind
from site_node.features.arrays import Floats, Integers
from site_node.study_table.people import People

B = TypeVar("B", bound=BlockKind)

Parts = Iterable[tuple[Integers, Floats]]
"""(k,) positions on the axis, and the (k, n) numbers of people under those names."""

_NUMBER = 8  # bytes


@dataclass(frozen=True)
class BlockReader(Generic[B]):
    """A kind and the block that it is for some people; the folder is for what must be laid on disk."""

    kind: type[B]
    read: Callable[[B, People, Path | None], Block]


class StoredBlock(Block):
    """A block in a nameless file of this process: name by name, the numbers of all people.

    Names of which nothing is stored take no room, and are missing.
    """

    def __init__(self, axis: Axis, people: int, parts: Parts, folder: Path | None = None) -> None:
        """Lays the parts down as they come; a name that comes again replaces what was there."""
        self.axis = axis
        self.present = np.zeros(people, dtype=bool)
        self._is_stored = np.zeros(axis.size, dtype=bool)
        self._row = _NUMBER * people
        with tempfile.TemporaryFile(dir=folder) as file:
            self._file = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._file)
        for at, values in parts:
            assert values.shape == (len(at), people)
            for position, numbers in zip(at.tolist(), np.ascontiguousarray(values, np.float64), strict=True):
                self._lay_down(numbers.tobytes(), position * self._row)
            self._is_stored[at] = True
            self.present |= ~np.isnan(values).all(axis=0)

    def _lay_down(self, numbers: bytes, place: int) -> None:
        """Writes all of the numbers at their place.

        Raises:
            OSError: the disk is full.
        """
        view, done = memoryview(numbers), 0
        while done < len(numbers):
            done += os.pwrite(self._file, view[done:], place + done)

    def columns(self, at: Integers) -> Floats:
        stretches = _stretches(at, self._is_stored[at]) if self._row else []
        if stretches == [(0, len(at))]:
            return self._stretch(int(at[0]), len(at)).T
        numbers = np.full((len(at), len(self)), np.nan)
        for begin, end in stretches:
            numbers[begin:end] = self._stretch(int(at[begin]), end - begin)
        return numbers.T

    def _stretch(self, first: int, names: int) -> Floats:
        """The (names, n) numbers that lie one after the other in the file."""
        buffer = bytearray(names * self._row)
        view, done = memoryview(buffer), 0
        while done < len(buffer):
            got = os.preadv(self._file, [view[done:]], first * self._row + done)
            if not got:
                raise OSError("a block's file ends before its numbers")
            done += got
        return np.frombuffer(buffer, dtype=np.float64).reshape(names, len(self))


def _stretches(at: Integers, stored: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> list[tuple[int, int]]:
    """Where the (k,) stored positions begin, and end, to lie one after the other."""
    kept = np.flatnonzero(stored)
    if not len(kept):
        return []
    breaks = np.flatnonzero((np.diff(kept) > 1) | (np.diff(at[kept]) > 1)) + 1
    parts = np.split(kept, breaks)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts]
