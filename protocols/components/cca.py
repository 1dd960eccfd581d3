"""Canonical correlations between two blocks of columns, plain or with ridge. Exact, in one round.

The variates are computed at each site from its own rows and stay there, as columns `ccx1`, `ccy1`, …. The
largest entry of each x weight is positive.

At most 0.33 columns of both blocks a person: their second moments are one matrix, and as wide as there are
people it gives rows back up to a rotation. Use fewer columns, or `pls` with `method: svd`, whose products
between the blocks alone do not.

References: Hotelling, Biometrika 28 (1936) 321; R `cancor`. Ridge: Vinod, J Econometrics 4 (1976) 147;
mixOmics `rcc`. Tests: Bartlett, Proc Camb Phil Soc 34 (1938) 33.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy import stats
from scipy.linalg import solve_triangular

from protocols.core.disclosure import Array, Moment
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, site_step
from protocols.core.roles import Applicable, ColumnTransform, Transforms
from protocols.core.table import AnalysisTable, Floats, Mask
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
from protocols.estimation.newton import check_rank
from protocols.estimation.vectors import Prefix, signs, standardized
from protocols.results.figures import matrix


class CcaSpec(Transforms):
    """Two blocks of columns.

    Attributes:
        x, y: numeric variables, complete cases are used.
        components: how many pairs of variates, the largest correlation first.
        ridge_x, ridge_y: what is added to the correlation matrices' diagonals; 0 is plain CCA.
        prefix: of the variates' names.
    """

    protocol: Literal["cca"] = "cca"
    x: tuple[Name, ...] = Field(min_length=1, max_length=1000)
    y: tuple[Name, ...] = Field(min_length=1, max_length=1000)
    components: int = Field(default=2, ge=1, le=100)
    ridge_x: float = Field(default=0.0, ge=0)
    ridge_y: float = Field(default=0.0, ge=0)
    prefix: Prefix = "cc"

    @model_validator(mode="after")
    def _is_possible(self) -> "CcaSpec":
        if len({*self.x, *self.y}) != len(self.x) + len(self.y):
            raise ValueError("a variable is listed twice in x and y")
        if self.components > min(len(self.x), len(self.y)):
            raise ValueError("more components than columns in the smaller block")
        return self

    def variables(self) -> tuple[str, ...]:
        return (*self.x, *self.y)

    def makes(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}{block}{k + 1}" for block in "xy" for k in range(self.components))


@dataclass(frozen=True)
class CcaResult(Applicable):
    """Canonical correlations; no person's variate is in here.

    Attributes:
        x, y: (p,), (q,) names; components: names of the variates' columns.
        singular_values: all min(p, q), the canonical correlations where there is no ridge.
        correlation: (k,) of the variates over all people.
        x_weights, y_weights: (p, k), (q, k) on standardized columns; the variates' variance (with the
            ridge's part) is 1.
        x_loadings, y_loadings: (p, k), (q, k) correlations of columns with their own block's variates.
        wilks: product of 1 - r^2 over all; p: (min(p, q),) that the correlations from this one on are all 0
            (Bartlett's chi-square). Both missing with ridge.
        x_mean, x_sd, y_mean, y_sd: of the columns.
        n: people with complete data; sites: that have any of them.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="cca", x=["age", "female"], y=["volume", "entropy"])
    >>> found.summary().round(3)
               correlation  singular_value      p
    component
    1                0.254           0.254  0.000
    2                0.015           0.015  0.786
    """

    x: tuple[str, ...]
    y: tuple[str, ...]
    components: tuple[str, ...]
    singular_values: Floats
    correlation: Floats
    x_weights: Floats
    y_weights: Floats
    x_loadings: Floats
    y_loadings: Floats
    wilks: float
    p: Floats
    x_mean: Floats
    x_sd: Floats
    y_mean: Floats
    y_sd: Floats
    n: int
    sites: int

    def summary(self) -> pd.DataFrame:
        """One row per pair of variates."""
        k = len(self.correlation)
        return pd.DataFrame(
            {"correlation": self.correlation, "singular_value": self.singular_values[:k], "p": self.p[:k]},
            pd.RangeIndex(1, k + 1, name="component"),
        )

    def figure(self) -> Figure:
        r = self.singular_values
        words = "all canonical correlations" if np.isfinite(self.wilks) else "singular values"
        names = [f"variate {i + 1}" for i in range(len(r))]
        bars = tuple(Bar(name, float(v), f"{v:.2f}") for name, v in zip(names, r, strict=True))
        kept = names[: len(self.components)]
        return Figure(
            (
                Bars(f"Strength: {words}", Axis("canonical correlation", low=0.0), bars),
                matrix(
                    self.x,
                    kept,
                    self.x_loadings,
                    measure="correlation",
                    title="First block with its variates",
                ),
                matrix(
                    self.y,
                    kept,
                    self.y_loadings,
                    measure="correlation",
                    title="Second block with its variates",
                ),
            ),
            f"Canonical correlations of {self.n} people, and how each variable correlates with the variates "
            "of the same block.",
        )

    def transform_arrays(self) -> Arrays:
        names = ("x_weights", "y_weights", "x_mean", "x_sd", "y_mean", "y_sd")
        return self.named(*names)


class Cca(FederatedProtocol[CcaSpec, CcaResult], ColumnTransform[CcaSpec]):
    """What two blocks of columns share."""

    name = "cca"
    spec_type = CcaSpec

    @site_step(
        COLUMN_MOMENTS,
        times=GATHERED,
        varies=("shift", "scale"),
        bounds=lambda spec, asked, ranges: moment_bounds(spec.variables(), asked, ranges),
        products=Moment("column", "column", what="sums of products"),
    )
    def moments(spec: CcaSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums, squares and products of the columns of both blocks, less shift times scale."""
        x = complete_rows(table, spec.variables())
        z, sums = column_moments(x, shift, scale)
        return {**sums, "products": z.T @ z}

    def axes(self, spec: CcaSpec) -> dict[str, int]:
        return {"column": len(spec.variables())}

    def coordinate(self, spec: CcaSpec) -> Coordination[CcaResult]:
        moments = yield from gather(spec.variables())
        moments.check()
        everything = range(len(spec.variables()))
        R = moments.correlation("products", everything, everything)
        return _solved(spec, R, moments.mean, moments.sd, (moments.n, moments.sites))

    def transform(self, spec: CcaSpec, table: AnalysisTable, rows: Mask, **arrays: Array) -> AnalysisTable:
        """The table with a column for each variate, missing for people without all columns of its block."""
        variates = [
            standardized(table, names, arrays[f"{block}_mean"], arrays[f"{block}_sd"])
            @ arrays[f"{block}_weights"]
            for block, names in (("x", spec.x), ("y", spec.y))
        ]
        return table.with_columns(dict(zip(spec.makes(), np.hstack(variates).T, strict=True)))

    def method(self, spec: CcaSpec) -> str:
        ridge = f", with ridge {spec.ridge_x:g} and {spec.ridge_y:g}" if spec.ridge_x or spec.ridge_y else ""
        return (
            f"Canonical correlation analysis (Hotelling 1936){ridge} of {listed(spec.x)} with "
            f"{listed(spec.y)}, on standardized variables and people with complete data."
        )

    def about(self, spec: CcaSpec) -> str:
        return f"Canonical correlations of {', '.join(spec.x)} with {', '.join(spec.y)}."

    def notes(self, spec: CcaSpec) -> Sequence[str]:
        return [f"Variates stay here, as columns {', '.join(spec.makes())} for the analyses after this one."]


