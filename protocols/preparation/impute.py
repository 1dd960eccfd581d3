"""Fills missing values with the mean or median over all sites, and marks where they are: a transform.

The mean is exact. A median is found on a grid between the mean less and plus one standard deviation, where it
always lies; the grid is refined while enough people are in a cell, and what is left is interpolated in a
cell of at least `min_count` people, so nobody's own value is shown: `bound` tells how far it can be off.

For standard errors that know of the missing values, use `multiple_imputation`.

Reference: Little & Rubin, Statistical Analysis with Missing Data (2002), ch. 4; where a median lies:
Hotelling & Solomons, Ann Math Stat 3 (1932) 141.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.disclosure import Array, Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, ask, site_step
from protocols.core.roles import Applicable, ColumnTransform, Transforms
from protocols.core.site_step import NEVER, Times
from protocols.core.spec import one_by_one
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.results.figures import MOST_ROWS, left_out
from protocols.results.numerals import shown

CELLS = 64
_MAX_ROUNDS = 4
_CROWDED = 8  # times min_count: a cell with more people is cut again


class ImputeSpec(Transforms):
    """Which variables are filled, and how.

    Attributes:
        mean, median: variables whose missing values become that.
        indicators: variables for which a column NAME_missing tells who had no value (1) and who had one (0).
        zero_is_missing: variables whose 0 is a code for missing (a cholesterol of 0).
    """

    protocol: Literal["impute"] = "impute"
    mean: tuple[Name, ...] = Field(default=(), max_length=1000)
    median: tuple[Name, ...] = Field(default=(), max_length=200)
    indicators: tuple[Name, ...] = Field(default=(), max_length=1000)
    zero_is_missing: tuple[Name, ...] = Field(default=(), max_length=1000)

    @model_validator(mode="after")
    def _is_something(self) -> "ImputeSpec":
        if len(set(self.filled())) != len(self.filled()):
            raise ValueError("a variable is to be filled twice")
        if not self.variables():
            raise ValueError("nothing is filled and nothing is marked")
        return self

    def filled(self) -> tuple[str, ...]:
        """The variables whose missing values are filled, in the order of the result."""
        return (*self.mean, *self.median)

    def kinds(self) -> tuple[str, ...]:
        """How each of them is filled: mean or median."""
        return ("mean",) * len(self.mean) + ("median",) * len(self.median)

    def variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.filled(), *self.indicators, *self.zero_is_missing)))

    def stands_on(self) -> tuple[str, ...]:
        return ()  # every entry has a count of its own

    def needs(self) -> tuple[str, ...]:
        return ()

    def fills(self) -> tuple[str, ...]:
        return self.filled()

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        """Each variable with its (n,) people who have it."""
        yield from one_by_one(table, self.variables())

    def makes(self) -> tuple[str, ...]:
        return tuple(f"{name}_missing" for name in self.indicators)


@dataclass(frozen=True)
class ImputeResult(Applicable):
    """What missing values become.

    Attributes:
        columns: (k,) names; kinds: (k,) "mean" or "median".
        values: (k,) what fills them.
        bound: (k,) how far a median can be from the exact one; 0 for a mean.
        n, missing: (k,) people with a value, and without.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="impute", mean=["volume"])
    >>> found.summary().round(1)
           kinds  values  bound    n  missing
    volume  mean    57.0    0.0  322       18
    """

    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    values: Floats
    bound: Floats
    n: Integers
    missing: Integers

    def summary(self) -> pd.DataFrame:
        return self.table(self.columns, "kinds", "values", "bound", "n", "missing")

    def figure(self) -> Figure:
        of = np.maximum(self.n + self.missing, 1)
        missing = [100 * m / n for m, n in zip(self.missing, of, strict=True)]
        bars = tuple(
            Bar(name, float(v), f"{v:.1f}%, filled with the {kind}, {shown(float(value))}")
            for name, v, kind, value in zip(self.columns, missing, self.kinds, self.values, strict=True)
        )
        return Figure(
            (Bars("", Axis("people without a value", "%", low=0.0), bars[:MOST_ROWS]),),
            left_out("variables", len(bars)),
        )

    def transform_arrays(self) -> dict[str, Array]:
        return {"values": self.values}


@dataclass(frozen=True)
class _Grid:
    """The cells of m medians: cell c of median j is [low + c * width, low + (c + 1) * width)."""

    low: Floats
    width: Floats

    @classmethod
    def around(cls, mean: Floats, sd: Floats) -> "_Grid":
        """From the mean less to the mean plus one standard deviation, where a median always lies."""
        reach = 1.0001 * np.maximum(sd, 1e-12 * np.abs(mean) + 1e-300)
        return cls(mean - reach, 2 * reach / CELLS)


class Impute(FederatedProtocol[ImputeSpec, ImputeResult], ColumnTransform[ImputeSpec]):
    """Columns without missing values."""

    name = "impute"
    spec_type = ImputeSpec

    @site_step(
        people=Count(),
        n=Count("column", of="people", what="people with a value"),
        sum=Moment("column", behind="n", what="sums"),
        square=Moment("column", behind="n", what="sums of squares"),
    )
    def moments(spec: ImputeSpec, table: AnalysisTable) -> Arrays:
        """How many people have each column, its sum and its sum of squares."""
        x = _numbers(spec, table)
        known = ~np.isnan(x)
        x = np.where(known, x, 0.0)
        return {
            "people": np.array(len(table)),
            "n": known.sum(axis=0),
            "sum": x.sum(axis=0),
            "square": (x**2).sum(axis=0),
        }

    @site_step(
        times=lambda spec: Times(1, _MAX_ROUNDS) if spec.median else NEVER,
        varies=("low", "width"),
        n=Count("median", what="people with a value"),
        below=Count("median", of="n", what="people below the cells"),
        cells=Count("median", "cell", of="n", what="people with a value in the cell"),
    )
    def cells(spec: ImputeSpec, table: AnalysisTable, low: Floats, width: Floats) -> Arrays:
        """How many people lie below each median's grid, and in each of its cells."""
        x = _numbers(spec, table)[:, len(spec.mean) :]
        below, cells = np.zeros(len(low), dtype=np.int64), np.zeros((len(low), CELLS), dtype=np.int64)
        for j, values in enumerate(x.T):
            values = values[~np.isnan(values)]
            cell = np.floor((values - low[j]) / width[j])
            below[j] = (cell < 0).sum()
            inside = cell[(cell >= 0) & (cell < CELLS)].astype(np.int64)
            cells[j] = np.bincount(inside, minlength=CELLS)
        return {"n": (~np.isnan(x)).sum(axis=0), "below": below, "cells": cells}

    def axes(self, spec: ImputeSpec) -> dict[str, int]:
        return {"column": len(spec.filled()), "median": len(spec.median), "cell": CELLS}

    def coordinate(self, spec: ImputeSpec) -> Coordination[ImputeResult]:
        total = yield ask("moments")
        n = np.asarray(total["n"], dtype=np.int64)
        few = [name for name, known in zip(spec.filled(), n, strict=True) if known < total.min_count]
        if few:
            raise StudyError(
                Code.WITHHELD,
                f"fewer than {total.min_count} people have a value of: {', '.join(few)}",
                "remove these, or mark them with indicators alone",
            )
        k, mean = len(spec.mean), total["sum"] / n
        spread = np.sqrt(np.maximum(total["square"] / n - mean**2, 0.0))
        values, bound = mean.copy(), np.zeros(len(mean))
        if spec.median:
            values[k:], bound[k:] = yield from _medians(_Grid.around(mean[k:], spread[k:]))
        return ImputeResult(spec.filled(), spec.kinds(), values, bound, n, int(total["people"]) - n)

    def transform(self, spec: ImputeSpec, table: AnalysisTable, rows: Mask, **arrays: Array) -> AnalysisTable:
        """The table with missing values filled, zeros that mean missing too, and with indicators added."""
        columns = {name: _column(spec, table, name) for name in spec.variables()}
        marks = {f"{name}_missing": np.isnan(columns[name]).astype(np.float64) for name in spec.indicators}
        for name, value in zip(spec.filled(), arrays["values"], strict=True):
            columns[name] = np.where(np.isnan(columns[name]), value, columns[name])
        return table.with_columns({**columns, **marks})

    def method(self, spec: ImputeSpec) -> str:
        by = (("mean", spec.mean), ("median", spec.median))
        filled = listed(f"{listed(names)} with the {kind}" for kind, names in by if names)
        known = f"; {listed(spec.indicators)} got an indicator" if spec.indicators else ""
        return f"Missing values were filled over all hospitals: {filled}{known}."

    def about(self, spec: ImputeSpec) -> str:
        return (
            f"Fills missing values of {', '.join(spec.filled()) or 'nothing'}; "
            f"marks those of {', '.join(spec.indicators) or 'nothing'}."
        )

    def notes(self, spec: ImputeSpec) -> Sequence[str]:
        return ["A cell is cut again only where many people are in it."] if spec.median else []


