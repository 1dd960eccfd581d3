"""Partial least squares: components of one block of columns that vary with another. Exact, in one round.

- regression: PLS1 and PLS2. The components of NIPALS, found from second moments alone by Dayal & MacGregor's
  kernel algorithm. At most 0.33 x columns a person, since their second moments leave.
  With several y columns these are not SIMPLS's (de Jong, Chemom Intell Lab Syst 18 (1993) 251; R's
  `method = "simpls"`), which agree with NIPALS for one y column only.
- svd: the singular vectors of the correlations between the blocks (PLS-SVD, PLSC), or sparse ones. Only
  products of an x with a y column leave, so there may be more columns than people.

Scores are computed at each site from its own rows and stay there as columns. The largest entry of each x
weight is positive.

References: Wold, Sjöström & Eriksson, Chemom Intell Lab Syst 58 (2001) 109; Dayal & MacGregor, J Chemom 11
(1997) 73; R `pls::plsr`. McIntosh et al., NeuroImage 3 (1996) 143. Sparse: Witten, Tibshirani & Hastie,
Biostatistics 10 (2009) 515.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.components.penalized_matrix import decompose
from protocols.core.disclosure import Array, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Bar, Bars, Curve, Curves, Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, site_step
from protocols.core.ranges import Ranges
from protocols.core.roles import Applicable, ColumnTransform, Predicts, Regression, Transforms
from protocols.core.site_step import NEVER
from protocols.core.table import AnalysisTable, Floats, Mask
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.moments import (
    COLUMN_MOMENTS,
    GATHERED,
    Moments,
    column_moments,
    complete_rows,
    gather,
    moment_bounds,
)
from protocols.estimation.vectors import Prefix, signs, standardized
from protocols.results.figures import floats, matrix
from protocols.results.numerals import shown

Sparsity = Annotated[float, Field(gt=0, le=1)]

_WIDEST = 2000  # columns whose products with each other fit a message
_NOTHING = 1e-12  # the share of a block's variance, or of its correlations, that is rounding


class PlsSpec(Transforms, Predicts):
    """Two blocks of columns; x explains y.

    Attributes:
        x, y: numeric variables, complete cases are used, each over its standard deviation.
        components: how many.
        method: regression (of y on x) or svd (what the two share).
        sparsity_x, sparsity_y: for svd, the bound of a weight vector's absolute sum over the root of its
            length, as in PMA; smaller is sparser; None is dense.
        prefix: of the score columns' names.
    """

    protocol: Literal["pls"] = "pls"
    x: tuple[Name, ...] = Field(min_length=1, max_length=5000)
    y: tuple[Name, ...] = Field(min_length=1, max_length=5000)
    components: int = Field(default=2, ge=1, le=100)
    method: Literal["regression", "svd"] = "regression"
    sparsity_x: Sparsity | None = None
    sparsity_y: Sparsity | None = None
    prefix: Prefix = "pls"

    @model_validator(mode="after")
    def _is_possible(self) -> "PlsSpec":
        p, q = len(self.x), len(self.y)
        if len({*self.x, *self.y}) != p + q:
            raise ValueError("a variable is listed twice in x and y")
        if self.method == "regression" and p > _WIDEST:
            raise ValueError(f"more than {_WIDEST} x columns for regression: use fewer, or method: svd")
        if self.components > (p if self.method == "regression" else min(p, q)):
            raise ValueError("more components than columns")
        for sparsity, size in ((self.sparsity_x, p), (self.sparsity_y, q)):
            if sparsity is not None and self.method == "regression":
                raise ValueError("sparsity is for method: svd")
            if sparsity is not None and sparsity * np.sqrt(size) < 1:
                raise ValueError("a sparsity below 1 / sqrt(columns) leaves no column")
        return self

    def variables(self) -> tuple[str, ...]:
        return (*self.x, *self.y)

    def predictors(self) -> tuple[str, ...]:
        return self.x

    def makes(self) -> tuple[str, ...]:
        blocks = "x" if self.method == "regression" else "xy"
        return tuple(f"{self.prefix}{block}{k + 1}" for block in blocks for k in range(self.components))


@dataclass(frozen=True)
class PlsResult(Applicable, Regression):
    """Partial least squares components; no person's score is in here.

    Attributes:
        x, y: (p,), (q,) names; components: names of the score columns.
        x_weights: (p, k) that make the x scores from standardized columns (rotations, for regression).
        y_weights: (q, k) loadings of y on the scores (regression), or that make the y scores (svd).
        x_loadings: (p, k) regression of the columns on the scores; 0 columns for svd.
        covariance: (k,) of the x with the y scores, both on standardized columns (svd: singular values).
        coef, intercept: (k, p, q), (k, q) of y on x, original scale, after 1, …, k components (regression).
        r_squared: (k, q) share of y's variance explained after as many; x_explained: (k,) share of x's.
        x_mean, x_sd, y_mean, y_sd: of the columns.
        n: people with complete data; sites: that have any of them.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="pls", x=["age", "volume", "entropy"], y=["idh1"], components=1)
    >>> found.summary().round(2)
               covariance  r_squared_idh1
    component
    1                 0.4             0.4
    """

    x: tuple[str, ...]
    y: tuple[str, ...]
    components: tuple[str, ...]
    x_weights: Floats
    y_weights: Floats
    x_loadings: Floats
    covariance: Floats
    coef: Floats
    intercept: Floats
    r_squared: Floats
    x_explained: Floats
    x_mean: Floats
    x_sd: Floats
    y_mean: Floats
    y_sd: Floats
    n: int
    sites: int

    def summary(self) -> pd.DataFrame:
        """One row per component."""
        index = pd.RangeIndex(1, len(self.covariance) + 1, name="component")
        frame = pd.DataFrame({"covariance": self.covariance}, index)
        for name, explained in zip(self.y, self.r_squared.T, strict=False):
            frame[f"r_squared_{name}"] = explained
        return frame

    def figure(self) -> Figure:
        own = self.components[: self.x_weights.shape[1]]  # svd: those of the second block come after them
        weights = matrix(self.x, own, self.x_weights, measure="weight", title="Weights of the first block")
        if not np.isfinite(self.r_squared).any():
            bars = tuple(
                Bar(name, float(v), shown(float(v))) for name, v in zip(own, self.covariance, strict=True)
            )
            first: Bars | Curves = Bars("Components", Axis("covariance of the scores"), bars)
        else:
            first = self._explained()
        return Figure((first, weights), f"Partial least squares components of {self.n} people.")

    def _explained(self) -> Curves:
        """The share of each outcome's variance that is explained after 1, 2, ... components."""
        count = floats(np.arange(1, len(self.r_squared) + 1))
        curves = tuple(
            Curve(name, count, floats(column), marks="joined")
            for name, column in zip(self.y, self.r_squared.T, strict=True)
        )
        share = Axis("share of variance explained", low=0.0, high=1.0)
        return Curves("Outcomes explained", Axis("components", whole=True), share, curves)

    def predict(self, x: Floats, components: int | None = None) -> Floats:
        """The (n, q) outcomes that a regression expects of (n, p) columns, with so many components or all."""
        at = (components or len(self.coef)) - 1
        expected: Floats = x @ self.coef[at] + self.intercept[at]
        return expected

    def transform_arrays(self) -> Arrays:
        names = ("x_weights", "y_weights", "x_mean", "x_sd", "y_mean", "y_sd")
        return self.named(*names)


