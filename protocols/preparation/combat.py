"""ComBat: takes the batch (a scanner, or the site) out of features, and keeps what covariates explain.

Exact, and no batch's statistics leave a hospital. A batch lies inside one site, so sums over batches of
moments centred within each batch, with plain totals, give the covariates' effects, the grand mean and the
pooled variance as least squares on all rows would (Frisch-Waugh). From these and its own rows each site
finds its batches' location and scale; the empirical-Bayes priors run over the features of one batch.

A batch of fewer than `FEWEST` people is not estimated: its people take no part, and their features are
missing afterwards (`small_batches: refuse` makes it an error).

With a reference batch the others are brought to its mean and spread, which its site shows in the clear.

Reference: Johnson, Li & Rabinovic, Biostatistics 8 (2007) 118; the numbers of neuroCombat 0.2.12.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from protocols.core.axis import Features, FromBlock, listed_in, names_of, size_of
from protocols.core.disclosure import SUPPRESSED, Array, Count, Declaration, Moment, Statistic
from protocols.core.errors import Code, SiteError, SpecError, StudyError
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, ask, site_step
from protocols.core.roles import ColumnTransform, Transforms
from protocols.core.site_step import NEVER
from protocols.core.spec import WantedKind
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.standards import MOST, SCALED, too_large
from protocols.preparation.batches import (
    FEWEST,
    TOO_SMALL,
    about_batch_means,
    batch_codes,
    estimable,
    finer,
    location_and_scale,
    refuse_constant,
)
from protocols.preparation.combat_block import BlockPeople, block_moments, harmonized
from protocols.preparation.combat_fit import CombatResult as CombatResult
from protocols.preparation.combat_fit import solved

_MOMENTS: Mapping[str, Declaration] = {
    "n": Count(),
    "left_out": Count(of="n", what="people of batches that are too small"),
    "batches": Moment(what="number of batches"),
    "x_sum": Moment("covariate", what="sums of covariates"),
    "y_sum": Moment("feature", what="sums of features"),
    "xx": Moment("covariate", "covariate", what="sums of products of covariates about their batch's mean"),
    "xy": Moment(
        "covariate",
        "feature",
        what="sums of products of a covariate and a feature about their batch's mean",
    ),
    "yy": Moment("feature", what="sums of squares of features about their batch's mean"),
    "x_too_large": Moment("covariate", what="sites whose sum of squares does not fit"),
    "y_too_large": Moment("feature", what="sites whose sum of squares does not fit"),
}
"""What is summed, of features or of the names of a block."""


class CombatSpec(Transforms):
    """Which features, harmonized over which batches.

    Attributes:
        features: numeric variables, people without one of them being left out of the estimates; or a block.
        batch: a label variable such as a scanner, within each site; None makes each site one batch.
        covariates: numeric variables whose effect on the features is kept.
        method: parametric or non_parametric empirical Bayes; mean_only (location alone); no_eb (each feature
            on its own).
        reference_site: a site whose batch stays as it is; the others are brought to its means and spreads.
        reference_batch: which of its batches, where there is a `batch`.
        small_batches: what becomes of a batch with fewer than 5 people.
    """

    protocol: Literal["combat"] = "combat"
    features: Features
    batch: Name | None = None
    covariates: tuple[Name, ...] = Field(default=(), max_length=100)
    method: Literal["parametric", "non_parametric", "mean_only", "no_eb"] = "parametric"
    reference_site: str | None = None
    reference_batch: str | None = None
    small_batches: Literal["leave_out", "refuse"] = "leave_out"

    @model_validator(mode="after")
    def _has_features_for_priors(self) -> "CombatSpec":
        of_block = isinstance(self.features, FromBlock)
        if of_block and self.reference_site is not None:
            raise ValueError("a block is harmonized without a `reference_site`; list the features for one")
        if self.method != "no_eb" and not of_block and len(listed_in(self.features)) < 2:
            raise ValueError("empirical Bayes needs two features at least; use method: no_eb for one")
        if (self.reference_batch is None) != (self.batch is None or self.reference_site is None):
            raise ValueError("`reference_batch`, `batch` and `reference_site` must be given together")
        return self

    def wanted(self) -> Mapping[str, WantedKind]:
        return {self.batch: "label"} if self.batch else {}

    def variables(self) -> tuple[str, ...]:
        return (*listed_in(self.features), *self.covariates, *([self.batch] if self.batch else []))


class Combat(FederatedProtocol[CombatSpec, CombatResult], ColumnTransform[CombatSpec]):
    """Features without their batches."""

    name = "combat"
    spec_type = CombatSpec

    @site_step(
        _MOMENTS,
        times=lambda spec: NEVER if isinstance(spec.features, FromBlock) else SCALED,
        varies=("x_scale", "y_scale"),
    )
    def moments(spec: CombatSpec, table: AnalysisTable, x_scale: Floats, y_scale: Floats) -> Arrays:
        """Plain totals, and moments centred within batches, of covariates and features times their scales."""
        everybody = np.ones(len(table), dtype=bool)
        batch = _estimable(spec, table, everybody)
        _refuse_small(spec, batch)
        kept = batch >= 0
        x = table.matrix(spec.covariates)[kept] * x_scale
        y = table.matrix(listed_in(spec.features))[kept] * y_scale
        x_large, y_large = too_large(x), too_large(y)
        x[:, x_large], y[:, y_large] = 0.0, 0.0
        x_within, y_within = about_batch_means(x, batch[kept]), about_batch_means(y, batch[kept])
        return {
            "x_too_large": x_large.astype(np.float64),
            "y_too_large": y_large.astype(np.float64),
            "n": np.array(kept.sum()),
            "left_out": np.array((batch == TOO_SMALL).sum()),
            "batches": np.array(float(len(np.unique(batch[kept])))),
            "x_sum": x.sum(axis=0),
            "y_sum": y.sum(axis=0),
            "xx": x_within.T @ x_within,
            "xy": x_within.T @ y_within,
            "yy": (y_within**2).sum(axis=0),
        }

    @site_step(
        {**_MOMENTS, "lacking": Moment("feature", what="batches in which too few people have a value")},
        times=lambda spec: SCALED if isinstance(spec.features, FromBlock) else NEVER,
        varies=("at", "x_scale", "y_scale"),
    )
    def block_moments(
        spec: CombatSpec, table: AnalysisTable, at: Integers, x_scale: Floats, y_scale: Floats
    ) -> Arrays:
        """The same of the names of a block at some positions, with what of them cannot be estimated."""
        people = _block_people(spec, table, np.ones(len(table), dtype=bool))
        _refuse_small(spec, people.batch)
        return people.moments(at, x_scale, y_scale)

    @site_step(
        clear=lambda spec: spec.reference_site is not None,
        summed=False,
        n=Count(what="people of the reference batch"),
        mean=Statistic("feature", what="their means"),
        variance=Statistic("feature", what="their variances"),
    )
    def reference(spec: CombatSpec, table: AnalysisTable, effects: Floats) -> Arrays:
        """The reference batch's mean and variance (divisor n), covariates taken out, for the clear."""
        batch = _estimable(spec, table, np.ones(len(table), dtype=bool))
        kept = (batch >= 0) & _in_reference(spec, table)
        y = table.matrix(listed_in(spec.features))[kept] - table.matrix(spec.covariates)[kept] @ effects
        nothing = np.zeros(size_of(spec.features))
        return {
            "n": np.array(kept.sum()),
            "mean": y.mean(axis=0) if len(y) else nothing,
            "variance": y.var(axis=0) if len(y) else nothing,
        }

    def axes(self, spec: CombatSpec) -> dict[str, int]:
        return {"covariate": len(spec.covariates), "feature": size_of(spec.features)}

    def axes_asked(self, spec: CombatSpec, arrays: Arrays) -> dict[str, int]:
        return {**self.axes(spec), **({"feature": arrays["at"].size} if "at" in arrays else {})}

    def coordinate(self, spec: CombatSpec) -> Coordination[CombatResult]:
        if isinstance(spec.features, FromBlock):
            joined, x_scale, y_scale = yield from block_moments(spec.features, len(spec.covariates))
            return solved(spec.features, spec.covariates, spec.method, joined.arrays, (x_scale, y_scale))
        x_scale, y_scale = np.ones(len(spec.covariates)), np.ones(size_of(spec.features))
        total = yield ask("moments", x_scale=x_scale, y_scale=y_scale)
        for _ in range(MOST - 1):
            x_finer = x_scale * finer(np.diag(total["xx"]), total["x_too_large"], x_scale)
            y_finer = y_scale * finer(total["yy"], total["y_too_large"], y_scale)
            if (x_finer == x_scale).all() and (y_finer == y_scale).all():
                break
            x_scale, y_scale = x_finer, y_finer
            total = yield ask("moments", x_scale=x_scale, y_scale=y_scale)
        found = solved(spec.features, spec.covariates, spec.method, total.arrays, (x_scale, y_scale))
        if spec.reference_site is None:
            return found
        shown = yield ask("reference", per_site=True, effects=found.effects)
        return _referred(spec, found, shown.answers.get(spec.reference_site))

    def transform(self, spec: CombatSpec, table: AnalysisTable, rows: Mask, **arrays: Array) -> AnalysisTable:
        """The table with its features harmonized; a batch's location and scale are those of its `rows`.

        The features become missing for people without a covariate or the batch, or whose batch has too few
        people in `rows`. A block is harmonized as it is read.

        Raises:
            SiteError: rank-deficient; a feature does not vary within a batch (no_eb alone).
        """
        if isinstance(spec.features, FromBlock):
            changed = harmonized(table, _block_people(spec, table, rows), arrays)
            return table.with_block(spec.features.block, changed)
        sd = np.sqrt(arrays["variance"])
        y = table.matrix(spec.features)
        expected = arrays["grand_mean"] + table.matrix(spec.covariates) @ arrays["effects"]
        z = (y - expected) / sd
        estimate_from = _estimable(spec, table, rows)
        batches = batch_codes(table, spec.batch)
        adjusted = np.full(y.shape, np.nan)
        stays = _in_reference(spec, table)
        for code in np.unique(estimate_from[estimate_from >= 0]):
            members = batches == code
            if stays[members].any():
                adjusted[members] = y[members] + 0 * expected[members]  # missing where a covariate is
                continue
            of_batch = estimate_from == code
            refuse_constant(spec.method, y[of_batch], spec.features)
            location, scale = location_and_scale(spec.method, z[of_batch])
            adjusted[members] = (z[members] - location) / np.sqrt(scale) * sd + expected[members]
        return table.with_columns({name: adjusted[:, g] for g, name in enumerate(spec.features)})

    def method(self, spec: CombatSpec) -> str:
        kept = f", keeping the effect of {listed(spec.covariates)}" if spec.covariates else ""
        kind = {
            "parametric": "parametric empirical Bayes",
            "non_parametric": "non-parametric empirical Bayes",
            "mean_only": "empirical Bayes of the mean alone",
            "no_eb": "without empirical Bayes",
        }[spec.method]
        return (
            f"ComBat (Johnson, Li & Rabinovic 2007; {kind}) harmonized {_in_words(spec)} over "
            f"{spec.batch or 'hospitals'}{kept}."
        )

    def about(self, spec: CombatSpec) -> str:
        return (
            f"ComBat of {size_of(spec.features)} features over {spec.batch or 'site'}, keeping "
            f"{', '.join(spec.covariates) or 'nothing'}."
        )

    def notes(self, spec: CombatSpec) -> Sequence[str]:
        if spec.reference_site is None:
            return ["No batch's mean or spread leaves: this site finds and keeps them."]
        return [
            f"What leaves in the clear is of {spec.reference_site} alone; every other site withholds it.",
            "No other batch's mean or spread leaves: this site finds and keeps them.",
        ]


