"""What models made of trees share: outcome, covariates and cuts, the counts behind cuts, their importance."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.cells import gathered, parts_of
from protocols.core.disclosure import Array, Band, Count, Declaration, Flag, Moment
from protocols.core.people_in_effect import is_dominated
from protocols.core.protocol import Arrays, site_step
from protocols.core.roles import PredictsProbability
from protocols.core.site_step import Times
from protocols.core.spec import one_by_one
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Name
from protocols.learning.trees import Split, Trees, grid_counts, grid_moments

GRID_MOMENTS: dict[str, Declaration] = {
    "known": Count("covariate", of="n", what="people with a value"),
    "sum": Moment("covariate", behind="known", what="sums"),
    "square": Moment("covariate", behind="known", what="sums of squares"),
    "too_large": Moment("covariate", behind="known", what="sites whose sum of squares does not fit"),
    "dominated": Flag("covariate", what="sites where one or two people make up nearly all of its spread"),
}
"""What a step declares of its `known_moments`."""


class TreeModelSpec(PredictsProbability):
    """An outcome on covariates, by trees whose splits lie at public cuts.

    Attributes:
        outcome: what is predicted.
        covariates: numeric variables; missing values are used.
        min_people: least people in a child.
        bins: between cuts; cuts: of a covariate, in place of automatic ones.
    """

    outcome: Name
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=500)
    min_people: int = Field(default=10, ge=10)
    bins: int = Field(default=32, ge=2, le=256)
    cuts: dict[Name, tuple[float, ...]] = Field(default={}, max_length=500)

    @model_validator(mode="after")
    def _cuts_agree(self) -> "TreeModelSpec":
        unknown = set(self.cuts) - set(self.covariates)
        if unknown:
            raise ValueError(f"`cuts` names columns that are not covariates: {', '.join(sorted(unknown))}")
        if any(len(cuts) >= self.bins for cuts in self.cuts.values()):
            raise ValueError("more cuts than `bins` allows")
        return self

    def variables(self) -> tuple[str, ...]:
        return (self.outcome, *self.covariates)

    def needs(self) -> tuple[str, ...]:
        return (self.outcome,)  # who lacks a covariate goes left or right as the split says

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        """The (n,) people with an outcome, and of each covariate those of them with a value."""
        known = table.present(table.read_of([self.outcome]))
        yield (self.outcome,), known
        for names, mask in one_by_one(table, self.covariates):
            yield names, known & mask

    def outcome_name(self) -> str:
        return self.outcome


@site_step(
    times=lambda spec: Times.where(set(spec.covariates) != set(spec.cuts)),
    refines=True,
    enough=Band("covariate", "half", what="people with a value in parts of the grid, in whole floors"),
)
def gridded(spec: TreeModelSpec, table: AnalysisTable, low: Floats, width: Floats) -> Arrays:
    """In which parts of the grid of each covariate enough people are."""
    return {
        "enough": parts_of(grid_counts(of_known_outcome(spec, table).matrix(spec.covariates), low, width))
    }


@site_step(
    times=lambda spec: Times.where(set(spec.covariates) != set(spec.cuts)),
    n=Count(),
    cells=Count("covariate", "cell", of="n", what="people with a value in the run of cells"),
)
def cells(spec: TreeModelSpec, table: AnalysisTable, low: Floats, width: Floats, last: Integers) -> Arrays:
    """How many people are in each run of cells of the grid of each covariate, in its last cell."""
    table = of_known_outcome(spec, table)
    counts = grid_counts(table.matrix(spec.covariates), low, width)
    return {"n": np.array(len(table)), "cells": gathered(counts, last)}


def of_known_outcome(spec: TreeModelSpec, table: AnalysisTable) -> AnalysisTable:
    """The table of the people with an outcome, kept for the next round with what is derived from it."""
    known = table.present([spec.outcome])
    if known.all():
        return table
    key = ("known outcome", spec.outcome, spec.covariates)

    def make() -> AnalysisTable:
        columns = {name: table.column(name) for name in (spec.outcome, *spec.covariates)}
        return replace(table, columns=columns, labels={}, episodes={}, blocks={}).select(known)

    return table.derived(key, make)


def known_moments(spec: TreeModelSpec, table: AnalysisTable, about: Mapping[str, Array]) -> Arrays:
    """Of people with an outcome how many there are, and `grid_moments` of their covariates.

    One of which one or two people here make up nearly all adds nothing to the sums, and is flagged.
    """
    table = of_known_outcome(spec, table)
    x = table.matrix(spec.covariates)
    dominated = np.array([is_dominated(column[~np.isnan(column)]) for column in x.T], dtype=bool)
    found = grid_moments(np.where(dominated & ~np.isnan(x), 0.0, x), about)
    return {"n": np.array(len(table)), **found, "dominated": dominated.astype(np.int64)}


def is_open(trees: Trees, tree: int, place: int) -> bool:
    """Whether a place of a tree was reached: it is the root, or its parent has split."""
    return place == 0 or bool(trees.feature[tree, (place - 1) // 2] >= 0)


def set_split(
    trees: Trees, tree: int, place: int, column: int, threshold: float, split: Split, values: Sequence[float]
) -> None:
    """Splits a place of a tree, whose children get these two values."""
    trees.feature[tree, place] = column
    trees.threshold[tree, place] = threshold
    trees.missing_left[tree, place] = split.missing_left
    trees.value[tree, 2 * place + 1 : 2 * place + 3] = values


def importance_table(covariates: Sequence[str], gain: Floats, splits: Floats) -> pd.DataFrame:
    """One row per covariate, the most useful first; gain and splits are (f,)."""
    frame = pd.DataFrame({"gain": gain, "splits": splits}, index=list(covariates))
    return frame.sort_values("gain", ascending=False, kind="stable")
