"""Log-ratios of the parts of a whole, as columns for the analyses after it. Exact, in one round.

Shares of a whole (of habitats in a tumour, of cells in a sample, of mutational signatures) cannot vary
freely: one grows at the cost of the others, so that they correlate without any cause. Their log-ratios can.
The study names the parts, and every hospital takes these; a person without a value of one of them is left
out. A share of 0 becomes `zeros`, which the study states, and the person's other shares become smaller by as
much in all (multiplicative replacement). A person's parts need not sum to one: they are divided by their sum.

    clr    log of a part over the geometric mean of all; these sum to 0, so no regression takes all of them
    ilr    the first part over the second, the geometric mean of both over the third, and so on: orthonormal
    alr    log of a part over one that the study names

A part that a hospital reports as 0 where it does not measure it changes every log-ratio there: the result
says at how many hospitals nobody has any of it.

Reference: Aitchison, The Statistical Analysis of Compositional Data (1986), ch. 4; Egozcue et al., Math Geol
35 (2003) 279; Martin-Fernandez et al., Math Geol 35 (2003) 253. scikit-bio.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.disclosure import Array, Count, Flag, Moment
from protocols.core.figure import Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, site_step
from protocols.core.roles import Applicable, ColumnTransform, Transforms
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.moments import COLUMN_MOMENTS, GATHERED, column_moments, gather
from protocols.estimation.vectors import Prefix
from protocols.results.figures import left_out, matrix, shares

LONGEST_NAME = 40


class CompositionSpec(Transforms):
    """Which parts, and how they are compared.

    Attributes:
        parts: variables, none below 0; complete cases are used.
        zeros: what a share of 0 becomes: less than the smallest share that can be measured.
        coordinates: which log-ratios the columns are.
        reference: for alr, the part that the others are compared with.
        prefix: of the columns' names, without it the coordinates: `clr_PART`, `ilr1`, `alr_PART`.
    """

    protocol: Literal["composition"] = "composition"
    parts: tuple[Name, ...] = Field(min_length=2, max_length=200)
    zeros: float = Field(gt=0, lt=0.5)
    coordinates: Literal["clr", "ilr", "alr"] = "ilr"
    reference: Name | None = None
    prefix: Prefix | None = None

    @model_validator(mode="after")
    def _is_possible(self) -> "CompositionSpec":
        if len(set(self.parts)) != len(self.parts):
            raise ValueError("a part is listed twice")
        if self.zeros * len(self.parts) >= 1:
            raise ValueError(f"`zeros` must be below 1/{len(self.parts)}: so many parts share the whole")
        if (self.coordinates == "alr") != (self.reference is not None):
            raise ValueError("name a `reference` for alr, and for no other coordinates")
        if self.reference is not None and self.reference not in self.parts:
            raise ValueError("`reference` is not one of the parts")
        if long := [name for name in self.makes() if len(name) > LONGEST_NAME]:
            raise ValueError(
                f"the column {long[0]} has more than {LONGEST_NAME} letters: use a shorter prefix"
            )
        return self

    def variables(self) -> tuple[str, ...]:
        return self.parts

    def whole(self) -> tuple[str, ...]:
        return self.parts

    def makes(self) -> tuple[str, ...]:
        prefix = self.prefix or self.coordinates
        if self.coordinates == "ilr":
            return tuple(f"{prefix}{k}" for k in range(1, len(self.parts)))
        return tuple(f"{prefix}_{part}" for part in self.parts if part != self.reference)


@dataclass(frozen=True)
class CompositionResult(Applicable):
    """How parts of a whole vary; no person's log-ratio is in here.

    Attributes:
        parts: (d,) names; columns: names of the log-ratios.
        centre: (d,) the geometric mean of each share, closed to 1.
        log_ratio_variance: (d, d) of log(row / column), divisor n - 1; total_variance: of all clr.
        zeros: (d,) people with nothing of the part, whose share became `replaced_by`.
        sites_without: (d,) hospitals where nobody has any of it.
        n: people with all parts; sites: that have any of them.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="composition", parts=["core", "oedema", "necrosis"], zeros=0.005)
    >>> found.summary().round(3)
              centre  zeros  sites_without   core  oedema  necrosis
    core       0.355      0              0  0.000   0.296     0.867
    oedema     0.535      0              0  0.296   0.000     0.877
    necrosis   0.109      1              0  0.867   0.877     0.000
    """

    parts: tuple[str, ...]
    columns: tuple[str, ...]
    centre: Floats
    log_ratio_variance: Floats
    total_variance: float
    zeros: Integers
    replaced_by: float
    sites_without: Integers
    n: int
    sites: int

    def summary(self) -> pd.DataFrame:
        """One row per part: its centre, its zeros, and the variances of its log-ratios with the others."""
        frame = pd.DataFrame(self.log_ratio_variance, list(self.parts), list(self.parts))
        frame.insert(0, "sites_without", self.sites_without)
        frame.insert(0, "zeros", self.zeros)
        frame.insert(0, "centre", self.centre)
        return frame

    def figure(self) -> Figure:
        replaced = sum(int(n) for n in self.zeros)
        told = f"Parts of a whole in {self.n} people; {replaced} values of 0 became {self.replaced_by:g}."
        variances = "variance of the log-ratio"
        return Figure(
            (
                shares(self.parts, self.centre, measure="share of the whole", title="Centre"),
                matrix(
                    self.parts, self.parts, self.log_ratio_variance, measure=variances, title="Log-ratios"
                ),
            ),
            f"{told} {left_out('parts', len(self.parts))}".strip(),
        )

    def transform_arrays(self) -> Arrays:
        return {}


class Composition(FederatedProtocol[CompositionSpec, CompositionResult], ColumnTransform[CompositionSpec]):
    """Parts of a whole as log-ratios."""

    name = "composition"
    spec_type = CompositionSpec

    @site_step(
        COLUMN_MOMENTS,
        times=GATHERED,
        varies=("shift", "scale"),
        products=Moment("column", "column", what="sums of products of the centred log-ratios"),
        zeros=Count("column", of="n", what="people with nothing of a part"),
        without=Flag("column", what="sites where nobody has any of a part"),
    )
    def moments(spec: CompositionSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums, squares and products of the centred log-ratios, less shift times scale."""
        whole = closed(table.matrix(spec.parts))
        whole = whole[~np.isnan(whole).any(axis=1)]
        z, sums = column_moments(centred_log_ratios(without_zeros(whole, spec.zeros)), shift, scale)
        zeros = np.count_nonzero(whole == 0, axis=0)
        without = ((zeros == len(whole)) & (len(whole) > 0)).astype(np.int64)
        return {**sums, "products": z.T @ z, "zeros": zeros, "without": without}

    def axes(self, spec: CompositionSpec) -> dict[str, int]:
        return {"column": len(spec.parts)}

    def coordinate(self, spec: CompositionSpec) -> Coordination[CompositionResult]:
        moments = yield from gather(spec.parts)
        moments.check()
        everything = range(len(spec.parts))
        covariance = moments.correlation("products", everything, everything) * np.outer(
            moments.sd, moments.sd
        )
        variances = np.diag(covariance)
        between = variances[:, None] + variances - covariance - covariance.T
        np.fill_diagonal(between, 0.0)
        centre = np.exp(moments.mean)
        return CompositionResult(
            parts=spec.parts,
            columns=spec.makes(),
            centre=centre / centre.sum(),
            log_ratio_variance=np.maximum(between, 0.0),
            total_variance=float(variances.sum()),
            zeros=np.asarray(moments.total["zeros"], dtype=np.int64),
            replaced_by=spec.zeros,
            sites_without=np.asarray(moments.total["without"], dtype=np.int64),
            n=moments.n,
            sites=moments.sites,
        )

    def transform(
        self, spec: CompositionSpec, table: AnalysisTable, rows: Mask, **arrays: Array
    ) -> AnalysisTable:
        """The table with a column for each log-ratio, missing for people without a value of every part."""
        log_ratios = coordinates(spec, without_zeros(closed(table.matrix(spec.parts)), spec.zeros))
        return table.with_columns(dict(zip(spec.makes(), log_ratios.T, strict=True)))

    def method(self, spec: CompositionSpec) -> str:
        how = {"clr": "centred", "ilr": "isometric", "alr": "additive"}[spec.coordinates]
        beside = f", with {spec.reference} as the reference" if spec.reference else ""
        return (
            f"Parts of a whole, {listed(spec.parts)}, became {how} log-ratios{beside}; "
            f"a share of 0 became {spec.zeros:g} (multiplicative replacement)."
        )

    def about(self, spec: CompositionSpec) -> str:
        return f"Log-ratios ({spec.coordinates}) of {', '.join(spec.parts)}, as parts of a whole."

    def notes(self, spec: CompositionSpec) -> Sequence[str]:
        return [f"Log-ratios stay here, as columns {listed(spec.makes())} for the analyses after this one."]


