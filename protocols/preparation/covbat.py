"""CovBat: takes the batch out of features' covariance too, after ComBat took it out of means and spreads.

ComBat first; then the principal components of what it leaves beside covariates; then the location and scale
of each batch are taken out of the scores of the first components, and all is put together again. Exact: one
round after ComBat's. The components and the scores' pooled spread follow from the products of the residuals,
over all sites and within batches; each batch's location and scale of the scores stay at its site.

At most 0.33 features per person, since their products leave.

Reference: Chen et al., Hum Brain Mapp 43 (2022) 1179; covbat.py of CovBat_Harmonization, which rounds the
explained share to four digits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.axis import FromBlock, listed_in, size_of
from protocols.core.disclosure import Array, Count, Moment
from protocols.core.errors import Code, SiteError
from protocols.core.figure import Figure
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    FederatedProtocol,
    site_step,
    within,
)
from protocols.core.roles import Applicable, ColumnTransform, Transforms
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.estimation.vectors import upright
from protocols.preparation.batches import about_batch_means, batch_codes, estimable
from protocols.preparation.combat import Combat, CombatResult, CombatSpec
from protocols.results.figures import left_out, shares

_COMBAT = ("grand_mean", "effects", "variance")
_CENTRED = 1e-12  # standard deviations from 0 that are rounding, where ComBat leaves no mean
_NOTHING = 1e-10  # the variance of a component of correlations that is rounding


class CovbatSpec(Transforms):
    """ComBat's spec, and how many components are harmonized.

    Attributes:
        combat: features, batch, covariates and method of the first step.
        explained: the share of the variance that the harmonized components explain together.
        components: how many instead, if given.
    """

    protocol: Literal["covbat"] = "covbat"
    combat: CombatSpec
    explained: float = Field(default=0.95, gt=0, lt=1)
    components: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _features_are_listed(self) -> "CovbatSpec":
        if isinstance(self.combat.features, FromBlock):
            raise ValueError("covbat needs the products of all features: list them instead of naming a block")
        return self

    def variables(self) -> tuple[str, ...]:
        return self.combat.variables()


@dataclass(frozen=True)
class CovbatResult(Applicable):
    """What all sites share; each batch's location and scale, of features and scores, stay at its site.

    Attributes:
        combat: the first step's.
        centre, spread: (g,) mean and standard deviation (divisor n) of the residuals after it.
        loadings: (g, k) of the harmonized components on residuals over their spread.
        variance: (k,) of their scores; explained: (k,) share of all; within: (k,) pooled within batches.
        n: people.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="covbat", combat={"features": ["volume", "entropy"]})
    >>> found.summary().round(2)
               variance  explained  within
    component
    1              1.52       0.76    1.52
    2              0.48       0.24    0.48
    """

    combat: CombatResult
    centre: Floats
    spread: Floats
    loadings: Floats
    variance: Floats
    explained: Floats
    within: Floats
    n: int

    def summary(self) -> pd.DataFrame:
        """One row per harmonized component."""
        index = pd.RangeIndex(1, len(self.variance) + 1, name="component")
        columns = {"variance": self.variance, "explained": self.explained, "within": self.within}
        return pd.DataFrame(columns, index)

    def figure(self) -> Figure:
        names = [f"component {i + 1}" for i in range(len(self.explained))]
        return Figure(
            (shares(names, self.explained, measure="share of the residual variance"),),
            f"Components whose location and scale were harmonized, of {self.n} people. "
            f"{left_out('components', len(names))}".strip(),
        )

    def transform_arrays(self) -> Arrays:
        own = self.named("centre", "spread", "loadings", "within")
        return {**self.combat.transform_arrays(), **own}


class Covbat(FederatedProtocol[CovbatSpec, CovbatResult], ColumnTransform[CovbatSpec]):
    """Features without their batches, in mean, spread and covariance."""

    name = "covbat"
    spec_type = CovbatSpec

    @site_step(
        n=Count(),
        sum=Moment("feature", what="sums after ComBat"),
        products=Moment("feature", "feature", what="sums of products after ComBat"),
        within=Moment("feature", "feature", what="sums of products after ComBat about their batch's mean"),
    )
    def residual_moments(
        spec: CovbatSpec, table: AnalysisTable, grand_mean: Floats, effects: Floats, variance: Floats
    ) -> Arrays:
        """Sums and products of what ComBat leaves beside covariates, plain and about batches' means."""
        combat = {"grand_mean": grand_mean, "effects": effects, "variance": variance}
        z, batch = _residuals(spec, table, np.ones(len(table), dtype=bool), combat)
        z, batch = z[batch >= 0], batch[batch >= 0]
        centred = about_batch_means(z, batch)
        return {
            "n": np.array(len(z)),
            "sum": z.sum(axis=0),
            "products": z.T @ z,
            "within": centred.T @ centred,
        }

    def axes(self, spec: CovbatSpec) -> dict[str, int]:
        return {"feature": size_of(spec.combat.features)}

    def coordinate(self, spec: CovbatSpec) -> Coordination[CovbatResult]:
        combat = yield from within(Combat().coordinate(spec.combat), part=("combat",))
        total = yield Ask("residual_moments", combat.transform_arrays())
        n = int(total["n"])
        centre = total["sum"] / n
        covariance = total["products"] / n - np.outer(centre, centre)
        return _result(spec, combat, centre, covariance, total["within"] / n, n)

    def transform(self, spec: CovbatSpec, table: AnalysisTable, rows: Mask, **arrays: Array) -> AnalysisTable:
        """The table with its features harmonized; what is a batch's own comes from its people in `rows`.

        Raises:
            SiteError: rank-deficient; the scores of a component do not vary within a batch.
        """
        combat = {name: arrays[name] for name in _COMBAT}
        z, estimate_from = _residuals(spec, table, rows, combat)
        centre, spread, loadings = arrays["centre"], arrays["spread"], arrays["loadings"]
        pooled = np.sqrt(arrays["within"])
        scores = (z - centre) / spread @ loadings / pooled
        codes = batch_codes(table, spec.combat.batch)
        moved = np.full(scores.shape, np.nan)
        for code in np.unique(estimate_from[estimate_from >= 0]):
            own = scores[estimate_from == code]
            scale = own.std(axis=0, ddof=1)
            if (scale == 0).any():
                raise SiteError(Code.RANK_DEFICIENT, "the scores of a component do not vary within a batch")
            members = codes == code
            moved[members] = (scores[members] - own.mean(axis=0)) / scale - scores[members]
        residuals = z + moved * pooled @ loadings.T * spread
        y = residuals * np.sqrt(combat["variance"]) + _expected(spec, table, combat)
        return table.with_columns({name: y[:, g] for g, name in enumerate(listed_in(spec.combat.features))})

    def method(self, spec: CovbatSpec) -> str:
        return (
            f"{Combat().method(spec.combat)} The covariance of batches was then harmonized by CovBat (Chen "
            "et al. 2022)."
        )

    def about(self, spec: CovbatSpec) -> str:
        return "CovBat: ComBat, and then the batch out of the components of what it leaves."

    def notes(self, spec: CovbatSpec) -> Sequence[str]:
        return ["No batch's mean or spread of a component leaves: this site finds and keeps them."]