def _solved(spec: CcaSpec, R: Floats, mean: Floats, sd: Floats, people: tuple[int, int]) -> CcaResult:
    """The result from the correlations of all columns.

    Raises:
        StudyError: rank-deficient; names the columns that follow from those before in their block.
    """
    p = len(spec.x)
    factors = []
    for block, ridge, names in ((R[:p, :p], spec.ridge_x, spec.x), (R[p:, p:], spec.ridge_y, spec.y)):
        if ridge == 0:
            check_rank(block, names)
        factors.append(np.linalg.cholesky(block + ridge * np.eye(len(block))))
    left = solve_triangular(factors[0], R[:p, p:], lower=True)
    u, s, vt = np.linalg.svd(solve_triangular(factors[1], left.T, lower=True).T, full_matrices=False)
    a = solve_triangular(factors[0], u, lower=True, trans="T")
    b = solve_triangular(factors[1], vt.T, lower=True, trans="T")
    return _result(spec, R, (s, a, b), mean, sd, people)


def _result(
    spec: CcaSpec,
    R: Floats,
    found: tuple[Floats, Floats, Floats],
    mean: Floats,
    sd: Floats,
    people: tuple[int, int],
) -> CcaResult:
    """The result of singular values and weights, with loadings and tests."""
    p, q, k = len(spec.x), len(spec.y), spec.components
    s, a, b = found
    turn = signs(a[:, :k])
    a, b = a[:, :k] * turn, b[:, :k] * turn
    a_sd, b_sd = (np.sqrt(np.einsum("ik,ij,jk->k", w, r, w)) for w, r in ((a, R[:p, :p]), (b, R[p:, p:])))
    plain = spec.ridge_x == spec.ridge_y == 0
    tail = np.cumsum(np.log1p(-(np.minimum(s, 1.0)[::-1] ** 2)))[::-1] if plain else np.full(len(s), np.nan)
    index = np.arange(len(s))
    chi2 = -(people[0] - 1 - (p + q + 1) / 2) * tail
    return CcaResult(
        x=spec.x,
        y=spec.y,
        components=spec.makes(),
        singular_values=s,
        correlation=np.einsum("ik,ij,jk->k", a, R[:p, p:], b) / (a_sd * b_sd),
        x_weights=a,
        y_weights=b,
        x_loadings=R[:p, :p] @ a / a_sd,
        y_loadings=R[p:, p:] @ b / b_sd,
        wilks=float(np.exp(tail[0])),
        p=stats.chi2.sf(chi2, (p - index) * (q - index)),
        x_mean=mean[:p],
        x_sd=sd[:p],
        y_mean=mean[p:],
        y_sd=sd[p:],
        n=people[0],
        sites=people[1],
    )