def _column(spec: ImputeSpec, table: AnalysisTable, name: str) -> Floats:
    x = table.column(name)
    return np.where(x == 0, np.nan, x) if name in spec.zero_is_missing else x


def _numbers(spec: ImputeSpec, table: AnalysisTable) -> Floats:
    columns = [_column(spec, table, name) for name in spec.filled()]
    return np.column_stack(columns) if columns else np.empty((len(table), 0))


def _medians(grid: _Grid) -> Coordination[tuple[Floats, Floats]]:
    """The medians and how far each can be off; a median's cell is cut again while many people are in it."""
    for rounds in range(_MAX_ROUNDS):
        total = yield ask("cells", low=grid.low, width=grid.width)
        floor = total.min_count
        people = list(zip(total["n"], total["below"], total["cells"], strict=True))
        crowded = np.array([_crowded(int(n), int(below), cells, floor) for n, below, cells in people])
        if (crowded < 0).all() or rounds == _MAX_ROUNDS - 1:
            break
        again = crowded >= 0
        grid = _Grid(
            np.where(again, grid.low + crowded * grid.width, grid.low),
            np.where(again, grid.width / CELLS, grid.width),
        )
    found = [_interpolated(int(n), int(below), cells, floor) for n, below, cells in people]
    middle, span = np.array(found).T
    return grid.low + middle * grid.width, span * grid.width


def _middle(n: int, below: int, cells: Integers) -> tuple[int, int]:
    """The cells of the two people in the middle, who may be one."""
    after = below + np.cumsum(cells)
    first, second = np.searchsorted(after, [(n - 1) // 2, n // 2], side="right")
    return min(int(first), CELLS - 1), min(int(second), CELLS - 1)


def _crowded(n: int, below: int, cells: Integers, floor: int) -> int:
    """The median's cell if so many people are in it that it can be cut again, -1 if not."""
    first, second = _middle(n, below, cells)
    return first if first == second and cells[first] >= _CROWDED * floor else -1


def _interpolated(n: int, below: int, cells: Integers, floor: int) -> tuple[float, float]:
    """The median's place, and the width of cells of at least `floor` people around it, in cells."""
    first, last = _middle(n, below, cells)
    while cells[first : last + 1].sum() < floor and (first > 0 or last < CELLS - 1):
        first, last = max(first - 1, 0), min(last + 1, CELLS - 1)
    inside = int(cells[first : last + 1].sum())
    before = below + int(cells[:first].sum())
    span = last + 1 - first
    share = min(max((n / 2 - before) / max(inside, 1), 0.0), 1.0)
    return first + span * share, float(span)
