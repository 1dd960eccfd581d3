"""An outcome of several levels: what its models are asked with, and count before they climb."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field, model_validator

from protocols.core.disclosure import Array, Count
from protocols.core.errors import Code, SiteError
from protocols.core.protocol import Arrays, site_step
from protocols.core.roles import PredictsLevels
from protocols.core.table import AnalysisTable, Integers
from protocols.core.variables import Name
from protocols.estimation.standards import SCALED, STANDARD_MOMENTS, standard_bounds, standard_moments


class LevelsSpec(PredictsLevels):
    """An outcome of several levels on covariates.

    Attributes:
        outcome: a variable of codes.
        levels: its codes, each once.
        covariates: numeric variables, complete cases are used.
        level: of the confidence intervals.
    """

    outcome: Name
    levels: tuple[float, ...] = Field(min_length=2, max_length=20)
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=200)
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _levels_differ(self) -> "LevelsSpec":
        if len(set(self.levels)) != len(self.levels):
            raise ValueError("a level is listed twice")
        return self

    def variables(self) -> tuple[str, ...]:
        return (self.outcome, *self.covariates)

    def predictors(self) -> tuple[str, ...]:
        return self.covariates

    def linear_in(self) -> tuple[str, ...]:
        return (self.outcome,)

    def codes(self) -> tuple[float, ...]:
        return self.levels


def people_of_levels(table: AnalysisTable, outcome: str, levels: Sequence[float]) -> Integers:
    """(levels, n) 1 where a person has the level."""
    return np.asarray(table.column(outcome) == np.array(levels)[:, None], dtype=np.int64)


@site_step(
    STANDARD_MOMENTS,
    times=SCALED,
    varies=("about",),
    bounds=lambda spec, asked, ranges: standard_bounds(spec.covariates, asked, ranges),
    n=Count(),
    counts=Count("level", of="n", what="people with the level"),
)
def level_moments(spec: LevelsSpec, table: AnalysisTable, **about: Array) -> Arrays:
    """People of each level, and the sums and sums of squares of the covariates.

    Raises:
        SiteError: invalid-input; somebody has another level.
    """
    table = table.complete(spec.variables())
    chosen = people_of_levels(table, spec.outcome, spec.levels)
    if not chosen.any(axis=0).all():
        raise SiteError(Code.INVALID_INPUT, f"{spec.outcome} has a level that the analysis does not name")
    sums = standard_moments(table.matrix(spec.covariates), about)
    return {"n": np.array(len(table)), "counts": chosen.sum(axis=1), **sums}
