"""The sets of people behind answers as vectors, and whether some combination of them stands on few people.

Sums over sets of people add up: whoever has the sums over A, B and C has those over A + B - C. So what can be
computed from answers is the row space of the sets' indicators, here over GF(2^31 - 1), and a new set is safe
if no vector that it brings stands on fewer than the floor of people. People of one history, in the same sets
so far, are one column (an atom), so that cost grows with histories and not with people.

Rows are kept in reduced echelon form with pivots on large atoms. A vector of the space that is zero on every
atom of a pivot is zero, so where the pivots' atoms hold the floor, the new row alone has to be looked at. A
vector that uses one pivot of few people is found for certain, too; one that uses several is searched for
with pivots drawn anew, where the space is small enough for that.

Reference: Chin & Özsoyoglu, Auditing and inference control in statistical databases (1982).
"""

from dataclasses import dataclass, field

import numpy as np
from numba import njit
from numpy.typing import NDArray

from protocols.core.table import Integers, Mask

PRIME = 2**31 - 1
_REDRAWN = 8
_SMALL_SPACE = 1_000_000  # rows squared times atoms: elimination then costs a few milliseconds

Rows = NDArray[np.int64]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _mod(x: int) -> int:
    """x, below 2^62, modulo the prime, by folding its upper half onto the lower."""
    x = (x & PRIME) + (x >> 31)
    return x - PRIME if x >= PRIME else x


@njit(cache=True)  # type: ignore[untyped-decorator]
def _inverse(x: int) -> int:
    result, power, exponent = 1, x, PRIME - 2
    while exponent:
        if exponent & 1:
            result = _mod(result * power)
        power = _mod(power * power)
        exponent >>= 1
    return result


@njit(cache=True)  # type: ignore[untyped-decorator]
def _reduced(row: Rows, rows: NDArray[np.uint32], pivots: Integers) -> Rows:
    """The (m,) row of zeros and ones less what the (r, m) rows of a reduced echelon form have of it."""
    own = np.zeros(len(row), dtype=np.uint64)
    for i in range(len(pivots)):
        if row[pivots[i]]:
            for j in range(len(row)):
                own[j] += np.uint64(rows[i, j])  # below 2^64 for all the rows that memory holds
    left = np.empty_like(row)
    for j in range(len(row)):
        left[j] = (row[j] + PRIME - np.int64(own[j] % np.uint64(PRIME))) % PRIME
    return left


@njit(cache=True)  # type: ignore[untyped-decorator]
def _eliminated(rows: NDArray[np.uint32], row: NDArray[np.uint32], pivot: int) -> NDArray[np.uint32]:
    """The (r + 1, m) rows without what they have of a row that is 1 at its pivot, and that row."""
    r, m = rows.shape
    out = np.empty((r + 1, m), dtype=np.uint32)
    prime, half = np.uint64(PRIME), np.uint64(31)
    for i in range(r):
        factor = np.uint64(np.uint32(PRIME) - rows[i, pivot])
        for j in range(m):  # 32 by 32 bits, which processors do several at a time
            x = np.uint64(rows[i, j]) + factor * np.uint64(row[j])
            x = (x & prime) + (x >> half)
            x = (x & prime) + (x >> half)
            out[i, j] = np.uint32(x if x < prime else x - prime)
    out[r] = row
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def _light_with_one(
    row: Rows, rows: NDArray[np.uint32], few: Integers, cancel: Integers, sizes: Integers, floor: int
) -> bool:
    """Whether the (m,) row and a multiple of one of the `few` rows stand on fewer than `floor` people.

    Columns to `cancel` hold that many people, so such a vector is zero in one of them.
    """
    for i in few:
        for column in cancel:
            if rows[i, column] == 0:
                continue
            factor = _mod((PRIME - row[column]) * _inverse(np.int64(rows[i, column])))
            people = 0
            for j in range(len(row)):
                if _mod(row[j] + factor * rows[i, j]) != 0:
                    people += sizes[j]
                    if people >= floor:
                        break
            if people < floor:
                return True
    return False


