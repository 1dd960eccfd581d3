"""Contingency tables of two variables, with the chi-square test and Fisher's. Exact: a sum of counts.

A cell of fewer than the study's `min_count` people over all sites is not asked for, nor one more with it, so
that none follows from the total; then there are no margins and no tests either, since these would give it
away.

Reference: Pearson (1900); Fisher (1934); R `chisq.test(correct = FALSE)`, `fisher.test`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import stats

from protocols.core.cells import refuse_all_hidden, shown_cells, without_hidden
from protocols.core.disclosure import SUPPRESSED, Array, Band, Count
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.privacy import MayBeNoised, MayBePrivate, Noised, Rows
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, ask, site_step
from protocols.core.suppression import suppressed
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.variables import Name
from protocols.estimation.noisy import counts, in_cells, level_of, noisy_sums
from protocols.results.figures import whole
from protocols.results.numerals import shown, shown_count, shown_p

Levels = tuple[float, ...]


class CrosstabSpec(MayBePrivate):
    """Two variables, by their values.

    Attributes:
        rows, columns: the variables; people without one, or with another value, are not counted.
        row_levels, column_levels: their values.
        correct: chi-square with Yates' correction, of two by two.
    """

    protocol: Literal["crosstab"] = "crosstab"
    rows: Name
    columns: Name
    row_levels: Levels = Field(default=(0.0, 1.0), min_length=2, max_length=40)
    column_levels: Levels = Field(default=(0.0, 1.0), min_length=2, max_length=40)
    correct: bool = False

    def variables(self) -> tuple[str, ...]:
        return (self.rows, self.columns)

    def stands_on(self) -> tuple[str, ...]:
        return ()  # every entry has a count of its own

    def cells_published(self) -> int:
        return len(self.row_levels) * len(self.column_levels)

    def private_size(self, arrays: Mapping[str, Array]) -> int:
        return len(self.row_levels) * len(self.column_levels)

    def private_rows(self, table: AnalysisTable, **arrays: Array) -> Rows:
        """Each person in one cell."""
        row, column = (
            level_of(table.column(name), levels)
            for name, levels in ((self.rows, self.row_levels), (self.columns, self.column_levels))
        )
        cell = np.where((row < 0) | (column < 0), -1, row * len(self.column_levels) + column)
        return in_cells(cell, self.private_size({}))

    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the rows and of the columns."""
        rows = tuple(f"{self.rows}={level:g}" for level in self.row_levels)
        return rows, tuple(f"{self.columns}={level:g}" for level in self.column_levels)


