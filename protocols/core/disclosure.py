"""The one gate: what a step declares about its arrays, and what of them may leave a site.

Two ways out (docs/security.md):

- in the clear: a count below `min_count` people is suppressed, and so is one whose complement is below it;
  a true zero looks the same. The axis `group` parts people, so what is left of them by a suppressed group is
  suppressed with it. A sum that stands on fewer people is missing (NaN). A site with fewer people
  than that reports no numbers.
- in a sum over sites: nobody sees this site's part, so a site takes part if it has at least
  `min_count_in_sum` people; what stands on fewer contributes zero, to the count and to the sum alike. The
  total must reach `min_count`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.suppression import SUPPRESSED as SUPPRESSED
from protocols.core.suppression import suppressed
from protocols.core.thresholds import Array as Array
from protocols.core.thresholds import Thresholds as Thresholds

Way = Literal["clear", "sum", "agreed"]


@dataclass(frozen=True, init=False)
class Declaration:
    """What an array is: its named axes, and `what` it holds, in words. An axis is never people."""

    integral: ClassVar[bool] = False
    axes: tuple[str, ...]
    what: str

    def __init__(self, *axes: str, what: str) -> None:
        if "person" in axes:
            raise ValueError("no array with an axis of people may leave a site")
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "what", what)

    def by(self, sizes: Mapping[str, int]) -> str:
        """Its axes and their sizes in words, "group x interval (2 x 50)", but for those of a single entry."""
        long = [axis for axis in self.axes if sizes[axis] != 1]
        lengths = " x ".join(str(sizes[axis]) for axis in long)
        return f"{' x '.join(long).replace('_', ' ')} ({lengths})" if long else ""

    def stands_on(self) -> str | None:
        """The name of the count of people that it stands on, or is a part of; None for a count of its own."""
        return None

    def is_possible(self, total: Array, whole: Array, sites: int | None) -> bool:
        """Whether people at so many sites can have the sum `total`, (...) by its axes.

        `whole` is the count behind each entry, and of a shape that fits it.
        """
        return bool((total >= 0).all()) if self.integral else True


@dataclass(frozen=True, init=False)
class Count(Declaration):
    """Numbers of people. `of` names the count that it is a part of, whose axes lead this one's.

    One that only stands on the other, as on people in effect, is no `part` and may be larger.
    """

    integral: ClassVar[bool] = True
    of: str | None
    part: bool

    def __init__(self, *axes: str, of: str | None = None, part: bool = True, what: str = "people") -> None:
        super().__init__(*axes, what=what)
        object.__setattr__(self, "of", of)
        object.__setattr__(self, "part", part)

    def stands_on(self) -> str | None:
        return self.of

    def is_possible(self, total: Array, whole: Array, sites: int | None) -> bool:
        """Whether the (...) counts are part of the `whole` ones."""
        fits = not self.part or bool((total <= whole).all())
        return super().is_possible(total, whole, sites) and fits


@dataclass(frozen=True, init=False)
class Band(Declaration):
    """Whether people are many enough, in a sum alone: counts of people leave as whole floors.

    A site says how many times `min_count_in_sum` it has, and no more than `min_count` comes to, so that the
    joined number tells whether the people reach `min_count`, also without those of any one site, and else
    nothing: neither how many they are nor, below the floor, whether there are any (`Thresholds.band`). What
    is enough is asked of `Thresholds.enough` alone, which a `Total` holds as its `floors`.
    """

    integral: ClassVar[bool] = True


@dataclass(frozen=True, init=False)
class Flag(Declaration):
    """1 where something holds at a site, else 0; in a sum alone, which tells at how many sites it does."""

    integral: ClassVar[bool] = True

    def is_possible(self, total: Array, whole: Array, sites: int | None) -> bool:
        return super().is_possible(total, whole, sites) and (sites is None or bool((total <= sites).all()))


@dataclass(frozen=True, init=False)
class Below(Flag):
    """1 where a site has people, but too few to say so in a `Band`; else 0; in a sum alone."""


@dataclass(frozen=True, init=False)
class NoisySum(Declaration):
    """Sums to which every site adds noise that hides a person; in a sum alone, and without a floor."""


@dataclass(frozen=True, init=False)
class Moment(Declaration):
    """Sums over people. `behind` names the count of people that they stand on; its axes lead this one's.

    `at_most` is how large one person's part can be, where that follows from what is summed.
    """

    behind: str
    at_most: float

    def __init__(self, *axes: str, behind: str = "n", at_most: float = math.inf, what: str) -> None:
        super().__init__(*axes, what=what)
        object.__setattr__(self, "behind", behind)
        object.__setattr__(self, "at_most", at_most)

    def stands_on(self) -> str | None:
        return self.behind

    def is_possible(self, total: Array, whole: Array, sites: int | None) -> bool:
        """Whether the (...) sums are within `at_most` of each of the `whole` people."""
        if math.isinf(self.at_most):
            return True
        return bool((np.abs(total) <= self.at_most * whole * (1 + _ROUNDED) + _ROUNDED).all())


@dataclass(frozen=True, init=False)
class Update(Moment):
    """What people change in a model's parameters: at most `max_parameters_per_person` of them a person."""


