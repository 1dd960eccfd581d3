"""Principal components of columns from all sites' people. Exact, in one round.

The correlations (or covariances) over all sites give the components at the coordinator; the scores are
computed at each site from its own rows and stay there, as columns `pc1`, `pc2`, … that analyses after this
one may read (`after: [components]`). The largest entry of each component is positive.

At most 0.33 columns per person: a second-moment matrix as wide as there are people gives their rows back
up to a rotation. Use fewer columns, or a PCA for each group of them.

Reference: Jolliffe, Principal Component Analysis (2002), ch. 2; R `prcomp(scale. = TRUE)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.disclosure import Array, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Figure
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
from protocols.estimation.vectors import Prefix, standardized, upright
from protocols.results.figures import left_out, matrix, shares

_NOTHING = 1e-12  # the share of the whole variance that is rounding


class PcaSpec(Transforms):
    """Which columns, and how many components.

    Attributes:
        features: numeric variables, complete cases are used.
        components: how many, the largest variance first.
        scale: columns over their standard deviation (correlations), else as they are (covariances).
        prefix: of the score columns' names.
    """

    protocol: Literal["pca"] = "pca"
    features: tuple[Name, ...] = Field(min_length=2, max_length=2000)
    components: int = Field(default=2, ge=1, le=200)
    scale: bool = True
    prefix: Prefix = "pc"

    @model_validator(mode="after")
    def _is_possible(self) -> "PcaSpec":
        if len(set(self.features)) != len(self.features):
            raise ValueError("a feature is listed twice")
        if self.components > len(self.features):
            raise ValueError("more components than features")
        return self

    def variables(self) -> tuple[str, ...]:
        return self.features

    def makes(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}{k + 1}" for k in range(self.components))


@dataclass(frozen=True)
class PcaResult(Applicable):
    """Principal components; no person's score is in here.

    Attributes:
        features: (p,) names; components: (k,) names of the score columns.
        loadings: (p, k) of unit length, the entry of largest size positive.
        variance: (k,) of the scores, divisor n - 1; explained: (k,) share of total_variance.
        total_variance: of all p columns, p if they are scaled.
        mean, scale: (p,) what is taken from a column, and what it is divided by.
        n: people with complete data; sites: that have any of them.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="pca", features=["age", "volume", "entropy"], components=2)
    >>> found.summary().round(2)
         variance  explained   age  volume  entropy
    pc1      1.64       0.55  0.39    0.63     0.67
    pc2      0.90       0.30  0.90   -0.41    -0.15
    """

    features: tuple[str, ...]
    components: tuple[str, ...]
    loadings: Floats
    variance: Floats
    explained: Floats
    total_variance: float
    mean: Floats
    scale: Floats
    n: int
    sites: int

    def summary(self) -> pd.DataFrame:
        """One row per component, with its loadings."""
        frame = pd.DataFrame(self.loadings.T, list(self.components), list(self.features))
        frame.insert(0, "explained", self.explained)
        frame.insert(0, "variance", self.variance)
        return frame

    def figure(self) -> Figure:
        return Figure(
            (
                shares(self.components, self.explained, measure="share of the variance", title="Components"),
                matrix(self.features, self.components, self.loadings, measure="loading", title="Loadings"),
            ),
            f"Principal components of {self.n} people. {left_out('variables', len(self.features))}".strip(),
        )

    def transform_arrays(self) -> Arrays:
        return {"loadings": self.loadings, "mean": self.mean, "scale": self.scale}


class Pca(FederatedProtocol[PcaSpec, PcaResult], ColumnTransform[PcaSpec]):
    """Few columns in the place of many."""

    name = "pca"
    spec_type = PcaSpec

    @site_step(
        COLUMN_MOMENTS,
        times=GATHERED,
        varies=("shift", "scale"),
        bounds=lambda spec, asked, ranges: moment_bounds(spec.features, asked, ranges),
        products=Moment("column", "column", what="sums of products"),
    )
    def moments(spec: PcaSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums, squares and products of the columns, less shift times scale."""
        x = complete_rows(table, spec.features)
        z, sums = column_moments(x, shift, scale)
        return {**sums, "products": z.T @ z}

    def axes(self, spec: PcaSpec) -> dict[str, int]:
        return {"column": len(spec.features)}

    def coordinate(self, spec: PcaSpec) -> Coordination[PcaResult]:
        moments = yield from gather(spec.features)
        moments.check()
        everything = range(len(spec.features))
        matrix = moments.correlation("products", everything, everything)
        scale = moments.sd if spec.scale else np.ones(len(matrix))
        spread = moments.sd / scale
        values, vectors = np.linalg.eigh(matrix * np.outer(spread, spread))
        order = np.argsort(values)[::-1][: spec.components]
        total = float((spread**2).sum())
        if values[order[-1]] < _NOTHING * total:
            rank = int((values > _NOTHING * total).sum())
            raise StudyError(
                Code.RANK_DEFICIENT,
                f"the columns span {rank} components, fewer than were asked for",
                "use fewer components",
            )
        return PcaResult(
            features=spec.features,
            components=spec.makes(),
            loadings=upright(vectors[:, order]),
            variance=values[order],
            explained=values[order] / total,
            total_variance=total,
            mean=moments.mean,
            scale=scale,
            n=moments.n,
            sites=moments.sites,
        )

    def transform(self, spec: PcaSpec, table: AnalysisTable, rows: Mask, **arrays: Array) -> AnalysisTable:
        """The table with a column of scores for each component, missing for people without all features."""
        z = standardized(table, spec.features, arrays["mean"], arrays["scale"])
        return table.with_columns(dict(zip(spec.makes(), (z @ arrays["loadings"]).T, strict=True)))

    def estimator(self, spec: PcaSpec, result: PcaResult) -> Any:
        """A PCA, behind a StandardScaler where columns were scaled."""
        from protocols.results import estimators  # scikit-learn loads with it

        return estimators.principal_components(
            spec.features,
            result.loadings,
            mean=result.mean,
            scale=result.scale if spec.scale else None,
            variance=result.variance,
            total_variance=result.total_variance,
            n=result.n,
        )

    def method(self, spec: PcaSpec) -> str:
        kind = "standardized" if spec.scale else "centred"
        return (
            f"Principal component analysis of {listed(spec.features)}, {kind}, over people with complete "
            f"data; {spec.components} component{'s' * (spec.components != 1)} kept."
        )

    def about(self, spec: PcaSpec) -> str:
        return f"{spec.components} principal components of {', '.join(spec.features)}."

    def notes(self, spec: PcaSpec) -> Sequence[str]:
        return [f"Scores stay here, as columns {', '.join(spec.makes())} for the analyses after this one."]
