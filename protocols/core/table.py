"""The table that a site computes on, and the row filters that a question may ask for."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from protocols.core.axis import FromBlock
from protocols.core.block import Block
from protocols.core.errors import Code, SpecError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
Labels = NDArray[np.object_]

_MOST_DERIVED = 64  # a key may hold arrays of a question, of which a coordinator can send thousands

M = TypeVar("M")


@dataclass(frozen=True)
class Episodes:
    """What changes over time: rows that hold from `start` to `stop`, each of one person of a table.

    Attributes:
        owner: (m,) the row of the table whose person it is.
        start, stop: (m,) days; the episode is (start, stop].
        event: (m,) 1 where it ended in the event, else 0.
        columns: name -> (m,) numbers; what does not change is in the table.
    """

    owner: Integers
    start: Floats
    stop: Floats
    event: Floats
    columns: Mapping[str, Floats]

    def __post_init__(self) -> None:
        m = len(self.owner)
        for values in (self.start, self.stop, self.event, *self.columns.values()):
            assert values.shape == (m,)
        if (self.start >= self.stop).any():
            raise ValueError("an episode ends before it starts")

    def select(self, rows: Mask) -> "Episodes":
        """The episodes of the people where the (n,) mask of the table is true."""
        kept = rows[self.owner]
        return Episodes(
            (np.cumsum(rows) - 1)[self.owner[kept]].astype(np.int64),
            self.start[kept],
            self.stop[kept],
            self.event[kept],
            {name: column[kept] for name, column in self.columns.items()},
        )


@dataclass(frozen=True)
class AnalysisTable:
    """One row per person, at one site; a missing value is NaN in a column and None in a label.

    Attributes:
        site: the name of the site whose people these are.
        persons: (n,) distinct person identifiers; they never leave the site.
        columns: name -> (n,) float64 numbers and 0/1 indicators.
        labels: name -> (n,) strings such as a scanner; they never leave the site.
        fold_hashes: (n,) uint64, a keyed hash of each person; row filters cut folds from it.
        attrition: step of the cohort's definition -> the people who were left after it, at this site.
        doubtful: variable -> kind of doubt (`cdm/vocabulary/doubts.py`) -> people whose value rests on it: a
            record of theirs was left out, or read by a policy, since it was not wholly understood.
        episodes: survival variable -> what changes over its follow-up.
        blocks: name -> numbers of these people by the names of a public axis, read in chunks.
        secret: from which this site's noise comes; it never leaves. A table that is given none makes one.
    """

    site: str
    persons: Integers
    columns: Mapping[str, Floats]
    labels: Mapping[str, Labels] = field(default_factory=dict)
    fold_hashes: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    attrition: Mapping[str, int] = field(default_factory=dict)
    episodes: Mapping[str, Episodes] = field(default_factory=dict)
    blocks: Mapping[str, Block] = field(default_factory=dict)
    doubtful: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False, compare=False)
    _derived: dict[object, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        n = len(self.persons)
        ascending = (self.persons[1:] > self.persons[:-1]).all()  # as a site reads them; else they are sorted
        if not ascending and len(np.unique(self.persons)) != n:
            raise ValueError("a person has more than one row")
        if len(self.fold_hashes) != n:
            object.__setattr__(self, "fold_hashes", fold_hashes(self.persons, b""))
        for name, column in self.columns.items():
            assert column.shape == (n,), name
            assert column.dtype == np.float64, name
        for name, label in self.labels.items():
            assert label.shape == (n,), name
        for name, block in self.blocks.items():
            assert len(block) == n, name

    def __len__(self) -> int:
        return len(self.persons)

    def column(self, name: str) -> Floats:
        """The (n,) numbers of one variable.

        Raises:
            SpecError: the study has no such variable.
        """
        if name not in self.columns:
            raise SpecError(Code.UNKNOWN_VARIABLE, f"the study has no numeric variable {name!r}")
        return self.columns[name]

    def label(self, name: str) -> Labels:
        """The (n,) labels of one variable.

        Raises:
            SpecError: the study has no such label.
        """
        if name not in self.labels:
            raise SpecError(Code.UNKNOWN_VARIABLE, f"the study has no label variable {name!r}")
        return self.labels[name]

    def block(self, named: FromBlock) -> Block:
        """The block of that name.

        Raises:
            SpecError: the study has no such block, or it is of another axis.
        """
        if named.block not in self.blocks:
            raise SpecError(Code.UNKNOWN_VARIABLE, f"the study has no block {named.block!r}")
        block = self.blocks[named.block]
        if block.axis != named.axis:
            raise SpecError(Code.UNKNOWN_VARIABLE, f"block {named.block!r} has another list of names here")
        return block

    def matrix(self, names: Sequence[str]) -> Floats:
        """The (n, len(names)) matrix of the named columns."""
        if not names:
            return np.empty((len(self), 0))
        return np.column_stack([self.column(name) for name in names])

    def select(self, rows: Mask) -> "AnalysisTable":
        """The table of the rows where the (n,) mask is true; itself, if that is everywhere."""
        if rows.all():
            return self
        return AnalysisTable(
            self.site,
            self.persons[rows],
            {name: column[rows] for name, column in self.columns.items()},
            {name: label[rows] for name, label in self.labels.items()},
            self.fold_hashes[rows],
            self.attrition,
            {name: episodes.select(rows) for name, episodes in self.episodes.items()},
            {name: block.select(rows) for name, block in self.blocks.items()},
            self.doubtful,
            self.secret,
        )

    def complete(self, names: Iterable[str]) -> "AnalysisTable":
        """The table of the people with no missing value in the named columns and labels."""
        present = self.present(names)
        return self if present.all() else self.select(present)

    def present(self, names: Iterable[str]) -> Mask:
        """(n,) true where no value is missing in the named columns and labels."""
        present = np.ones(len(self), dtype=bool)
        for name in names:
            if name in self.labels:
                present &= np.array([value is not None for value in self.labels[name]], dtype=bool)
            else:
                present &= ~np.isnan(self.column(name))
        return present

    def read_of(self, variables: Iterable[str]) -> list[str]:
        """The columns and labels of the table that are those of study variables."""
        by_variable = self.derived("names by variable", self._names_by_variable)
        return [name for variable in variables for name in by_variable.get(variable, ())]

    def _names_by_variable(self) -> dict[str, list[str]]:
        """`os.time` is of `os`: a study has thousands of variables, and each is looked up."""
        found: dict[str, list[str]] = {}
        for name in (*self.columns, *self.labels):
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                found.setdefault(".".join(parts[:end]), []).append(name)
        return found

    def derived(self, key: object, make: Callable[[], M]) -> M:
        """What `make` makes of these rows, kept for the next round; `key` says all that it depends on."""
        if key not in self._derived:
            if len(self._derived) >= _MOST_DERIVED:
                self._derived.pop(next(iter(self._derived)))
            self._derived[key] = make()
        made: M = self._derived[key]
        return made

    def drawn_by(self, chance: bytes) -> "AnalysisTable":
        """The table whose people fall into folds, and are drawn, by the chance of a run."""
        hashes = fold_hashes(self.fold_hashes.view(np.int64), chance)
        return replace(self, fold_hashes=hashes)

    def with_columns(self, columns: Mapping[str, Floats]) -> "AnalysisTable":
        """The table with these columns added or replaced."""
        return replace(self, columns={**self.columns, **columns})

    def with_block(self, name: str, block: Block) -> "AnalysisTable":
        """The table with this block in place of its own of that name."""
        return replace(self, blocks={**self.blocks, name: block})


def fold_hashes(persons: Integers, key: bytes) -> NDArray[np.uint64]:
    """The (n,) keyed hashes of people, by which they fall into folds.

    BLAKE2b keyed with the study's hash: nobody without the key can tell a person's fold, and
    the same person falls into the same fold in every analysis of a study.
    """
    digest = (
        hashlib.blake2b(int(p).to_bytes(8, "big", signed=True), key=key, digest_size=8) for p in persons
    )
    return np.fromiter(
        (int.from_bytes(d.digest(), "big") for d in digest), dtype=np.uint64, count=len(persons)
    )


class Rows(BaseModel):
    """A row filter of a question: everybody, or the training or test part of one fold.

    A fold is either one of `of` by the keyed hash of the person (`fold`), or whole sites (`sites`). With
    `inside` it is of the people whom that filter keeps; `inner` folds are cut by other bits of the hash, and
    those of each `repeat` by a hash of their own, so that they are independent of the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    keep: Literal["all", "train", "test"] = "all"
    fold: int | None = Field(default=None, ge=0)
    of: int = Field(default=1, ge=1, le=100)
    repeat: int = Field(default=0, ge=0, le=49)
    sites: tuple[str, ...] = ()
    inner: bool = False
    inside: "Rows | None" = None

    def mask(self, table: AnalysisTable) -> Mask:
        """(n,) true where the filter keeps the person."""
        kept = np.ones(len(table), dtype=bool) if self.inside is None else self.inside.mask(table)
        if self.keep == "all":
            return kept
        if self.sites:
            held_out = np.full(len(table), table.site in self.sites)
        else:
            hashes = _again(table.fold_hashes, self.repeat) >> np.uint64(32 if self.inner else 0)
            held_out = hashes % np.uint64(self.of) == np.uint64(self.fold or 0)
        mask: Mask = kept & (held_out if self.keep == "test" else ~held_out)
        return mask

    def sites_left_out(self) -> tuple[str, ...]:
        """The sites that this filter, or one that it is inside of, holds out."""
        return self.sites if self.inside is None else (*self.sites, *self.inside.sites_left_out())


def _again(hashes: NDArray[np.uint64], repeat: int) -> NDArray[np.uint64]:
    """The hashes from which the folds of a repeat are cut: independent ones (the finalizer of splitmix64)."""
    if repeat == 0:
        return hashes
    mixed = hashes + np.uint64(repeat * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    again: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return again


EVERYBODY = Rows()