def _in_words(spec: CombatSpec) -> str:
    if isinstance(spec.features, FromBlock):
        return f"the {spec.features.size} features of block {spec.features.block}"
    return listed(spec.features)


def _refuse_small(spec: CombatSpec, batch: Integers) -> None:
    """Raises if there is a batch that is too small, and the study refuses such batches.

    Raises:
        SiteError: withheld.
    """
    if spec.small_batches == "refuse" and (batch == TOO_SMALL).any():
        raise SiteError(
            Code.WITHHELD,
            f"{spec.batch or 'the site'} has a batch with fewer than {FEWEST} people",
            "use `small_batches: leave_out`",
        )


def _block_people(spec: CombatSpec, table: AnalysisTable, rows: Mask) -> BlockPeople:
    """The people of the harmonization of a block.

    Raises:
        SpecError: invalid-study; the analysis reads no block.
    """
    if not isinstance(spec.features, FromBlock):
        raise SpecError(Code.INVALID_STUDY, "a question about a block, of which the analysis has none")
    return BlockPeople.of(table, rows, spec.features, spec.covariates, (spec.method, spec.batch))


def _estimable(spec: CombatSpec, table: AnalysisTable, rows: Mask) -> Integers:
    """(n,) the batch of the people in `rows` from whom it is estimated; negative for all others."""
    complete = ~np.isnan(table.matrix((*listed_in(spec.features), *spec.covariates))).any(axis=1)
    return estimable(batch_codes(table, spec.batch), rows & complete)


