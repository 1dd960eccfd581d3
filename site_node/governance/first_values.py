"""Which values of a variable numbers left about first: a corrected value makes another person of its owner.

The same people with one value changed, asked again, would tell that value by the difference of two sums. So
to the auditor a person whose value of a variable is another one than when numbers about it first left is
somebody else: the old sum and the new one then stand on sets that differ by two. The register keeps a keyed
digest of each person's first value, never the value.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Connection

import numpy as np
from numpy.typing import NDArray

from protocols.core.table import Floats, Integers, Labels

_MIXED = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True)
class FirstValues:
    """The (n,) people about whom numbers of one variable left, ascending, and the digests of their values."""

    people: Integers
    digests: Integers

    @classmethod
    def of(cls, db: Connection, variable: str) -> "FirstValues":
        """Those that the register keeps."""
        row = db.execute(
            "SELECT people, digests FROM audited_value WHERE variable = ?", (variable,)
        ).fetchone()
        kept = (row["people"], row["digests"]) if row else (b"", b"")
        people, digests = (np.frombuffer(part, dtype="<i8").astype(np.int64) for part in kept)
        return cls(people, digests)

    def others(self, people: Integers, digests: Integers) -> Integers:
        """The (k,) people, each whose value is another one now as somebody else: a negative number."""
        if not len(self.people):
            return people
        at = np.minimum(np.searchsorted(self.people, people), len(self.people) - 1)
        changed = (self.people[at] == people) & (self.digests[at] != digests)
        return np.where(changed, _somebody_else(people, digests), people) if changed.any() else people

    def with_people(self, people: Integers, digests: Integers) -> "FirstValues":
        """These and those of the (k,) people who are not among them."""
        new = ~np.isin(people, self.people)
        if not new.any():
            return self
        everybody = np.concatenate([self.people, people[new]])
        order = np.argsort(everybody, kind="stable")
        return FirstValues(everybody[order], np.concatenate([self.digests, digests[new]])[order])

    def keep(self, db: Connection, variable: str) -> None:
        """Puts them into the register."""
        blobs = (part.astype("<i8").tobytes() for part in (self.people, self.digests))
        db.execute("INSERT OR REPLACE INTO audited_value VALUES (?, ?, ?)", (variable, *blobs))


def digests_of(columns: Mapping[str, Floats | Labels], people: int, key: int) -> Integers:
    """The (n,) digests of people's values in some columns, to seven digits; `key` is the site's own.

    A feature that is computed again may differ in its last digits, and was not corrected by that.
    """
    found = np.full(people, key, dtype=np.uint64)
    for values in columns.values():
        if values.dtype == object:
            names, place = np.unique(values.astype(str), return_inverse=True)
            short = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]
            bits = np.frombuffer(b"".join(short), dtype="<u8").astype(np.uint64)[place.ravel()]
        else:
            bits = (values.astype(np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)
        found = _mixed(found ^ bits)
    return found.view(np.int64)


def _somebody_else(people: Integers, digests: Integers) -> Integers:
    """(k,) negative numbers that stand for people with these values."""
    mixed = _mixed(people.view(np.uint64) ^ _mixed(digests.view(np.uint64)))
    return -1 - (mixed >> np.uint64(1)).astype(np.int64)


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(n,) numbers of which each bit hangs on all bits of the given ones (the finalizer of splitmix64)."""
    for shift, factor in zip((30, 27), _MIXED, strict=True):
        bits = (bits ^ (bits >> np.uint64(shift))) * factor
    mixed: NDArray[np.uint64] = bits ^ (bits >> np.uint64(31))
    return mixed
