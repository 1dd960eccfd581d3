"""ComBat of a block: the moments of its names in chunks, and a harmonized block that is made as it is read.

Its people are those who have the block and the covariates. A number that one of them lacks is left out of its
batch: sums over the known numbers are brought to all people of the batch, so that all names stand on the same
people. A name that a batch has for fewer than half of its people, or for fewer than `FEWEST`, or (without
empirical Bayes) that does not vary there, is left out for all: missing afterwards, and named by the result.

The location and scale of a batch follow from sums by name, so a site reads the block once for them, in
chunks, and each chunk again when it is asked for.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from protocols.core.axis import FromBlock, check_positions
from protocols.core.block import Block, chunks, rounds_of
from protocols.core.disclosure import Array
from protocols.core.protocol import Arrays, Coordination, Total, ask
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.estimation.standards import MOST, too_large
from protocols.preparation.batches import (
    FEWEST,
    TOO_SMALL,
    about_batch_means,
    batch_codes,
    constant,
    estimable,
    finer,
    shrunk,
)

_FEWEST_KNOWN = 0.5  # the share of a batch's people who must have a value


@dataclass(frozen=True)
class BlockPeople:
    """The people of a harmonization at a site.

    Attributes:
        block: of all n people of the table.
        x: (n, p) covariates.
        batch: (n,) from which batch's estimate a person is; negative for nobody's.
        batches: (n,) the batch that a person is of; -1 where not known.
        method: of ComBat.
    """

    block: Block
    x: Floats
    batch: Integers
    batches: Integers
    method: str

    @classmethod
    def of(
        cls,
        table: AnalysisTable,
        rows: Mask,
        named: FromBlock,
        covariates: Sequence[str],
        how: tuple[str, str | None],
    ) -> "BlockPeople":
        """Those in `rows` who have the block and the covariates; `how` is the method and the batch's label.

        Raises:
            SpecError: there is no such block here.
        """
        block, x = table.block(named), table.matrix(covariates)
        codes = batch_codes(table, how[1])
        usable = rows & block.present & ~np.isnan(x).any(axis=1)
        return cls(block, x, estimable(codes, usable), codes, how[0])

    @property
    def too_small(self) -> int:
        """People of batches that are too small to be estimated."""
        return int((self.batch == TOO_SMALL).sum())

    def moments(self, at: Integers, x_scale: Floats, y_scale: Floats) -> Arrays:
        """The arrays of the step `block_moments`, of the names at (k,) positions.

        Raises:
            SpecError: the positions are not on the axis.
        """
        check_positions(at, self.block.axis.size)
        kept = self.batch >= 0
        batch, block = self.batch[kept], self.block.select(kept)
        x = self.x[kept] * x_scale
        x_large = too_large(x)
        x[:, x_large] = 0.0
        x_within = about_batch_means(x, batch)
        parts = [_of_names(y * y_scale[some], x_within, batch, self.method) for some, y in chunks(block, at)]
        by_name = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {
            "n": np.array(kept.sum()),
            "left_out": np.array(self.too_small),
            "batches": np.array(float(len(np.unique(batch)))),
            "x_sum": x.sum(axis=0),
            "xx": x_within.T @ x_within,
            "x_too_large": x_large.astype(np.float64),
            **by_name,
            "xy": by_name["xy"].T,
        }

    def harmonized(self, grand_mean: Floats, effects: Floats, variance: Floats) -> "HarmonizedBlock":
        """The block with each batch's location and scale taken out, for the people of estimated batches.

        Args:
            grand_mean, variance: (f,); effects: (p, f) of the covariates.
        """
        size, used = self.block.axis.size, np.flatnonzero(variance > 0)
        at = [int(code) for code in np.unique(self.batch[self.batch >= 0])]
        location, scale = np.full((len(at), size), np.nan), np.full((len(at), size), np.nan)
        if len(used):
            n, mean, spread = self._spreads(at, used, (grand_mean, effects, variance))
            for b in range(len(at)):
                location[b, used], scale[b, used] = shrunk(self.method, n[b], mean[b], spread[b])
        own = np.full(len(self.block), -1, dtype=np.int64)
        for b, code in enumerate(at):
            own[self.batches == code] = b
        own[np.isnan(self.x).any(axis=1)] = -1
        return HarmonizedBlock(self.block, self.x, own, (grand_mean, effects, variance), (location, scale))

    def _spreads(
        self, codes: Sequence[int], used: Integers, fitted: tuple[Floats, Floats, Floats]
    ) -> tuple[Floats, Floats, Floats]:
        """(batches, used) known people, and means and variances (divisor n - 1) of what is standardized."""
        shape = len(codes), len(used)
        n, mean, spread = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for some, y in chunks(self.block, used):
            z = (y - _expected(self.x, used[some], fitted)) / _deviation(used[some], fitted)
            for b, code in enumerate(codes):
                own = z[self.batch == code]
                known = ~np.isnan(own)
                n[b, some] = known.sum(axis=0)
                mean[b, some] = np.where(known, own, 0.0).sum(axis=0) / n[b, some]
                apart = np.where(known, own - mean[b, some], 0.0)
                spread[b, some] = (apart**2).sum(axis=0) / (n[b, some] - 1)
        return n, mean, spread


class HarmonizedBlock(Block):
    """A block without its batches, made as it is read: a name that was left out is missing."""

    def __init__(
        self,
        whole: Block,
        x: Floats,
        batch: Integers,
        fitted: tuple[Floats, Floats, Floats],
        own: tuple[Floats, Floats],
    ) -> None:
        """A block and how it is changed.

        Args:
            x: (n, p) covariates.
            batch: (n,) the row of each person's batch in (batches, f) `own`; -1: of none.
            fitted: (f,) grand means, (p, f) effects and (f,) variances, 0 for a name that is left out.
            own: location and scale of each batch.
        """
        self.axis, self.present = whole.axis, whole.present & (batch >= 0)
        self._whole, self._x, self._batch, self._fitted, self._own = whole, x, batch, fitted, own

    def columns(self, at: Integers) -> Floats:
        expected, sd = _expected(self._x, at, self._fitted), _deviation(at, self._fitted)
        apart = self._whole.columns(at) - expected
        location, scale = (numbers[:, at] for numbers in self._own)
        found = np.full(apart.shape, np.nan)
        for b in np.unique(self._batch[self._batch >= 0]):
            own = self._batch == b
            found[own] = (apart[own] / sd - location[b]) / np.sqrt(scale[b]) * sd + expected[own]
        return found


def _expected(x: Floats, at: Integers, fitted: tuple[Floats, Floats, Floats]) -> Floats:
    """The (n, k) numbers that covariates alone would give under the names at (k,) positions."""
    expected: Floats = fitted[0][at] + x @ fitted[1][:, at]
    return expected


def _deviation(at: Integers, fitted: tuple[Floats, Floats, Floats]) -> Floats:
    """(k,) standard deviations within batches; missing for a name that is left out."""
    variance = fitted[2][at]
    return np.sqrt(np.where(variance > 0, variance, np.nan))


def _of_names(y: Floats, x_within: Floats, batch: Integers, method: str) -> dict[str, Floats]:
    """What each of (n, k) columns adds to the moments: (k,), and (k, p) products with the covariates."""
    k = y.shape[1]
    beyond = too_large(np.nan_to_num(y))
    y = np.where(beyond, 0.0, y)
    found = {name: np.zeros(k) for name in ("y_sum", "yy", "lacking")}
    xy = np.zeros((k, x_within.shape[1]))
    for code in np.unique(batch):
        own, x = y[batch == code], x_within[batch == code]
        known = ~np.isnan(own)
        n, has = len(own), known.sum(axis=0)
        mean = np.where(known, own, 0.0).sum(axis=0) / np.maximum(has, 1)
        apart = np.where(known, own - mean, 0.0)
        to_all = n / np.maximum(has, 1)  # sums over the known, brought to all of the batch
        found["y_sum"] += mean * n
        found["yy"] += (apart**2).sum(axis=0) * to_all
        xy += (apart.T @ x) * to_all[:, None]
        found["lacking"] += (has < np.maximum(FEWEST, _FEWEST_KNOWN * n)) | (method == "no_eb") & constant(
            own
        )
    return {**found, "xy": xy, "y_too_large": beyond.astype(np.float64)}


def harmonized(table: AnalysisTable, people: BlockPeople, arrays: Mapping[str, Array]) -> HarmonizedBlock:
    """The harmonized block, whose batches' own part is kept beside the table for the next round."""
    fitted = tuple(
        np.asarray(arrays[name], dtype=np.float64) for name in ("grand_mean", "effects", "variance")
    )
    parts = [people.block.axis.sha256.encode(), people.method.encode(), people.x.tobytes()]
    parts += [array.tobytes() for array in (people.batch, people.batches, *fitted)]
    key = "combat", hashlib.sha256(b"\0".join(parts)).hexdigest()
    return table.derived(key, lambda: people.harmonized(*fitted))


def block_moments(named: FromBlock, covariates: int) -> Coordination[tuple[Total, Floats, Floats]]:
    """The joined moments of all names of a block, and the scales of covariates and names that they are on."""
    x_scale, y_scale = np.ones(covariates), np.ones(named.size)
    found = {name: np.zeros(named.size) for name in ("y_sum", "yy", "lacking", "y_too_large")}
    xy = np.zeros((covariates, named.size))
    everything = at = np.arange(named.size, dtype=np.int64)
    for attempt in range(MOST):
        for some in rounds_of(at, len(found) + covariates):
            total = yield ask("block_moments", at=some, x_scale=x_scale, y_scale=y_scale[some])
            xy[:, some] = total["xy"]
            for name, array in found.items():
                array[some] = total[name]
        x_finer = x_scale * finer(np.diag(total["xx"]), total["x_too_large"], x_scale)
        y_finer = y_scale * finer(found["yy"], found["y_too_large"], y_scale)
        at = everything if (x_finer != x_scale).any() else np.flatnonzero(y_finer != y_scale)
        if not len(at) or attempt == MOST - 1:
            break
        x_scale, y_scale = x_finer, y_finer
    return replace(total, arrays={**total.arrays, **found, "xy": xy}), x_scale, y_scale
