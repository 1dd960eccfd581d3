"""Pearson correlations of variables, with intervals and tests. Exact, in one round of second moments.

Reference: Fisher, Metron 1 (1921) 3 for the interval; R `cor`, `cor.test`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator
from scipy import stats

from protocols.core.disclosure import Moment
from protocols.core.figure import Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, Spec, site_step
from protocols.core.table import AnalysisTable, Floats
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.moments import (
    COLUMN_MOMENTS,
    GATHERED,
    column_moments,
    complete_rows,
    gather,
    moment_bounds,
)
from protocols.results.figures import left_out, matrix


class CorrelationSpec(Spec):
    """Which variables.

    Attributes:
        of: numeric variables, complete cases are used.
        level: of the confidence intervals.
    """

    protocol: Literal["correlation"] = "correlation"
    of: tuple[Name, ...] = Field(min_length=2, max_length=500)
    level: float = Field(default=0.95, gt=0, lt=1)

    @field_validator("of")
    @classmethod
    def _stand_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a variable is listed twice")
        return value

    def variables(self) -> tuple[str, ...]:
        return self.of


@dataclass(frozen=True)
class CorrelationResult(Result):
    """Correlations of p variables.

    Attributes:
        of: (p,) names; n: people with complete data.
        correlation: (p, p); lower, upper: its interval at `level` by Fisher's z; p: two-sided, t with n - 2.
        level: of the intervals.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="correlation", of=["age", "volume", "entropy"])
    >>> found.summary().round(2)
              age  volume  entropy
    age      1.00    0.13     0.25
    volume   0.13    1.00     0.52
    entropy  0.25    0.52     1.00
    """

    of: tuple[str, ...]
    n: int
    correlation: Floats
    lower: Floats
    upper: Floats
    p: Floats
    level: float

    def summary(self) -> pd.DataFrame:
        return pd.DataFrame(self.correlation, index=list(self.of), columns=list(self.of))

    def figure(self) -> Figure:
        return Figure(
            (matrix(self.of, self.of, self.correlation, measure="Pearson's correlation"),),
            f"Correlations of {self.n} people. {left_out('variables', len(self.of))}".strip(),
        )


class Correlation(FederatedProtocol[CorrelationSpec, CorrelationResult]):
    """Which variables go together."""

    name = "correlation"
    spec_type = CorrelationSpec

    @site_step(
        COLUMN_MOMENTS,
        times=GATHERED,
        varies=("shift", "scale"),
        bounds=lambda spec, asked, ranges: moment_bounds(spec.of, asked, ranges),
        products=Moment("column", "column", what="sums of products"),
    )
    def moments(spec: CorrelationSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums, squares and products of the columns, less shift times scale."""
        z, sums = column_moments(complete_rows(table, spec.of), shift, scale)
        return {**sums, "products": z.T @ z}

    def axes(self, spec: CorrelationSpec) -> dict[str, int]:
        return {"column": len(spec.of)}

    def coordinate(self, spec: CorrelationSpec) -> Coordination[CorrelationResult]:
        moments = yield from gather(spec.of)
        moments.check()
        everything = range(len(spec.of))
        return result(spec, moments.correlation("products", everything, everything), moments.n)

    def method(self, spec: CorrelationSpec) -> str:
        return (
            f"Pearson's correlations of {listed(spec.of)}, with intervals by Fisher's z, over people with "
            "complete data."
        )

    def about(self, spec: CorrelationSpec) -> str:
        return f"Correlations of {', '.join(spec.of)}."


def result(spec: CorrelationSpec, correlation: Floats, n: int) -> CorrelationResult:
    """The result of (p, p) correlations of n people."""
    r = np.clip((correlation + correlation.T) / 2, -1.0, 1.0)
    np.fill_diagonal(r, 1.0)
    with np.errstate(divide="ignore"):
        z = np.arctanh(r)
        t = np.abs(r) * np.sqrt((n - 2) / (1 - r**2))
    half = stats.norm.ppf((1 + spec.level) / 2) / np.sqrt(n - 3)
    return CorrelationResult(
        spec.of, n, r, np.tanh(z - half), np.tanh(z + half), 2 * stats.t.sf(t, n - 2), spec.level
    )
