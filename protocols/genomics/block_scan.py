"""The moments of a scan whose features are a block: the names of an axis, asked about some at a time.

All features stand on one set of people: those who have the block, the confounders and the outcomes. A
missing number becomes the mean of the known ones over all sites (of the site's own, with an intercept for
each site), so a first question finds these means, and with them each feature's location and scale; the second
has the products. A name that a site does not have is missing there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from protocols.core.axis import FromBlock, check_positions
from protocols.core.block import Block, chunks, rounds_of
from protocols.core.disclosure import Array, Count, Declaration, Moment
from protocols.core.errors import Code
from protocols.core.protocol import Arrays, Coordination, Total, ask
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.estimation.moments import (
    Intercepts,
    Moments,
    check_scale,
    column_moments,
    fitting_squares,
)
from protocols.genomics import many_logistic

MOST_SUMS = 4
"""How often the sums of a name are asked: once, but for very large or very small numbers."""

_BY_COLUMN = ("not_zero", "not_one", "too_large", "sum", "square")
_FEWEST_KNOWN = 0.5  # the share of the people that must have a value

KNOWN_SUMS: Mapping[str, Declaration] = {
    "n": Count(),
    "known": Count("column", of="n", what="people with a value"),
    "not_zero": Count("column", of="known", what="people with another value than 0"),
    "too_large": Moment("column", behind="known", what="1 where a sum is too large for the message"),
    "sum": Moment("column", behind="known", what="sums"),
    "square": Moment("column", behind="known", what="sums of squares"),
}
"""What the first question is answered with."""


@dataclass(frozen=True)
class Scan:
    """The people of a scan here.

    Attributes:
        confounders, outcomes: (n, c), (n, o).
        block: of the same n people.
        intercepts: with `site`, this site's own means are taken out of all columns.
    """

    confounders: Floats
    outcomes: Floats
    block: Block
    intercepts: Intercepts

    @classmethod
    def of(
        cls,
        table: AnalysisTable,
        named: FromBlock,
        at: Integers,
        others: tuple[Sequence[str], Sequence[str]],
        intercepts: Intercepts = "common",
    ) -> "Scan":
        """The people who have the block and all the others, which are the confounders and the outcomes.

        Raises:
            SpecError: there is no such block here, or the positions are not on its axis.
        """
        block = table.block(named)
        check_positions(at, block.axis.size)
        c, o = (table.matrix(names) for names in others)
        kept = block.present & ~np.isnan(c).any(axis=1) & ~np.isnan(o).any(axis=1)
        return cls(c[kept], o[kept], block.select(kept), intercepts)

    def known_sums(self, at: Integers, shift: Floats, scale: Floats) -> Arrays:
        """The arrays of KNOWN_SUMS, of the confounders, the names at (k,) positions and the outcomes."""
        check_scale(scale)
        at_c, at_o = self._others(at)
        parts = [_known_sums(self.confounders, shift[at_c], scale[at_c], self.intercepts)]
        for some, x in chunks(self.block, at):
            where = self._where(some)
            parts.append(_known_sums(x, shift[where], scale[where], self.intercepts))
        parts.append(_known_sums(self.outcomes, shift[at_o], scale[at_o], self.intercepts))
        return {"n": np.array(len(self.block)), **_joined(parts)}

    def moments(self, at: Integers, mean: Floats, shift: Floats, scale: Floats) -> Arrays:
        """COLUMN_MOMENTS of the same columns, missing numbers filled, and products between their kinds.

        Args:
            at: (k,) positions in the block; mean: (k,) what fills their missing numbers.
            shift, scale: (c + k + o,) of the confounders, the names and the outcomes.
        """
        at_c, at_o = self._others(at)
        c, sums = column_moments(self.confounders, shift[at_c], scale[at_c], self.intercepts)
        o, last = column_moments(self.outcomes, shift[at_o], scale[at_o], self.intercepts)
        parts, with_c, with_o = [sums], [], []
        for some, x in chunks(self.block, at):
            filled, where = self._filled(x, mean[some]), self._where(some)
            z, found = column_moments(filled, shift[where], scale[where], self.intercepts)
            parts.append(found if filled is x else {**found, **_apart(x)})
            with_c.append((c.T @ z).T)
            with_o.append(z.T @ o)
        parts.append(last)
        return {
            "n": sums["n"],
            "sites": sums["sites"],
            **_joined([{name: part[name] for name in _BY_COLUMN} for part in parts]),
            "confounding": c.T @ c,
            "confounded_features": np.concatenate(with_c).T,
            "confounded_outcomes": c.T @ o,
            "products": np.concatenate(with_o),
        }

    def derivatives(self, at: Integers, coef: Floats, mean: Floats, shift: Floats, scale: Floats) -> Arrays:
        """The logistic likelihoods of the (k, o) models and their derivatives, missing numbers filled.

        `shift` and `scale` are (c + k,), of the confounders and the features.
        """
        n, width = self.confounders.shape
        c = np.column_stack([np.ones(n), (self.confounders - shift[:width]) * scale[:width]])
        parts = []
        for some, x in chunks(self.block, at):
            where = self._where(some)
            f = (self._filled(x, mean[some]) - shift[where]) * scale[where]
            parts.append(many_logistic.derivatives(c, f, self.outcomes, coef[some]))
        return {"n": np.array(n), **_joined(parts)}

    def _others(self, at: Integers) -> tuple[slice, slice]:
        """Where the confounders and the outcomes stand among the columns of a question."""
        width = self.confounders.shape[1]
        return slice(0, width), slice(width + len(at), None)

    def _where(self, some: slice) -> slice:
        """Where some of the asked names stand among the columns of a question."""
        width = self.confounders.shape[1]
        return slice(width + some.start, width + some.stop)

    def _filled(self, x: Floats, mean: Floats) -> Floats:
        missing = np.isnan(x)
        if not missing.any():
            return x
        return np.where(missing, known_means(x) if self.intercepts == "site" else mean, x)


def known_means(x: Floats) -> Floats:
    """(k,) the mean of the known numbers of each of (n, k) columns; 0 where none is known."""
    known = ~np.isnan(x)
    mean: Floats = np.where(known, x, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return mean


def _known_sums(x: Floats, shift: Floats, scale: Floats, intercepts: Intercepts) -> dict[str, Array]:
    """What KNOWN_SUMS declares but for `n`, of the known numbers of (n, k) columns."""
    missing = np.isnan(x)
    about = known_means(x) if intercepts == "site" else shift
    with np.errstate(over="ignore"):
        z = (x - about) * scale
        if missing.any():
            z[missing] = 0.0
        total, square, too_large = fitting_squares(z)
    lacking = np.count_nonzero(missing, axis=0)
    return {
        "known": len(x) - lacking,
        "not_zero": np.count_nonzero(x, axis=0) - lacking,  # NaN is not 0
        "too_large": too_large,
        "sum": total,
        "square": square,
    }


def _apart(x: Floats) -> dict[str, Array]:
    """How many of the known numbers of each column are not 0, and not 1: filled ones are nobody's."""
    lacking = np.count_nonzero(np.isnan(x), axis=0)
    return {  # NaN is neither 0 nor 1
        "not_zero": np.count_nonzero(x, axis=0) - lacking,
        "not_one": np.count_nonzero(x != 1, axis=0) - lacking,
    }


