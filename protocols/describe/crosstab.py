"""Contingency tables of two variables, with the chi-square test and Fisher's. Exact: one sum of counts.

A cell of fewer than the study's `min_count` people over all sites is not shown, nor others from which it
would follow; then there are no margins and no tests either, since these would give it away.

Reference: Pearson (1900); Fisher (1934); R `chisq.test(correct = FALSE)`, `fisher.test`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import stats

from protocols.core.disclosure import SUPPRESSED, Count
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, Spec, ask, site_step
from protocols.core.suppression import suppressed
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.variables import Name
from protocols.results.figures import whole
from protocols.results.numerals import shown, shown_count, shown_p

Levels = tuple[float, ...]


class CrosstabSpec(Spec):
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

    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the rows and of the columns."""
        rows = tuple(f"{self.rows}={level:g}" for level in self.row_levels)
        return rows, tuple(f"{self.columns}={level:g}" for level in self.column_levels)


@dataclass(frozen=True)
class CrosstabResult(Result):
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
    is_query = True
    spec_type = CrosstabSpec

    @site_step(n=Count(), counts=Count("row", "column", of="n", what="people with the combination"))
    def count(spec: CrosstabSpec, table: AnalysisTable) -> Arrays:
        """People by both variables."""
        first, second = table.column(spec.rows), table.column(spec.columns)
        counts = np.array(
            [[np.sum((first == a) & (second == b)) for b in spec.column_levels] for a in spec.row_levels]
        )
        return {"n": np.array(counts.sum()), "counts": counts}

    def axes(self, spec: CrosstabSpec) -> dict[str, int]:
        return {"row": len(spec.row_levels), "column": len(spec.column_levels)}

    def coordinate(self, spec: CrosstabSpec) -> Coordination[CrosstabResult]:
        total = yield ask("count")
        return result(spec, total["counts"], total.min_count)

    def method(self, spec: CrosstabSpec) -> str:
        corrected = " with Yates' correction" if spec.correct else ""
        return (
            f"Cross table of {spec.rows} by {spec.columns}: Pearson's chi-square test{corrected}, and "
            "Fisher's exact test for two by two."
        )

    def about(self, spec: CrosstabSpec) -> str:
        return f"How many people have each combination of {spec.rows} and {spec.columns}."


def result(spec: CrosstabSpec, counts: Integers, min_count: int) -> CrosstabResult:
    """The result of joined counts.

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
        return CrosstabResult(
            rows, columns, int(counts.sum()), shown, expected, nothing, 0, nothing, nothing, nothing, why
        )
    chi_square, p, df, expected = stats.chi2_contingency(counts, correction=spec.correct)
    odds_ratio = fisher = nothing
    if counts.shape == (2, 2):
        odds_ratio, fisher = stats.fisher_exact(counts)
    return CrosstabResult(
        rows,
        columns,
        int(counts.sum()),
        shown,
        expected,
        float(chi_square),
        int(df),
        float(p),
        float(odds_ratio),
        float(fisher),
        "",
    )