def closed(x: Floats) -> Floats:
    """The (n, d) parts as shares of their sum; missing where one is missing or below 0, or all are 0."""
    total = x.sum(axis=1, keepdims=True)
    is_whole = (x >= 0).all(axis=1, keepdims=True) & (total > 0) & np.isfinite(total)
    return np.asarray(np.where(is_whole, x / np.where(is_whole, total, 1.0), np.nan))


def without_zeros(whole: Floats, delta: float) -> Floats:
    """The (n, d) shares with `delta` for 0, and the others of that person smaller by as much in all."""
    is_zero = whole == 0
    left = 1 - delta * is_zero.sum(axis=1, keepdims=True)
    return np.where(is_zero, delta, whole * left)


def centred_log_ratios(whole: Floats) -> Floats:
    """The (n, d) logs of positive shares about their mean in each person."""
    logs = np.log(whole)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def coordinates(spec: CompositionSpec, whole: Floats) -> Floats:
    """The (n, columns) log-ratios of (n, d) positive shares."""
    if spec.coordinates == "clr":
        return centred_log_ratios(whole)
    logs = np.log(whole)
    if spec.reference is not None:
        at = spec.parts.index(spec.reference)
        return np.asarray(np.delete(logs, at, axis=1) - logs[:, [at]])
    k = np.arange(1, len(spec.parts))
    before = np.cumsum(logs, axis=1)[:, :-1] / k  # of the geometric mean of the first k parts
    return np.asarray(np.sqrt(k / (k + 1)) * (before - logs[:, 1:]))