@dataclass(frozen=True, init=False)
class Statistic(Moment):
    """A number that is not a sum (an AUC, say): it leaves in the clear only, by `behind` as a moment does."""


_GATE = object()
_ROUNDED = 1e-9  # what a secure sum's fixed point and another processor's sums may add


@dataclass(frozen=True)
class Release:
    """Arrays that passed the gate, by `release`; in another basis, by `turned`; or `agreed`, of no people."""

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
    few_contribute: bool = False,
) -> Release:
    """The arrays that may leave this site, as a Release.

    Args:
        declared: what the step says of each of its arrays.
        arrays: what the step computed, by name.
        axes: the size of every named axis; it follows from the study alone.
        people: how many people the step used.
        way: in the clear, or in a sum.
        thresholds: the stricter of the site's and the study's.
        few_contribute: to a sum, fewer sites than hide each other: it is judged as in the clear, and what
            would be withheld there contributes zero.

    Raises:
        SiteError: code `withheld`; the text names the array and the rule, never a value.
    """
    if arrays.keys() != declared.keys():
        raise SiteError(Code.WITHHELD, "a step returned other arrays than it declared")
    for name, array in arrays.items():
        _check_form(name, array, declared[name], axes)
    if way == "sum":
        if any(isinstance(declaration, Statistic) for declaration in declared.values()):
            raise SiteError(Code.WITHHELD, "a statistic that is not a sum cannot be summed over sites")
        if few_contribute:
            kept = _of_few_sites(declared, arrays, axes=axes, people=people, thresholds=thresholds)
            return Release(kept, way, _GATE)
        return Release({name: _in_a_sum(name, declared, arrays, thresholds) for name in arrays}, way, _GATE)
    if any(isinstance(declaration, Band | Flag | NoisySum) for declaration in declared.values()):
        raise SiteError(Code.WITHHELD, "a band, a flag or a noisy sum leaves in a sum over sites only")
    floor = thresholds.min_count
    if people < floor:
        raise SiteError(Code.WITHHELD, f"fewer than {floor} people are in this analysis here")
    _check_parameters(declared, axes, people, thresholds)
    return Release({name: _in_the_clear(name, declared, arrays, floor) for name in arrays}, way, _GATE)


def turned(release: Release, arrays: Mapping[str, Array]) -> Release:
    """The release of a sum in a basis that only the sites know."""
    return Release(arrays, release.way, _GATE)


def agreed(arrays: Mapping[str, Array]) -> Release:
    """What every site says alike: it follows from the center's replies, and holds nothing of this site."""
    return Release(arrays, "agreed", _GATE)


def _of_few_sites(
    declared: Mapping[str, Declaration],
    arrays: Mapping[str, Array],
    *,
    axes: Mapping[str, int],
    people: int,
    thresholds: Thresholds,
) -> dict[str, Array]:
    """What a site gives to a sum in which another could see its part: as in the clear, zero for withheld.

    Raises:
        SiteError: withheld; there are too many parameters for this site's people.
    """
    floor = thresholds.min_count
    if people < floor:
        return {name: np.zeros_like(array) for name, array in arrays.items()}
    _check_parameters(declared, axes, people, thresholds)
    kept: dict[str, Array] = {}
    for name, declaration in declared.items():
        if isinstance(declaration, Band | Flag | NoisySum):
            kept[name] = _in_a_sum(name, declared, arrays, thresholds)
        else:
            shown = _in_the_clear(name, declared, arrays, floor)
            hidden = shown == SUPPRESSED if isinstance(declaration, Count) else np.isnan(shown)
            kept[name] = np.where(hidden, shown.dtype.type(0), shown)
    return kept


def check_total(
    declared: Mapping[str, Declaration],
    totals: Mapping[str, Array],
    *,
    axes: Mapping[str, int],
    thresholds: Thresholds,
    sites: int | None = None,
    at_most: Mapping[str, Array] = MappingProxyType({}),
) -> dict[str, Array]:
    """The joined sum without what is based on fewer than `min_count` people over all sites.

    `at_most` is how large one person's part of an array's entries can be, by the ranges of a study.

    Raises:
        StudyError: tampered, no people can have that sum; everything is based on too few, or there are too
            many parameters for the people.
    """
    floor = thresholds.min_count
    for name, declaration in declared.items():
        behind = _behind(name, declared, totals)
        fits = name not in at_most or _fits(totals[name], at_most[name], behind)
        if not fits or not declaration.is_possible(totals[name], behind, sites):
            raise StudyError(
                Code.TAMPERED, f"no people can have the sum {name!r}: a site did not tell the truth"
            )
    counts = (totals[name] for name, d in declared.items() if isinstance(d, Count) and d.of is None)
    whole = [count for count in counts if count.size]
    if whole and all((count < floor).all() for count in whole):
        raise StudyError(
            Code.WITHHELD,
            f"over all sites fewer than {floor} people have complete data",
            "use fewer variables, impute those that many people lack, or widen the cohort",
        )
    try:
        for count in whole:
            _check_parameters(declared, axes, int(count.max()), thresholds)
    except SiteError as error:
        raise StudyError(error.code, error.text) from None
    return {
        name: np.where(_behind(name, declared, totals) < floor, np.nan, totals[name])
        if isinstance(declared[name], Moment)
        else totals[name]
        for name in totals
    }


