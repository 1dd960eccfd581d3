"""Who is left out of a model and judges it: folds of people, each hospital in turn, or named hospitals."""

import hashlib
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from protocols.core.table import AnalysisTable, Mask, Rows

MOST_TRAINING_SETS = 50
"""In one validation, beside the inner ones of a model."""


class _Scheme(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def sums(self) -> int:
        """How many sums over training sets of people do not follow from each other."""
        return 1


class ByFold(_Scheme):
    """People fall into folds by the keyed hash of the person, once or again by independent hashes."""

    kind: Literal["folds"] = "folds"
    of: int = Field(default=5, ge=2, le=10)
    repeats: int = Field(default=1, ge=1, le=25)

    @model_validator(mode="after")
    def _are_not_too_many(self) -> "ByFold":
        if self.of * self.repeats > MOST_TRAINING_SETS:
            raise ValueError(f"`of` times `repeats` is {MOST_TRAINING_SETS} at most")
        return self

    def admits(self, rows: Rows) -> bool:
        """Whether these are the training rows of one of the folds."""
        if rows.fold is None or rows.fold >= self.of or rows.repeat >= self.repeats:
            return False
        return rows == Rows(keep="train", fold=rows.fold, of=self.of, repeat=rows.repeat)

    def held_out(self, table: AnalysisTable, number: int) -> Mask:
        """(n,) true for the people here who are in fold `number`, counted over the repeats."""
        repeat, fold = divmod(number, self.of)
        return Rows(keep="test", fold=fold, of=self.of, repeat=repeat).mask(table)

    def sums(self) -> int:
        return self.repeats * (self.of - 1) + 1

    def __str__(self) -> str:
        times = f"{self.repeats} times " if self.repeats > 1 else ""
        return f"{times}in {self.of} folds of people"


class BySite(_Scheme):
    """Each hospital with enough people of both classes is left out in turn; the others always train."""

    kind: Literal["sites"] = "sites"

    def admits(self, rows: Rows) -> bool:
        """Whether these are the people of all sites but one."""
        return len(rows.sites) == 1 and rows == Rows(keep="train", sites=rows.sites)

    def held_out(self, table: AnalysisTable, number: int) -> Mask:
        """(n,) true everywhere at the site of that number, false elsewhere."""
        return np.full(len(table), site_number(table.site) == number)

    def __str__(self) -> str:
        return "each hospital left out in turn"


class External(_Scheme):
    """The named hospitals judge the model, together, and never train it; all the others train it.

    Three at least judge and three at least train, since each of both is a sum over these alone.
    """

    kind: Literal["external"] = "external"
    sites: tuple[str, ...] = Field(min_length=3, max_length=50)

    @field_validator("sites")
    @classmethod
    def _once_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a site is named twice")
        return tuple(sorted(value))

    def admits(self, rows: Rows) -> bool:
        """Whether these are the people of all sites but the named ones."""
        return rows == Rows(keep="train", sites=self.sites)

    def held_out(self, table: AnalysisTable, number: int) -> Mask:
        """(n,) true everywhere at a site that judges, false elsewhere."""
        return np.full(len(table), table.site in self.sites)

    def __str__(self) -> str:
        return f"fitted without {', '.join(self.sites)} and judged there"


Scheme = Annotated[ByFold | BySite | External, Field(discriminator="kind")]


def site_number(site: str) -> int:
    """The number that stands for a site's name among arrays."""
    return int.from_bytes(hashlib.blake2b(site.encode(), digest_size=8).digest()) >> 1