def _in_reference(spec: CombatSpec, table: AnalysisTable) -> Mask:
    """(n,) true for the people here who are of the reference batch."""
    if spec.reference_site != table.site:
        return np.zeros(len(table), dtype=bool)
    if spec.batch is None:
        return np.ones(len(table), dtype=bool)
    own: Mask = table.label(spec.batch) == spec.reference_batch
    return own


def _referred(spec: CombatSpec, found: CombatResult, shown: Arrays | None) -> CombatResult:
    """The result with the reference batch's mean and variance in place of all batches'.

    Raises:
        StudyError: withheld; the batch is not there, or has too few people.
    """
    if shown is None or shown["n"] == SUPPRESSED or np.isnan(shown["mean"]).any():
        raise StudyError(
            Code.WITHHELD,
            f"{spec.reference_site} has no reference batch {spec.reference_batch or ''} with enough people",
            "name another, or none: then all batches are brought to their common mean",
        )
    mean, variance = (np.asarray(shown[name], dtype=np.float64) for name in ("mean", "variance"))
    if (variance <= 0).any():
        names = ", ".join(n for n, v in zip(names_of(spec.features), variance, strict=True) if v <= 0)
        raise StudyError(
            Code.RANK_DEFICIENT,
            f"does not vary within the reference batch: {names}",
            "remove these features",
        )
    return replace(found, grand_mean=mean, variance=variance)
