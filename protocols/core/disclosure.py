"""The one gate: what a step declares about its arrays, and what of them may leave a site.

Two ways out (docs/security.md):

- in the clear: every count is at least `min_count` people, and so is every group that could be had by
  subtraction; a smaller cell is suppressed, and a true zero looks the same. An array that stands on fewer
  people is withheld.
- in a sum over sites: nobody sees this site's part, so a site takes part from `min_count_in_sum` people
  on, and with zeros when it has nobody; the total must reach `min_count`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from protocols.core.errors import Code, SiteError

Array = NDArray[np.float64] | NDArray[np.int64]
Way = Literal["clear", "sum"]

SUPPRESSED = -1
"""Stands for a count that is below the floor, zero included."""


class Thresholds(BaseModel):
    """The floors of disclosure; a study or a site may only raise them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_count: int = Field(default=10, ge=10)
    min_count_in_sum: int = Field(default=5, ge=5)
    min_sites_in_sum: int = Field(default=3, ge=3)
    max_parameters_per_person: float = Field(default=0.33, gt=0, le=0.33)

    def stricter(self, other: "Thresholds") -> "Thresholds":
        """The stricter of both, rule by rule."""
        return Thresholds(
            min_count=max(self.min_count, other.min_count),
            min_count_in_sum=max(self.min_count_in_sum, other.min_count_in_sum),
            min_sites_in_sum=max(self.min_sites_in_sum, other.min_sites_in_sum),
            max_parameters_per_person=min(self.max_parameters_per_person, other.max_parameters_per_person),
        )


@dataclass(frozen=True, init=False)
class Declaration:
    """What an array is: its named axes. An axis is never people."""

    axes: tuple[str, ...]

    def __init__(self, *axes: str) -> None:
        if "person" in axes:
            raise ValueError("no array with an axis of people may leave a site")
        object.__setattr__(self, "axes", axes)


@dataclass(frozen=True, init=False)
class Count(Declaration):
    """Numbers of people. `of` names the count that it is a part of: the rest must be large enough too."""

    of: str | None

    def __init__(self, *axes: str, of: str | None = None) -> None:
        super().__init__(*axes)
        object.__setattr__(self, "of", of)


@dataclass(frozen=True, init=False)
class Moment(Declaration):
    """Sums over people. `behind` names the count of people that they stand on; its axes lead this one's."""

    behind: str

    def __init__(self, *axes: str, behind: str = "n") -> None:
        super().__init__(*axes)
        object.__setattr__(self, "behind", behind)


@dataclass(frozen=True, init=False)
class Statistic(Moment):
    """A number that is no sum (an AUC, say): it leaves in the clear only, by `behind` as a moment does."""


_GATE = object()


@dataclass(frozen=True)
class Release:
    """Arrays that passed the gate. Only `release` makes one."""

    arrays: Mapping[str, Array]
    way: Way
    _made_by: object

    def __post_init__(self) -> None:
        if self._made_by is not _GATE:
            raise TypeError("a Release is made by release() alone")


def release(
    declared: Mapping[str, Declaration],
    arrays: Mapping[str, Array],
    *,
    axes: Mapping[str, int],
    people: int,
    way: Way,
    thresholds: Thresholds,
) -> Release:
    """The arrays that may leave this site, as a Release.

    Args:
        declared: what the step says of each of its arrays.
        arrays: what the step computed, by name.
        axes: the size of every named axis; it follows from the study alone.
        people: how many people the step used.
        way: in the clear, or in a sum.
        thresholds: the stricter of the site's and the study's.

    Raises:
        SiteError: code `withheld`; the text names the array and the rule, never a value.
    """
    if arrays.keys() != declared.keys():
        raise SiteError(Code.WITHHELD, "a step returned other arrays than it declared")
    for name, array in arrays.items():
        _check_form(name, array, declared[name], axes)
    if way == "sum":
        _check_sum(declared, people, thresholds)
        return Release(dict(arrays), way, _GATE)
    if people < thresholds.min_count:
        raise SiteError(Code.WITHHELD, f"fewer than {thresholds.min_count} people have complete data here")
    return Release(
        {name: _in_the_clear(name, declared, arrays, thresholds.min_count) for name in arrays}, way, _GATE
    )


def _check_form(name: str, array: Array, declaration: Declaration, axes: Mapping[str, int]) -> None:
    expected = tuple(axes[axis] for axis in declaration.axes)
    if array.shape != expected:
        raise SiteError(Code.WITHHELD, f"array {name!r} does not have its declared axes {declaration.axes}")
    integral = isinstance(declaration, Count)
    if array.dtype != (np.int64 if integral else np.float64):
        raise SiteError(Code.WITHHELD, f"array {name!r} is not of its declared kind")
    if not np.isfinite(array).all():
        raise SiteError(Code.WITHHELD, f"array {name!r} is not finite")


def _check_sum(declared: Mapping[str, Declaration], people: int, thresholds: Thresholds) -> None:
    if any(isinstance(declaration, Statistic) for declaration in declared.values()):
        raise SiteError(Code.WITHHELD, "a statistic that is no sum cannot be summed over sites")
    if 0 < people < thresholds.min_count_in_sum:
        raise SiteError(
            Code.WITHHELD, f"fewer than {thresholds.min_count_in_sum} people have complete data here"
        )


def _in_the_clear(
    name: str, declared: Mapping[str, Declaration], arrays: Mapping[str, Array], floor: int
) -> Array:
    declaration, array = declared[name], arrays[name]
    if isinstance(declaration, Count):
        small = array < floor
        if declaration.of is not None:
            whole = arrays[declaration.of]
            rest = whole.reshape(whole.shape + (1,) * (array.ndim - whole.ndim)) - array
            small = small | (rest < floor)
        return np.where(small, SUPPRESSED, array)
    assert isinstance(declaration, Moment)
    if (arrays[declaration.behind] < floor).any():
        raise SiteError(Code.WITHHELD, f"array {name!r} stands on fewer than {floor} people somewhere")
    return array
