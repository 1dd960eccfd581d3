"""Quantiles by bisection with secure counts, on a public grid of each variable.

A quantile is a person's value, so it is found no finer than the variable's public resolution, only between
the 5th and the 95th percentile, and only of 50 people or more (RT06). Each round counts, over all sites, how
many people lie at or below 15 cuts of the interval that holds it: 16 times finer a round. Exact, and equal to
R's type 7, for values on the grid; others count as the next grid point above.

Reference: Hyndman & Fan, Am Stat 50 (1996) 361, definition 7; R `quantile`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from scipy.sparse import hstack

from protocols.core.disclosure import Array, Count
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Estimate, Estimates, Figure, NoFigure
from protocols.core.privacy import MayBeNoised, MayBePrivate, Noised, Rows
from protocols.core.protocol import (
    Arrays,
    Coordination,
    FederatedProtocol,
    Result,
    Total,
    ask,
    site_step,
)
from protocols.core.site_step import Times
from protocols.core.spec import one_by_one
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.noisy import in_cells, noisy_sums
from protocols.results.figures import MOST_PANELS, floats

FEWEST = 50
"""People below which no quantile is given."""

_CUTS = 15
_BRANCHES = _CUTS + 1


class Scale(BaseModel):
    """A variable's public grid: low, low + resolution, ... to high; at most 10,000 steps.

    What lies outside counts as low or high; a quantile there is missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: Name
    low: float
    high: float
    resolution: float = Field(gt=0)

    @model_validator(mode="after")
    def _is_coarse(self) -> "Scale":
        if not self.low < self.high or not 1 <= self.steps() <= 10_000:
            raise ValueError(f"{self.variable}: low to high holds 1 to 10,000 steps of the resolution")
        return self

    def steps(self) -> int:
        """How many steps there are from low to high."""
        return round((self.high - self.low) / self.resolution)

    def levels(self) -> tuple[int, ...]:
        """How many cells the grid has, one below and one above among them: 16 times finer a level."""
        cells = [self.steps() + 3]
        while cells[-1] > _BRANCHES:
            cells.append(-(-cells[-1] // _BRANCHES))
        return tuple(reversed(cells))


class QuantilesSpec(MayBePrivate):
    """Quantiles of variables.

    Attributes:
        of: each variable with its public grid; over the people who have it.
        shares: of people below, from 0.05 to 0.95.
    """

    protocol: Literal["quantiles"] = "quantiles"
    of: tuple[Scale, ...] = Field(min_length=1, max_length=200)
    shares: tuple[float, ...] = Field(default=(0.25, 0.5, 0.75), min_length=1, max_length=20)

    @field_validator("shares")
    @classmethod
    def _are_not_extreme(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0.05 <= share <= 0.95 for share in value):
            raise ValueError(
                "quantiles must lie between 0.05 and 0.95: more extreme ones could identify individuals"
            )
        return value

    def private_size(self, arrays: Mapping[str, Array]) -> int:
        return sum(sum(scale.levels()) for scale in self.of)

    def private_rows(self, table: AnalysisTable, **arrays: Array) -> Rows:
        """Each person's cell at every level of every variable's grid, alike in all."""
        share = 1 / np.sqrt(sum(len(scale.levels()) for scale in self.of))
        found = []
        for scale in self.of:
            step = _steps_of(table.column(scale.variable), scale)
            for coarser, cells in zip(reversed(range(len(scale.levels()))), scale.levels(), strict=True):
                found.append(in_cells(np.where(step < 0, -1, step // _BRANCHES**coarser), cells, share))
        return hstack(found, format="csr")

    def most_rounds(self) -> int:
        """How often cuts close in on the quantiles of the variable with the finest grid, at most."""
        return max(int(np.ceil(np.log(s.steps() + 3) / np.log(_CUTS + 1))) + 1 for s in self.of)

    def variables(self) -> tuple[str, ...]:
        return tuple(scale.variable for scale in self.of)

    def stands_on(self) -> tuple[str, ...]:
        return ()  # every entry has a count of its own

    def needs(self) -> tuple[str, ...]:
        return ()

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        yield from one_by_one(table, self.variables())


@dataclass(frozen=True)
class QuantilesResult(MayBeNoised, Result):
    """Quantiles of V variables.

    Attributes:
        of: (V,) variables; shares: (Q,).
        n: (V,) people who have the variable; -1 below 50.
        quantiles: (V, Q); NaN where there are too few people or it lies outside the public range.
        resolution: (V,) of each.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(
    ...     protocol="quantiles", of=[{"variable": "age", "low": 18, "high": 90, "resolution": 0.1}]
    ... )
    >>> found.summary().round(1)
         0.25   0.5  0.75
    age  43.2  51.5  59.6
    """

    of: tuple[str, ...]
    shares: tuple[float, ...]
    n: Integers
    quantiles: Floats
    resolution: Floats

    def summary(self) -> pd.DataFrame:
        return pd.DataFrame(self.quantiles, index=list(self.of), columns=[f"{s:g}" for s in self.shares])

    def figure(self) -> Figure | NoFigure:
        panels = [self._panel(v) for v in range(len(self.of)) if np.isfinite(self.quantiles[v]).any()]
        if not panels:
            return NoFigure(
                "too few people have the variables, or all quantiles lie outside the public ranges"
            )
        more = f" The first {MOST_PANELS} of {len(panels)} variables." if len(panels) > MOST_PANELS else ""
        return Figure(tuple(panels[:MOST_PANELS]), f"Quantiles of each variable over all people.{more}")

    def _panel(self, v: int) -> Estimates:
        """A variable's quantiles: each pair that lies as far from either end as a bar about the median."""
        known = dict(zip(self.shares, floats(self.quantiles[v]), strict=True))
        middle = known.get(0.5, float("nan"))
        rows = [
            Estimate(f"{low:.0%} to {1 - low:.0%} of people", middle, value, known[round(1 - low, 9)])
            for low, value in known.items()
            if low < 0.5 and round(1 - low, 9) in known
        ]
        paired = {
            s for low in known for s in (low, round(1 - low, 9)) if low < 0.5 and round(1 - low, 9) in known
        }
        alone = [
            Estimate(f"{s:.0%} of people are at or below", x) for s, x in known.items() if s not in paired
        ]
        if rows:  # the median stands in them already
            alone = [row for row in alone if row.value != middle]
        return Estimates(self.of[v], Axis(self.of[v]), (*rows, *alone))


class Quantiles(FederatedProtocol[QuantilesSpec, QuantilesResult]):
    """Medians, quartiles and the like."""

    name = "quantiles"
    spec_type = QuantilesSpec

    @site_step(
        times=lambda spec: Times(1, spec.most_rounds()),
        varies=("cuts",),
        n=Count("variable", what="people with a value"),
        below=Count("variable", "order", "cut", of="n", what="people at or below the cut"),
    )
    def counts(spec: QuantilesSpec, table: AnalysisTable, cuts: Integers) -> Arrays:
        """People at or below grid points `cuts`, (variable, order, cut) numbers of steps from low."""
        steps = [_steps(table.column(scale.variable), scale) for scale in spec.of]
        below = [np.searchsorted(np.sort(s), c, side="right") for s, c in zip(steps, cuts, strict=True)]
        return {"n": np.array([len(s) for s in steps]), "below": np.array(below).astype(np.int64)}

    def axes(self, spec: QuantilesSpec) -> dict[str, int]:
        return {"variable": len(spec.of), "order": 2 * len(spec.shares), "cut": _CUTS}

    def coordinate(self, spec: QuantilesSpec) -> Coordination[QuantilesResult]:
        if spec.privacy:
            return noisy_result(spec, *(yield from noisy_sums(spec)))
        shape = (len(spec.of), 2 * len(spec.shares))
        # The order statistic lies above `low` and at or below `high`, in steps; -1 is what is below the grid.
        low = np.full(shape, -2)
        high = np.broadcast_to(np.array([scale.steps() + 1 for scale in spec.of])[:, None], shape)
        n, ranks = np.zeros(len(spec.of)), np.zeros(shape)
        while (high - low > 1).any():
            cuts = low[..., None] + (high - low)[..., None] * np.arange(1, _CUTS + 1) // (_CUTS + 1)
            total: Total = yield ask("counts", cuts=cuts)
            n, ranks = np.asarray(total["n"], dtype=float), _ranks(total["n"], spec.shares)
            reached = total["below"] >= ranks[..., None]
            first = np.where(reached.any(axis=-1), reached.argmax(axis=-1), _CUTS)
            ends = np.concatenate([low[..., None], cuts, high[..., None]], axis=-1)
            low = np.take_along_axis(ends, first[..., None], -1)[..., 0]
            high = np.take_along_axis(ends, first[..., None] + 1, -1)[..., 0]
            low = np.where(n[:, None] < FEWEST, high - 1, low)  # of too few people nothing more is asked
        return result(spec, n, high)

    def method(self, spec: QuantilesSpec) -> str:
        return (
            f"Quantiles of {listed(scale.variable for scale in spec.of)} by counts of people at or below "
            "public grid points (Hyndman & Fan 1996, definition 7), to the resolution that the study "
            "names."
        )

    def about(self, spec: QuantilesSpec) -> str:
        grids = ", ".join(f"{s.variable} (by {s.resolution:g})" for s in spec.of)
        return f"Quantiles of {grids}, found no finer than that."


def _steps(x: Floats, scale: Scale) -> Integers:
    """The grid points at or above the known values; -1 is below the grid, one more than its steps above."""
    x = x[~np.isnan(x)]
    steps = np.ceil((x - scale.low) / scale.resolution - 1e-9)  # a value on the grid stays, despite rounding
    return np.clip(steps, -1, scale.steps() + 1).astype(np.int64)


def _steps_of(x: Floats, scale: Scale) -> Integers:
    """The (n,) grid points from 0, which is below the grid; -1 where the value is missing."""
    known = ~np.isnan(x)
    found = np.full(len(x), -1, dtype=np.int64)
    found[known] = _steps(x, scale) + 1
    return found


def noisy_result(spec: QuantilesSpec, sums: Floats, noised: Noised) -> QuantilesResult:
    """The quantiles that noisy counts of cells give, level by level: where the share of people is reached."""
    counted = sums * np.sqrt(sum(len(scale.levels()) for scale in spec.of))
    quantiles, people, at = np.full((len(spec.of), len(spec.shares)), np.nan), [], 0
    for v, scale in enumerate(spec.of):
        levels = [counted[at + o : at + o + c] for o, c in zip(_offsets(scale), scale.levels(), strict=True)]
        at += sum(scale.levels())
        people.append(round(max(float(levels[0].sum()), 0.0)))
        for q, share in enumerate(spec.shares):
            step = _reached(levels, share * people[-1]) - 1
            if people[-1] >= FEWEST and 0 <= step <= scale.steps():
                quantiles[v, q] = scale.low + step * scale.resolution
    n = np.where(np.array(people) < FEWEST, -1, people).astype(np.int64)
    resolution = np.array([scale.resolution for scale in spec.of])
    return QuantilesResult(spec.variables(), spec.shares, n, quantiles, resolution, noised=noised)


def _offsets(scale: Scale) -> Integers:
    return np.cumsum((0, *scale.levels()[:-1]))


def _reached(levels: Sequence[Floats], rank: float) -> int:
    """The cell of the finest level in which the count of people from below reaches `rank`."""
    cell, left = 0, rank
    for depth, counts in enumerate(levels):
        first = cell * _BRANCHES if depth else 0
        below = np.cumsum(counts[first : first + _BRANCHES])
        reached = np.flatnonzero(below >= left)
        inside = int(reached[0]) if reached.size else len(below) - 1
        left -= float(below[inside - 1]) if inside else 0.0
        cell = first + inside
    return cell


def _ranks(n: Integers, shares: Sequence[float]) -> Floats:
    """(V, 2Q) the ranks, from 1, of the two order statistics around each share."""
    at = (np.maximum(n, 1) - 1)[:, None] * np.array(shares)
    lower = np.floor(at + 1e-9) + 1
    return np.concatenate([lower, np.minimum(lower + 1, np.maximum(n, 1)[:, None])], axis=1)


def result(spec: QuantilesSpec, n: Floats, steps: Integers) -> QuantilesResult:
    """The result of the (V, 2Q) order statistics in steps.

    Raises:
        StudyError: withheld; no variable is known of enough people.
    """
    if (n < FEWEST).all():
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {FEWEST} people have {', '.join(spec.variables())}",
            "a quantile needs more: ask for means",
        )
    size, Q = np.array([scale.steps() for scale in spec.of])[:, None], len(spec.shares)
    low, resolution = np.array([(scale.low, scale.resolution) for scale in spec.of]).T
    values = low[:, None] + steps * resolution[:, None]
    values = np.where((steps < 0) | (steps > size) | (n[:, None] < FEWEST), np.nan, values)
    at = (n - 1)[:, None] * np.array(spec.shares)
    part = at - np.floor(at + 1e-9)
    quantiles = values[:, :Q] + part * (values[:, Q:] - values[:, :Q])
    return QuantilesResult(
        spec.variables(), spec.shares, np.where(n < FEWEST, -1, n).astype(np.int64), quantiles, resolution
    )
