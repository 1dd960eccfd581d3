"""What a study writes of a class-conditional model: classes, features, sets of classes."""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocols.core.roles import PredictsProbability, Role
from protocols.core.spec import by_group, one_by_one
from protocols.core.table import EVERYBODY, AnalysisTable, Integers, Mask, Rows
from protocols.core.variables import Name

Levels = Annotated[tuple[float, ...], Field(min_length=2, max_length=20)]


class Conformal(BaseModel):
    """Sets of classes that hold the true one.

    Attributes:
        miss: the probability with which a set may lack it.
        within: people of `all` classes together, or of each `class` by itself, as rare classes need it.
        folds: into how many parts people fall by the keyed hash; the first calibrates, the others train.
        bins: of equal width from 0 to 1, on whose edges the threshold lies.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    miss: float = Field(default=0.1, gt=0, lt=1)
    within: Literal["all", "class"] = "all"
    folds: int = Field(default=3, ge=2, le=10)
    bins: int = Field(default=100, ge=10, le=1000)

    def rows(self, keep: Literal["train", "test"]) -> Rows:
        """Those who train, or those who calibrate."""
        return Rows(keep=keep, fold=0, of=self.folds)


class TypingSpec(PredictsProbability):
    """Classes and the features that tell them.

    Attributes:
        outcome: a variable of codes; classes: its codes. People of another code are left out.
        measured: numeric features.
        coded: features with their levels; a sign has 0 and 1.
        covariance: of the measured features within a class: `diagonal`, `shared` by the classes, or `own`.
        shrinkage: of that matrix towards the mean variance, from 0 to 1.
        laplace: people added to each level of a coded feature.
        prevalences: of the classes where the model is used, in their order; none: as in the study.
        conformal: sets of classes.
        per_site: how often the sets hold at each site, in the clear, where every site has `min_cell` people
            of whom they do and of whom they do not.
    """

    protocol: Literal["typing"] = "typing"
    outcome: Name
    classes: Annotated[tuple[float, ...], Field(min_length=2, max_length=20)] = (0.0, 1.0)
    measured: tuple[Name, ...] = Field(default=(), max_length=200)
    coded: dict[Name, Levels] = Field(default={}, max_length=200)
    covariance: Literal["diagonal", "shared", "own"] = "diagonal"
    shrinkage: float = Field(default=0.0, ge=0, le=1)
    laplace: float = Field(default=1.0, gt=0, le=100)
    prevalences: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    conformal: Conformal | None = None
    per_site: bool = False
    min_cell: int = Field(default=10, ge=10)

    @model_validator(mode="after")
    def _agree(self) -> "TypingSpec":
        names = [self.outcome, *self.measured, *self.coded]
        if len(set(names)) < len(names) or len(names) == 1:
            raise ValueError("name features, each once, and not the outcome among them")
        for what, codes in {"classes": self.classes, **self.coded}.items():
            if len(set(codes)) < len(codes):
                raise ValueError(f"a level of {what} is listed twice")
        if self.prevalences and (
            len(self.prevalences) != len(self.classes) or abs(sum(self.prevalences) - 1) > 1e-9
        ):
            raise ValueError("prevalences: one for each class, which add up to 1")
        if self.per_site and self.conformal is None:
            raise ValueError("per_site is about sets of classes: it needs `conformal`")
        return self

    def variables(self) -> tuple[str, ...]:
        return (self.outcome, *self.measured, *self.coded)

    def needs(self) -> tuple[str, ...]:
        return (self.outcome,)

    def stands_on(self) -> tuple[str, ...]:
        return ()  # it asks by class who is set apart

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        """By class, each feature with the (n,) people of the class who have a value of it.

        Under a matrix the measured ones stand on those who have them all.
        """
        sets = [*one_by_one(table, self.coded if self.wide() else (*self.measured, *self.coded))]
        if self.wide():
            sets.append((self.measured, table.present(table.read_of(self.measured))))
        yield from by_group(table, self.outcome, sets)

    def admits(self, rows: Rows) -> bool:
        split = () if self.conformal is None else (self.conformal.rows("train"), self.conformal.rows("test"))
        return rows in (EVERYBODY, *split)

    def outcome_name(self) -> str:
        return self.outcome

    def shortfall(self, role: type[Role]) -> str:
        if self.classes != (0.0, 1.0):
            return "its classes are not 0 and 1"
        return "it has sets of classes: leave `conformal` out" if self.conformal else ""

    def wide(self) -> int:
        """How many features a covariance matrix has."""
        return 0 if self.covariance == "diagonal" else len(self.measured)

    def levels(self) -> tuple[str, ...]:
        """The names of the levels of all coded features."""
        return tuple(f"{name}={level:g}" for name, levels in self.coded.items() for level in levels)

    def bins(self) -> int:
        """How many bins scores have; 0 without sets of classes."""
        return self.conformal.bins if self.conformal else 0

    def sizes(self) -> Integers:
        """(q,) how many levels each coded feature has."""
        return np.array([len(levels) for levels in self.coded.values()], dtype=np.int64)