def _joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The arrays of several columns one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True)
class BlockMoments(Moments):
    """Joined moments of confounders, all names of a block, and outcomes.

    Attributes:
        mean_known: (f,) what a missing number became.
        rare: the names that fewer than half of the people have, or too few to say their mean.
    """

    mean_known: Floats = field(default_factory=lambda: np.zeros(0))
    rare: frozenset[str] = frozenset()

    def faults(self) -> dict[str, tuple[Code, str]]:
        rare = {
            name: (Code.WITHHELD, "fewer than half of the people, or too few, have a value")
            for name in self.rare
        }
        return {**super().faults(), **rare}


def gather_block(
    named: FromBlock, confounders: Sequence[str], outcomes: Sequence[str]
) -> Coordination[BlockMoments]:
    """The moments of all names of a block, filled with means: two rounds, if digits allow."""
    names = (*confounders, *named.names(), *outcomes)
    places = _Places(len(confounders), named.size, len(outcomes))
    known = yield from _known(names, places)
    people = np.maximum(known.total["known"], 1)
    shift, scale = known.finer()
    found = _Columns(places, _BY_COLUMN)
    parts = []
    for at in rounds_of(places.all_names, len(_BY_COLUMN) + len(confounders) + len(outcomes)):
        where = places.columns(at)
        mean = known.mean[places.features][at]
        total = yield ask("block_moments", at=at, mean=mean, shift=shift[where], scale=scale[where])
        found.put(where, total)
        parts.append(total)
    whole = {name: parts[0][name] for name in ("n", "sites", "confounding", "confounded_outcomes")}
    whole["confounded_features"] = np.concatenate([t["confounded_features"] for t in parts], axis=1)
    whole["products"] = np.concatenate([t["products"] for t in parts])
    few = known.total["known"] < np.maximum(_FEWEST_KNOWN * known.total["n"], known.total.min_count)
    return BlockMoments(
        names,
        replace(parts[0], arrays={**whole, **found.arrays}),
        shift,
        scale,
        mean_known=known.mean[places.features],
        rare=frozenset(name for name, is_rare in zip(names, few & (people > 0), strict=True) if is_rare),
    )