@dataclass(frozen=True)
class SetSpace:
    """What can be computed from the sums over some sets of people.

    Attributes:
        people: (n,) everybody who is in a set, sorted.
        atom: (n,) the atom that each is in.
        sizes: (m,) people of each atom.
        rows: (r, m) a basis in reduced echelon form.
        pivots: (r,) the atom of each row's pivot.
    """

    people: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    atom: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    sizes: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    rows: NDArray[np.uint32] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.uint32))
    pivots: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def with_set(self, members: Integers, floor: int, least: int) -> "SetSpace | None":
        """The space with the set of (k,) people; None if it brings a vector of fewer than `floor` people.

        A set that itself has fewer, but `least`, may be in sums over sites; it is no combination.
        """
        members = np.unique(members)
        finer = self._with_people(members)
        inside = np.isin(finer.people, members, assume_unique=True)
        finer, row = finer._split(inside)
        left = _reduced(row, finer.rows, finer.pivots)
        standing = left != 0
        if not standing.any():
            return finer
        itself = least <= len(members) < floor and np.array_equal(standing, row != 0)
        if not itself and finer._brings_few(left, floor):
            return None
        grown = finer._with_row(left)
        return grown if itself or not grown._has_few(floor, least) else None

    def _with_people(self, members: Integers) -> "SetSpace":
        """The space with these people too; those who are new are in one atom, which is in no set."""
        new = np.setdiff1d(members, self.people, assume_unique=True)
        if not len(new):
            return self
        m = len(self.sizes)
        people = np.concatenate([self.people, new])
        order = np.argsort(people, kind="stable")
        atom = np.concatenate([self.atom, np.full(len(new), m, dtype=np.int64)])
        rows = np.concatenate([self.rows, np.zeros((len(self.rows), 1), dtype=np.uint32)], axis=1)
        return SetSpace(people[order], atom[order], np.append(self.sizes, len(new)), rows, self.pivots)

    def _split(self, inside: Mask) -> tuple["SetSpace", Rows]:
        """The space with every atom wholly in the set or wholly out of it, and the set's (m,) row."""
        m = len(self.sizes)
        within = np.bincount(self.atom[inside], minlength=m)
        whole = within == self.sizes
        parted = np.flatnonzero((within > 0) & ~whole)
        if not len(parted):
            return self, whole.astype(np.int64)
        moved_to = np.full(m, -1, dtype=np.int64)
        moved_to[parted] = m + np.arange(len(parted))
        atom = np.where(inside & (moved_to[self.atom] >= 0), moved_to[self.atom], self.atom)
        sizes = np.concatenate([self.sizes, within[parted]])
        sizes[parted] -= within[parted]
        rows = np.concatenate([self.rows, self.rows[:, parted]], axis=1)
        # Both parts of an atom have the same column: the pivot moves to the larger one.
        other = moved_to[self.pivots]
        larger = (other >= 0) & (sizes[other] > sizes[self.pivots])
        pivots = np.where(larger, other, self.pivots)
        row = np.concatenate([whole.astype(np.int64), np.ones(len(parted), dtype=np.int64)])
        return SetSpace(self.people, atom, sizes, rows, pivots), row

    def _brings_few(self, left: Rows, floor: int) -> bool:
        """Whether a new row, reduced, alone or with one row of a small pivot, stands on few people."""
        standing = np.flatnonzero(left)
        if self.sizes[standing].sum() < floor:
            return True
        few = np.flatnonzero(self.sizes[self.pivots] < floor)
        by_size = standing[np.argsort(-self.sizes[standing], kind="stable")]
        enough = int(np.searchsorted(np.cumsum(self.sizes[by_size]), floor)) + 1
        return bool(_light_with_one(left, self.rows, few, by_size[:enough], self.sizes, floor))

    def _with_row(self, left: Rows) -> "SetSpace":
        """The space with a row that is zero at all pivots, its own pivot on its largest atom."""
        pivot = int(np.argmax(np.where(left != 0, self.sizes, 0)))
        row = _scaled(left, _inverse(int(left[pivot]))).astype(np.uint32)
        rows = _eliminated(self.rows, row, pivot)
        return SetSpace(self.people, self.atom, self.sizes, rows, np.append(self.pivots, pivot))

    def _has_few(self, floor: int, least: int) -> bool:
        """Whether pivots drawn anew, large atoms first, show a row of few people; of a small space alone.

        A set of few people that was let in by itself is such a row, and no news.
        """
        if self.rows.size * len(self.rows) > _SMALL_SPACE or (self.sizes[self.pivots] >= floor).all():
            return False
        known = self._few_rows(self.rows, floor)
        draw = np.random.default_rng(len(self.rows))
        for _ in range(_REDRAWN):
            order = np.lexsort((draw.random(len(self.sizes)), -np.minimum(self.sizes, floor)))
            if self._few_rows(_echelon(self.rows, order), floor) - known:
                return True
        return False

    def _few_rows(self, rows: NDArray[np.uint32], floor: int) -> set[bytes]:
        """The supports of the rows that stand on fewer than `floor` people."""
        standing = rows != 0
        return {s.tobytes() for s in standing[(standing @ self.sizes) < floor]}


@njit(cache=True)  # type: ignore[untyped-decorator]
def _scaled(row: Rows, factor: int) -> Rows:
    out = np.empty_like(row)
    for j in range(len(row)):
        out[j] = _mod(row[j] * factor)
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def _echelon(rows: NDArray[np.uint32], order: Integers) -> NDArray[np.uint32]:
    """The reduced echelon form of (r, m) rows of full rank whose pivots are the first columns in an order."""
    out = rows.copy()
    r, done = out.shape[0], 0
    for column in order:
        at = done
        while at < r and out[at, column] == 0:
            at += 1
        if at == r:
            continue
        for j in range(out.shape[1]):
            out[at, j], out[done, j] = out[done, j], out[at, j]
        scale = _inverse(np.int64(out[done, column]))
        for j in range(out.shape[1]):
            out[done, j] = _mod(np.int64(out[done, j]) * scale)
        for i in range(r):
            factor = PRIME - np.int64(out[i, column])
            if i != done and factor != PRIME:
                for j in range(out.shape[1]):
                    out[i, j] = _mod(np.int64(out[i, j]) + factor * np.int64(out[done, j]))
        done += 1
        if done == r:
            break
    return out