@dataclass(frozen=True)
class CrosstabResult(MayBeNoised, Result):
    """People by two variables.

    Attributes:
        rows, columns: names.
        n: people counted.
        counts: (rows, columns); -1 where not shown.
        expected: (rows, columns) if the two were independent.
        chi_square, df, p: the test of that; NaN where a cell is not shown.
        odds_ratio, fisher_p: of two by two, the sample's odds ratio and Fisher's exact p-value, else NaN.
        withheld: why there are no tests, empty where there are.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="crosstab", rows="female", columns="idh1")
    >>> found.summary()
              idh1=0  idh1=1
    female=0      97      85
    female=1      78      80
    >>> round(found.p, 2)
    0.47
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    n: int
    counts: Integers
    expected: Floats
    chi_square: float
    df: int
    p: float
    odds_ratio: float
    fisher_p: float
    withheld: str

    def summary(self) -> pd.DataFrame:
        """The table; a cell that is not shown is missing."""
        frame = pd.DataFrame(self.counts, index=list(self.rows), columns=list(self.columns))
        return frame.mask(frame == SUPPRESSED)

    def figure(self) -> Figure:
        bars = tuple(bar for i in range(len(self.rows)) for bar in self._shares(i))
        tested = self.withheld
        if not tested:
            degrees = f"{self.df} degree{'s' * (self.df != 1)} of freedom"
            tested = f"chi-square {shown(self.chi_square)} with {degrees}, {shown_p(self.p)}"
        if np.isfinite(self.odds_ratio):
            tested += f"; odds ratio {shown(self.odds_ratio)}, Fisher's exact test {shown_p(self.fisher_p)}"
        return Figure(
            (Bars("", Axis("share within the row", "%", low=0.0), bars),),
            f"{self.n} people: {tested}.",
        )

    def _shares(self, row: int) -> tuple[Bar, ...]:
        """A bar for each cell of a row: its share of the row, which is known where every cell is shown."""
        people = whole(self.counts[row])
        if None in people:
            return tuple(Bar(self.rows[row], None, "withheld", series=name) for name in self.columns)
        of = sum(count or 0 for count in people)
        shares = [100 * (count or 0) / max(of, 1) for count in people]
        return tuple(
            Bar(self.rows[row], share, f"{share:.0f}% ({shown_count(count or 0)})", series=name)
            for share, count, name in zip(shares, people, self.columns, strict=True)
        )


class Crosstab(FederatedProtocol[CrosstabSpec, CrosstabResult]):
    """Whether two coded variables go together."""

    name = "crosstab"
    version = "2"
    is_query = True
    spec_type = CrosstabSpec

    @site_step(
        refines=True, enough=Band("row", "column", what="people with the combination, in whole floors")
    )
    def cells(spec: CrosstabSpec, table: AnalysisTable) -> Arrays:
        """Which combinations enough people have."""
        return {"enough": _counted(spec, table)}

    @site_step(
        n=Count(), counts=Count("row", "column", of="n", what="people with the combination, if enough")
    )
    def count(spec: CrosstabSpec, table: AnalysisTable, shown: Integers) -> Arrays:
        """People by both variables, in the cells that are `shown`, (row, column) of 1 and 0."""
        counts = _counted(spec, table)
        return {"n": np.array(counts.sum()), "counts": counts * shown}

    def axes(self, spec: CrosstabSpec) -> dict[str, int]:
        return {"row": len(spec.row_levels), "column": len(spec.column_levels)}

    def coordinate(self, spec: CrosstabSpec) -> Coordination[CrosstabResult]:
        if spec.privacy:
            return noisy_result(spec, *(yield from noisy_sums(spec)))
        found = yield ask("cells")
        shown = shown_cells(found["enough"], found.floors, axes=2)
        refuse_all_hidden(shown, f"{spec.rows} by {spec.columns}", found.min_count)
        total = yield ask("count", shown=shown)
        return result(spec, int(total["n"]), without_hidden(total["counts"], shown), total.min_count)

    def method(self, spec: CrosstabSpec) -> str:
        corrected = " with Yates' correction" if spec.correct else ""
        return (
            f"Cross table of {spec.rows} by {spec.columns}: Pearson's chi-square test{corrected}, and "
            "Fisher's exact test for two by two."
        )

    def about(self, spec: CrosstabSpec) -> str:
        return f"How many people have each combination of {spec.rows} and {spec.columns}."


def noisy_result(spec: CrosstabSpec, sums: Floats, noised: Noised) -> CrosstabResult:
    """The result of noisy counts; a test of independence would take the noise for people."""
    rows, columns = spec.names()
    cells = counts(sums).reshape(len(rows), len(columns))
    expected, nothing = np.full(cells.shape, np.nan), float("nan")
    why = "the counts bear noise, which the tests do not know of"
    n = round(max(float(sums.sum()), 0.0))
    return CrosstabResult(
        rows, columns, n, cells, expected, nothing, 0, nothing, nothing, nothing, why, noised=noised
    )


def _counted(spec: CrosstabSpec, table: AnalysisTable) -> Integers:
    first, second = table.column(spec.rows), table.column(spec.columns)
    return np.array(
        [[np.sum((first == a) & (second == b)) for b in spec.column_levels] for a in spec.row_levels]
    )


def result(spec: CrosstabSpec, n: int, counts: Integers, min_count: int) -> CrosstabResult:
    """The result of n people and their joined counts, -1 where these were not asked for.

    Raises:
        StudyError: withheld; no cell can be shown.
    """
    rows, columns = spec.names()
    counts = np.asarray(counts, dtype=np.int64)
    shown = suppressed(counts, min_count)
    if (shown == SUPPRESSED).all():
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {min_count} people in cells of {spec.rows} by {spec.columns}",
            "merge levels, or use fewer of them",
        )
    nothing = float("nan")
    if (shown == SUPPRESSED).any():
        hidden = next(f"{rows[i]}, {columns[j]}" for i, j in np.argwhere(counts < min_count))
        why = f"fewer than {min_count} people have {hidden}: merge levels of {spec.rows} or {spec.columns}"
        expected = np.full(counts.shape, nothing)
        return CrosstabResult(rows, columns, n, shown, expected, nothing, 0, nothing, nothing, nothing, why)
    chi_square, p, df, expected = stats.chi2_contingency(counts, correction=spec.correct)
    odds_ratio = fisher = nothing
    if counts.shape == (2, 2):
        odds_ratio, fisher = stats.fisher_exact(counts)
    return CrosstabResult(
        rows,
        columns,
        n,
        shown,
        expected,
        float(chi_square),
        int(df),
        float(p),
        float(odds_ratio),
        float(fisher),
        "",
    )