def gather_known(named: FromBlock) -> Coordination[Moments]:
    """The moments of the known numbers of all names of a block, alone: one round, if digits allow."""
    return (yield from _known(named.names(), _Places(0, named.size, 0)))


@dataclass(frozen=True)
class _Places:
    """Where confounders, the names of a block and outcomes stand among all columns."""

    confounders: int
    size: int
    outcomes: int

    @property
    def width(self) -> int:
        return self.confounders + self.size + self.outcomes

    @property
    def features(self) -> slice:
        return slice(self.confounders, self.confounders + self.size)

    @property
    def all_names(self) -> Integers:
        return np.arange(self.size, dtype=np.int64)

    def columns(self, at: Integers) -> Integers:
        """The places of a question's columns: confounders, the names at (k,) positions, outcomes."""
        last = np.arange(self.confounders + self.size, self.width, dtype=np.int64)
        first = np.arange(self.confounders, dtype=np.int64)
        return np.concatenate([first, self.confounders + at, last])


class _Columns:
    """Arrays by column that are joined from answers about some of the columns."""

    def __init__(self, places: _Places, names: Sequence[str]) -> None:
        self.arrays: dict[str, Array] = {name: np.zeros(places.width) for name in names}

    def put(self, where: Integers, total: Total) -> None:
        for name, array in self.arrays.items():
            array[where] = np.nan_to_num(total[name])  # of too few people over all sites: nothing is known


def _known(names: Sequence[str], places: _Places) -> Coordination[Moments]:
    """The known numbers' moments; those whose digits are lost are asked again."""
    shift, scale = np.zeros(places.width), np.ones(places.width)
    found = _Columns(places, [name for name in KNOWN_SUMS if name != "n"])
    at = places.all_names
    for _ in range(MOST_SUMS):
        for some in rounds_of(at, len(found.arrays)):
            where = places.columns(some)
            total = yield ask("block_sums", at=some, shift=shift[where], scale=scale[where])
            found.put(where, total)
        arrays = {"n": total["n"], **found.arrays}
        joined = replace(total, arrays=arrays)
        moments = Moments(tuple(names), joined, shift, scale, behind="known")
        lost = ~moments.fine() & (found.arrays["not_zero"] > 0)
        if not lost.any():
            break
        finer_shift, finer_scale = moments.finer()
        shift, scale = np.where(lost, finer_shift, shift), np.where(lost, finer_scale, scale)
        at = np.flatnonzero(lost[places.features])
        at = at if len(at) else places.all_names[:1]
    return moments


def block_derivatives(
    coef: Floats, mean: Floats, shift: Floats, scale: Floats
) -> Coordination[Mapping[str, Floats]]:
    """The joined derivatives of the (f, o, t) models that are not done, whose coefficients are not missing.

    Args:
        mean: (f,) what a missing number becomes.
        shift, scale: (c + f,) of confounders and features.
    """
    f, o, t = coef.shape
    found: dict[str, Floats] = {
        "loglik": np.zeros((f, o)),
        "score": np.zeros((f, o, t)),
        "information": np.zeros((f, o, t, t)),
    }
    wanted = np.flatnonzero(~np.isnan(coef[..., 0]).all(axis=1))
    for at in rounds_of(wanted, o * (1 + t + t * t)):
        where = np.concatenate([np.arange(t - 2), t - 2 + at])
        total = yield ask(
            "block_derivatives", at=at, coef=coef[at], mean=mean[at], shift=shift[where], scale=scale[where]
        )
        for name, array in found.items():
            array[at] = total[name]
    return found