class Pls(FederatedProtocol[PlsSpec, PlsResult], ColumnTransform[PlsSpec]):
    """Components of one block that vary with another."""

    name = "pls"
    spec_type = PlsSpec

    @site_step(
        COLUMN_MOMENTS,
        times=lambda spec: GATHERED if spec.method == "regression" else NEVER,
        varies=("shift", "scale"),
        bounds=lambda spec, asked, ranges: _bounds(spec, asked, ranges, "within_x", "between"),
        within_x=Moment("x", "x", what="sums of products of x columns"),
        between=Moment("x", "y", what="sums of products of an x and a y column"),
    )
    def moments(spec: PlsSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums and squares of all columns, less shift times scale, products of x with x and of x with y."""
        x = complete_rows(table, spec.variables())
        z, sums = column_moments(x, shift, scale)
        zx, zy = z[:, : len(spec.x)], z[:, len(spec.x) :]
        return {**sums, "within_x": zx.T @ zx, "between": zx.T @ zy}

    @site_step(
        COLUMN_MOMENTS,
        times=lambda spec: GATHERED if spec.method == "svd" else NEVER,
        varies=("shift", "scale"),
        crosses=True,
        bounds=lambda spec, asked, ranges: _bounds(spec, asked, ranges, "between"),
        between=Moment("x", "y", what="sums of products of an x and a y column"),
    )
    def between(spec: PlsSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums and squares of all columns, less shift times scale, and products of x with y alone."""
        x = complete_rows(table, spec.variables())
        z, sums = column_moments(x, shift, scale)
        return {**sums, "between": z[:, : len(spec.x)].T @ z[:, len(spec.x) :]}

    def axes(self, spec: PlsSpec) -> dict[str, int]:
        return {"column": len(spec.variables()), "x": len(spec.x), "y": len(spec.y)}

    def coordinate(self, spec: PlsSpec) -> Coordination[PlsResult]:
        x, y = range(len(spec.x)), range(len(spec.x), len(spec.variables()))
        if spec.method == "svd":
            moments = yield from gather(spec.variables(), "between")
            moments.check()
            return _svd(spec, moments.correlation("between", x, y), moments)
        moments = yield from gather(spec.variables())
        moments.check()
        within, between = moments.correlation("within_x", x, x), moments.correlation("between", x, y)
        return _regression(spec, within, between, moments)

    def transform(self, spec: PlsSpec, table: AnalysisTable, rows: Mask, **arrays: Array) -> AnalysisTable:
        """The table with a column for each score, missing for people without all columns of its block."""
        scores = [
            standardized(table, spec.x, arrays["x_mean"], arrays["x_sd"]) @ arrays["x_weights"],
            standardized(table, spec.y, arrays["y_mean"], arrays["y_sd"]) @ arrays["y_weights"],
        ]
        made = scores if spec.method == "svd" else scores[:1]
        return table.with_columns(dict(zip(spec.makes(), np.hstack(made).T, strict=True)))

    def estimator(self, spec: PlsSpec, result: PlsResult) -> Any:
        """A PLSRegression of all components; none for the singular vectors alone."""
        from protocols.results import estimators  # scikit-learn loads with it

        if spec.method != "regression":
            return super().estimator(spec, result)
        return estimators.partial_least_squares(
            result.x_weights,
            result.x_loadings,
            result.y_weights,
            names=spec.x,
            x=(result.x_mean, result.x_sd),
            y=(result.y_mean, result.y_sd),
            coef=result.coef[-1],
        )

    def method(self, spec: PlsSpec) -> str:
        sparse = ", sparse (Witten, Tibshirani & Hastie 2009)" if spec.sparsity_x or spec.sparsity_y else ""
        kind = "correlation"
        if spec.method == "regression":
            kind = "regression (PLS1)" if len(spec.y) == 1 else "regression (PLS2 by NIPALS, not SIMPLS)"
        return (
            f"Partial least squares {kind}{sparse} of {listed(spec.x)} with {listed(spec.y)}, "
            f"{spec.components} component{'s' * (spec.components != 1)}."
        )

    def about(self, spec: PlsSpec) -> str:
        x, y = ", ".join(spec.x), ", ".join(spec.y)
        return f"{spec.components} partial least squares components of {x} with {y}."

    def notes(self, spec: PlsSpec) -> Sequence[str]:
        return [f"Scores stay here, as columns {', '.join(spec.makes())} for the analyses after this one."]


@dataclass(frozen=True)
class _About:
    """The means and spreads of all columns, and whose they are."""

    mean: Floats
    sd: Floats
    n: int
    sites: int


def _bounds(spec: PlsSpec, asked: Mapping[str, Array], ranges: Ranges, *products: str) -> dict[str, Floats]:
    """How large one person's part of the sums and of the named products, (x, x) or (x, y), can be."""
    found = moment_bounds(spec.variables(), asked, ranges)
    most, x = found["sum"], len(spec.x)
    of = {"within_x": np.outer(most[:x], most[:x]), "between": np.outer(most[:x], most[x:])}
    return {"sum": most, "square": found["square"], **{name: of[name] for name in products}}


def _regression(spec: PlsSpec, within: Floats, between: Floats, about: Moments | _About) -> PlsResult:
    """The components from correlations (Dayal & MacGregor 1997, algorithm 2: X'X and X'Y, Y'Y not needed).

    Raises:
        StudyError: rank-deficient; there are fewer components.
    """
    rest = between.copy()
    R, P, Q = (np.zeros((size, spec.components)) for size in (len(within), len(within), between.shape[1]))
    for k in range(spec.components):
        w = np.linalg.svd(rest, full_matrices=False)[0][:, 0]
        r = w - R[:, :k] @ (P[:, :k].T @ w)
        along = within @ r
        square = float(r @ along)
        if square < _NOTHING * len(within) or np.abs(rest).max() < _NOTHING:
            raise StudyError(
                Code.RANK_DEFICIENT,
                f"after {k} components no association between x and y is left",
                "use fewer components",
            )
        R[:, k], P[:, k], Q[:, k] = r, along / square, rest.T @ r / square
        rest = rest - square * np.outer(P[:, k], Q[:, k])
    return _regression_result(spec, R, P, Q, np.hstack([within, between]), about)


def _regression_result(
    spec: PlsSpec, R: Floats, P: Floats, Q: Floats, correlations: Floats, about: Moments | _About
) -> PlsResult:
    p = len(spec.x)
    turn = signs(R)
    R, P, Q = R * turn, P * turn, Q * turn
    within, between = correlations[:, :p], correlations[:, p:]
    slopes = np.cumsum(np.einsum("pk,qk->kpq", R, Q), axis=0)
    explained = 2 * np.einsum("kpq,pq->kq", slopes, between) - np.einsum(
        "kpq,pr,krq->kq", slopes, within, slopes
    )
    squares = np.einsum("pk,pr,rk->k", R, within, R)
    coef = slopes / about.sd[:p, None] * about.sd[p:]
    return PlsResult(
        x=spec.x,
        y=spec.y,
        components=spec.makes(),
        x_weights=R,
        y_weights=Q,
        x_loadings=P,
        covariance=squares * (Q**2).sum(axis=0),
        coef=coef,
        intercept=about.mean[p:] - np.einsum("kpq,p->kq", coef, about.mean[:p]),
        r_squared=explained,
        x_explained=np.cumsum(squares * (P**2).sum(axis=0)) / p,
        x_mean=about.mean[:p],
        x_sd=about.sd[:p],
        y_mean=about.mean[p:],
        y_sd=about.sd[p:],
        n=about.n,
        sites=about.sites,
    )


def _svd(spec: PlsSpec, K: Floats, about: Moments | _About) -> PlsResult:
    """The singular vectors of the correlations between the blocks, sparse where a bound is given."""
    (p, q), k = K.shape, spec.components
    if spec.sparsity_x is None and spec.sparsity_y is None:
        u, s, vt = np.linalg.svd(K, full_matrices=False)
        u, s, v = u[:, :k], s[:k], vt[:k].T
    else:
        layers = decompose(K, k, (spec.sparsity_x or 1.0) * np.sqrt(p), (spec.sparsity_y or 1.0) * np.sqrt(q))
        u, s, v = layers.u, layers.values, layers.v
    turn = signs(u)
    return PlsResult(
        x=spec.x,
        y=spec.y,
        components=spec.makes(),
        x_weights=u * turn,
        y_weights=v * turn,
        x_loadings=np.zeros((p, 0)),
        covariance=s,
        coef=np.zeros((0, p, q)),
        intercept=np.zeros((0, q)),
        r_squared=np.zeros((k, 0)),
        x_explained=np.zeros(0),
        x_mean=about.mean[:p],
        x_sd=about.sd[:p],
        y_mean=about.mean[p:],
        y_sd=about.sd[p:],
        n=about.n,
        sites=about.sites,
    )
