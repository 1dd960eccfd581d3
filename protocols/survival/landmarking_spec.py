"""What a study writes of predictions at landmarks: whose, on which days, how far ahead."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from protocols.core.spec import Spec, WantedKind
from protocols.core.table import EVERYBODY, AnalysisTable, Floats, Integers, Mask, Rows
from protocols.core.variables import Name
from protocols.survival.life_table import FINEST_DAYS
from protocols.survival.partial_likelihood import Ties


class LandmarkingSpec(Spec):
    """A survival outcome on what is known of people at each of several days.

    Attributes:
        outcome: a survival variable; covariates that are `changing` count as they are on the day.
        covariates: numeric variables, constant or changing.
        landmarks: days since the index date, ascending, each a whole number of `step_days` after the first.
        window_days: how far ahead of a landmark the event is predicted; a whole number of `step_days`.
        step_days: of the public grid on which the baseline hazards and the validation are.
        with_time: covariates whose effect may change with the landmark, in a straight line.
        ties: how tied event times are counted.
        folds: of people; nobody is judged by a model that was fitted on them.
        level: of the confidence intervals.
    """

    protocol: Literal["landmarking"] = "landmarking"
    outcome: Name
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=50)
    landmarks: tuple[int, ...] = Field(min_length=1, max_length=20)
    window_days: int = Field(ge=FINEST_DAYS, le=7_000)
    step_days: int = Field(default=30, ge=FINEST_DAYS)
    with_time: tuple[Name, ...] = Field(default=(), max_length=50)
    ties: Ties = "efron"
    folds: int = Field(default=5, ge=2, le=10)
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _fits_together(self) -> "LandmarkingSpec":
        days = self.landmarks
        if len(set(self.covariates)) < len(self.covariates):
            raise ValueError("a covariate is listed twice")
        if not set(self.with_time) <= set(self.covariates) or len(set(self.with_time)) < len(self.with_time):
            raise ValueError("`with_time` names covariates, each once")
        if self.with_time and len(days) == 1:
            raise ValueError("with a single landmark no effect changes: remove `with_time`")
        if days[0] < 0 or list(days) != sorted(set(days)):
            raise ValueError("`landmarks` ascend from day 0")
        if any((day - days[0]) % self.step_days for day in days) or self.window_days % self.step_days:
            raise ValueError("landmarks and `window_days` are whole numbers of `step_days` apart")
        return self

    def wanted(self) -> Mapping[str, WantedKind]:
        return {self.outcome: "survival"}

    def variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.outcome, *self.covariates)))

    def linear_in(self) -> tuple[str, ...]:
        return (self.outcome,)

    def numbers_published(self, columns: int) -> int:
        return super().numbers_published(columns + len(self.with_time))

    def admits(self, rows: Rows) -> bool:
        return rows in (EVERYBODY, *self.training())

    def training(self) -> list[Rows]:
        """The people of all folds but one, in turn."""
        return [Rows(keep="train", fold=fold, of=self.folds) for fold in range(self.folds)]

    def held_out(self, table: AnalysisTable, fold: int) -> Mask:
        """(n,) true for the people of a fold."""
        return Rows(keep="test", fold=fold, of=self.folds).mask(table)

    def terms(self) -> tuple[str, ...]:
        """The names of the coefficients: covariates, then what their effects change by until the last day."""
        return (*self.covariates, *(f"{name}:time" for name in self.with_time))

    def times(self) -> Floats:
        """(L,) the landmarks from 0, the first, to 1, the last."""
        days = np.array(self.landmarks, dtype=np.float64)
        found: Floats = (days - days[0]) / max(days[-1] - days[0], 1.0)
        return found

    def design(self, x: Floats, landmark: int) -> Floats:
        """The (n, terms) columns of (n, covariates) values at the landmark of this number."""
        changing = [self.covariates.index(name) for name in self.with_time]
        return np.column_stack([x, x[:, changing] * self.times()[landmark]])

    def edges(self) -> Floats:
        """The (bins + 1,) days of the grid from the first landmark on, from 0."""
        return np.arange(self.ends()[-1] + 1, dtype=np.float64) * self.step_days

    def begins(self) -> Integers:
        """(L,) the grid's edges at which windows begin."""
        days = np.array(self.landmarks, dtype=np.int64)
        found: Integers = (days - days[0]) // self.step_days
        return found

    def ends(self) -> Integers:
        """(L,) the grid's edges at which windows end."""
        return self.begins() + self.window_days // self.step_days

    def stretches(self) -> list[tuple[int, int]]:
        """The intervals of the grid between the days on which a window begins or ends."""
        cuts = np.unique(np.concatenate([self.begins(), self.ends()])).tolist()
        return list(pairwise(cuts))