def _expected(spec: CovbatSpec, table: AnalysisTable, combat: Mapping[str, Array]) -> Floats:
    """The (n, g) features that covariates alone would give."""
    expected: Floats = combat["grand_mean"] + table.matrix(spec.combat.covariates) @ combat["effects"]
    return expected


def _residuals(
    spec: CovbatSpec, table: AnalysisTable, rows: Mask, combat: Mapping[str, Array]
) -> tuple[Floats, Integers]:
    """The (n, g) standardized residuals after ComBat, and (n,) the batch that is estimated from a person."""
    harmonized = Combat().transform(spec.combat, table, rows, **combat)
    y = harmonized.matrix(listed_in(spec.combat.features))
    z = (y - _expected(spec, table, combat)) / np.sqrt(combat["variance"])
    usable = rows & ~np.isnan(z).any(axis=1)
    return z, estimable(batch_codes(table, spec.combat.batch), usable)


def _result(
    spec: CovbatSpec, combat: CombatResult, centre: Floats, covariance: Floats, within: Floats, n: int
) -> CovbatResult:
    """The components of residuals' correlations and how their scores spread within batches."""
    centre = np.where(np.abs(centre) < _CENTRED, 0.0, centre)
    spread = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(spread, spread))
    values, vectors = values[::-1], vectors[:, ::-1]
    explained = values / len(values)
    count = spec.components or int(np.argmax(np.cumsum(explained) > spec.explained)) + 1
    count = min(count, int((values > _NOTHING).sum()))
    loadings = upright(vectors[:, :count])
    return CovbatResult(
        combat=combat,
        centre=centre,
        spread=spread,
        loadings=loadings,
        variance=values[:count],
        explained=explained[:count],
        within=np.einsum("gk,gh,hk->k", loadings, within / np.outer(spread, spread), loadings),
        n=n,
    )