def _fits(total: Array, at_most: Array, behind: Array) -> bool:
    """Whether so many people behind an entry can have that total."""
    most = at_most * np.maximum(behind, 1) * (1 + _ROUNDED) + _ROUNDED
    return bool((np.abs(total) <= most).all())


def _check_form(name: str, array: Array, declaration: Declaration, axes: Mapping[str, int]) -> None:
    expected = tuple(axes[axis] for axis in declaration.axes)
    if array.shape != expected:
        raise SiteError(Code.WITHHELD, f"array {name!r} does not have its declared axes {declaration.axes}")
    if array.dtype != (np.int64 if declaration.integral else np.float64):
        raise SiteError(Code.WITHHELD, f"array {name!r} is not of its declared kind")
    if not np.isfinite(array).all():
        raise SiteError(Code.WITHHELD, f"array {name!r} is not finite")


def _check_parameters(
    declared: Mapping[str, Declaration], axes: Mapping[str, int], people: int, thresholds: Thresholds
) -> None:
    """Refuses a square matrix of moments, or an update, too wide for its people: it could give rows back."""
    for name, declaration in declared.items():
        update = isinstance(declaration, Update)
        square = [axis for axis in declaration.axes if update or declaration.axes.count(axis) > 1]
        if square and axes[square[0]] > thresholds.max_parameters_per_person * people:
            raise SiteError(
                Code.WITHHELD,
                f"array {name!r} has {axes[square[0]]} {square[0]}s, more than "
                f"{thresholds.max_parameters_per_person} for each person, which could show rows: "
                "use fewer variables, or include more people",
            )


def _behind(name: str, declared: Mapping[str, Declaration], arrays: Mapping[str, Array]) -> Array:
    """The counts of people on which each entry of an array is based, shaped to broadcast over it."""
    counts = arrays[declared[name].stands_on() or name]
    return counts.reshape(counts.shape + (1,) * (arrays[name].ndim - counts.ndim))


def _in_a_sum(
    name: str, declared: Mapping[str, Declaration], arrays: Mapping[str, Array], thresholds: Thresholds
) -> Array:
    array, floor = arrays[name], thresholds.min_count_in_sum
    if isinstance(declared[name], Band):
        return thresholds.band(array)
    if isinstance(declared[name], Below):
        return np.asarray((array > 0) & (array < floor)).astype(np.int64)
    if isinstance(declared[name], Flag):
        return np.asarray(array != 0).astype(np.int64)
    few = not isinstance(declared[name], NoisySum) and _behind(name, declared, arrays) < floor
    return np.asarray(np.where(few, array.dtype.type(0), array))


def _in_the_clear(
    name: str, declared: Mapping[str, Declaration], arrays: Mapping[str, Array], floor: int
) -> Array:
    declaration, array = declared[name], arrays[name]
    behind = _behind(name, declared, arrays)
    given_away = _given_away(name, declared, arrays, floor)
    if isinstance(declaration, Count):
        rest_is_small = (behind - array < floor) if declaration.of is not None else np.False_
        return np.where((array < floor) | rest_is_small | given_away, SUPPRESSED, array)
    return np.where((behind < floor) | given_away, np.nan, array)


def _given_away(
    name: str, declared: Mapping[str, Declaration], arrays: Mapping[str, Array], floor: int
) -> NDArray[np.bool_]:
    """Where an entry, taken from that of all groups, leaves a group of few people (RT04)."""
    found = np.zeros(arrays[name].shape, dtype=bool)
    own = declared[name]
    for counted, declaration in declared.items():
        axes = declaration.axes
        if not isinstance(declaration, Count) or declaration.of is not None or axes[:1] != ("group",):
            continue
        behind = own.behind if isinstance(own, Moment) else None
        stands_on = counted in (name, behind) or len(axes) < len(own.axes)
        if stands_on and own.axes[: len(axes)] == axes:
            counts = arrays[counted].astype(np.int64)
            by_column = counts.reshape(len(counts), -1).T
            hidden = np.array([suppressed(c, floor) == SUPPRESSED for c in by_column], dtype=bool)
            found |= hidden.T.reshape(counts.shape + (1,) * (found.ndim - counts.ndim))
    return found
