"""The location and scale of covariates over all sites, for numbers of any size: 1e-9 and 1e15 alike.

A secure sum holds numbers up to 2^80 in steps of 2^-40: squares of large numbers do not fit, and those of
small ones are lost. So the sums of a column are asked again on a binary scale of its own, which all sites
share and which follows from sums over everybody: the root mean square or, where a site's sum does not fit,
far less. Where the mean takes all digits of a square, the column is asked again about the mean.

Most studies need none of this: their first round has the sums.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from protocols.core.disclosure import Array, Count, Declaration, Moment
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.grid import on_grid
from protocols.core.protocol import Arrays, Ask, Coordination, Total
from protocols.core.ranges import Ranges, most_of
from protocols.core.site_step import Times, site_step
from protocols.core.table import AnalysisTable, Floats, Mask

MOST = 5
SCALED = Times(1, MOST)
"""How often the sums are asked: once, but for columns of very large or very small numbers."""

STANDARD_MOMENTS: Mapping[str, Declaration] = {
    "sum": Moment("covariate", what="sums"),
    "square": Moment("covariate", what="sums of squares"),
    "too_large": Moment("covariate", what="sites whose sum of squares does not fit"),
}
"""What a step declares of its `standard_moments`."""

_LARGEST = 2.0**78  # a site's sum of squares; a secure sum takes numbers up to 2^80
MUCH_SMALLER, MUCH_LARGER = 2.0**-40, 2.0**40
_LOST = 2.0**-14  # a mean square of which a resolution of 2^-40 leaves too few digits
_CANCELLED = 1e-9  # the share of a sum of squares that the mean must leave
_CONSTANT = 2.0**-46  # a standard deviation, of the mean, that rounding of a constant may leave


def standard_moments(x: Floats, about: Mapping[str, Array]) -> Arrays:
    """The sums, and sums of squares, of the (n, p) columns less the question's shift, times its unit.

    A column whose sum of squares is beyond a secure sum is 0, and 1 in `too_large`.

    Raises:
        SiteError: see `shift_and_unit`.
    """
    shift, unit = shift_and_unit(about, x.shape[1])
    with np.errstate(over="ignore", invalid="ignore"):
        z = (x - shift) * unit
        square = np.einsum("ij,ij->j", z, z)
    return fitting(z.sum(axis=0), square)


def standard_bounds(names: Sequence[str], about: Mapping[str, Array], ranges: Ranges) -> dict[str, Floats]:
    """How large one person's part of each of the (p,) sums and squares can be, by declared ranges."""
    shift, unit = shift_and_unit(about, len(names))
    most = most_of(names, ranges, shift, unit)
    return {"sum": most, "square": most**2}


class _OfCovariates(Protocol):
    """What is read of a spec here."""

    @property
    def covariates(self) -> Sequence[str]: ...
    def variables(self) -> Sequence[str]: ...


@site_step(
    STANDARD_MOMENTS,
    times=SCALED,
    varies=("about",),
    bounds=lambda spec, asked, ranges: standard_bounds(spec.covariates, asked, ranges),
    n=Count(),
)
def covariate_moments(spec: _OfCovariates, table: AnalysisTable, **about: Array) -> Arrays:
    """The sums and sums of squares of the covariates: they standardize, and cancel in the result."""
    x = table.complete(spec.variables()).matrix(spec.covariates)
    return {"n": np.array(len(x)), **standard_moments(x, about)}


def shift_and_unit(about: Mapping[str, Array], columns: int) -> tuple[Floats, Floats]:
    """(columns,) of a question that may have a `shift` and a `unit`; 0 and 1 where it has none.

    Raises:
        SiteError: withheld; the question has other arrays, or units that are not powers of two.
    """
    if about.keys() - {"shift", "unit"}:
        raise SiteError(Code.WITHHELD, "sums are asked with other arrays than a shift and a unit")
    shift, unit = (
        np.asarray(about.get(name, np.full(columns, default)), dtype=np.float64)
        for name, default in (("shift", 0.0), ("unit", 1.0))
    )
    if shift.shape != (columns,) or unit.shape != (columns,) or (np.frexp(unit)[0] != 0.5).any():
        raise SiteError(Code.WITHHELD, "sums are asked with units that are not powers of two")
    return shift, unit


def fitting(total: Floats, square: Floats) -> Arrays:
    """(..., p) sums and sums of squares as they fit into a secure sum: 0, and 1 in `too_large`, where not."""
    too_large = ~(square < _LARGEST)
    return {
        "sum": np.where(too_large, 0.0, total),
        "square": np.where(too_large, 0.0, square),
        "too_large": too_large.astype(np.float64),
    }


def too_large(z: Floats) -> Mask:
    """(p,) the columns of an (n, p) matrix whose sum of squares does not fit into a secure sum."""
    with np.errstate(over="ignore"):
        return np.asarray(~(np.einsum("ij,ij->j", z, z) < _LARGEST))


@dataclass(frozen=True)
class _Standards:
    """Joined moments with the question that they answer; (p,) each."""

    total: Total
    shift: Floats
    unit: Floats
    people: float

    def finer(self) -> tuple[Floats, Floats]:
        """The shift and unit of a question that keeps the digits; the same where these do."""
        total, n = self.total, self.people
        mean, square = total["sum"] / n, total["square"] / n
        variance = np.maximum(square - mean**2, 0.0)
        shift, unit = self.shift.copy(), self.unit.copy()
        beyond, lost = total["too_large"] > 0, square < _LOST
        unit = np.where(beyond, unit * MUCH_SMALLER, unit)
        size = np.exp2(-np.round(np.log2(np.where(square > 0, square, 1.0)) / 2))
        is_seen = square > n * 2.0**-30
        unit = np.where(lost & ~beyond, unit * np.where(is_seen, size, MUCH_LARGER), unit)
        cancelled = ~beyond & ~lost & (variance <= _CANCELLED * square) & (shift == 0)
        spread = np.sqrt(np.maximum(variance, 2.0**-50 * square))
        shift = np.where(cancelled, mean / self.unit, shift)
        unit = np.where(
            cancelled, unit * np.exp2(-np.round(np.log2(np.where(spread > 0, spread, 1.0)))), unit
        )
        return shift, unit

    def location_and_scale(self, names: Sequence[str]) -> tuple[Floats, Floats]:
        """The means and standard deviations.

        Raises:
            StudyError: rank-deficient; names the covariates that do not vary.
        """
        mean, square = self.total["sum"] / self.people, self.total["square"] / self.people
        variance = square - mean**2
        constant = (variance <= 1e-13 * square) | (
            np.sqrt(np.maximum(variance, 0.0)) <= _CONSTANT * np.abs(self.shift) * self.unit
        )
        _refuse("does not vary", names, constant)
        return self.shift + mean / self.unit, np.sqrt(variance) / self.unit


def _refuse(why: str, names: Sequence[str], at: Mask) -> None:
    """Raises if there are such columns, and names them."""
    if at.any():
        named = ", ".join(name for name, one in zip(names, at, strict=True) if one)
        raise StudyError(Code.RANK_DEFICIENT, f"{why} over all sites: {named}", "remove it from the analysis")


def location_and_scale(total: Total, names: Sequence[str]) -> tuple[Floats, Floats]:
    """The (p,) means and standard deviations over all sites of joined plain sums and squares, on the grid.

    Raises:
        StudyError: rank-deficient; names the covariates that do not vary.
    """
    plain = _Standards(total, np.zeros(len(names)), np.ones(len(names)), float(total["n"]))
    location, scale = plain.location_and_scale(names)
    return on_grid(location), on_grid(scale)


def original_scale(shift: Floats, scale: Floats) -> Floats:
    """The (p+1, p+1) matrix that takes coefficients of standardized covariates to the original scale.

    The intercept is the first.
    """
    basis = np.diag(np.append(1.0, 1 / scale))
    basis[0, 1:] = -shift / scale
    return basis


def plainly(step: str) -> Ask:
    """The question for the sums of covariates as they are."""
    return Ask(step)


@dataclass(frozen=True)
class Refined:
    """Location and scale of covariates, (p,) each, and `total`, the joined moments that they follow from."""

    total: Total
    location: Floats
    scale: Floats


def refined(moments: Total, names: Sequence[str], *, step: str, people: str = "n") -> Coordination[Refined]:
    """The moments that were asked `plainly`, asked again where digits are lost.

    Raises:
        StudyError: rank-deficient; names the covariates that do not vary, or are too large on every scale.
    """
    found = _Standards(moments, np.zeros(len(names)), np.ones(len(names)), float(moments[people]))
    for _ in range(MOST - 1):
        shift, unit = found.finer()
        if (shift == found.shift).all() and (unit == found.unit).all():
            break
        moments = yield Ask(step, {"shift": shift, "unit": unit})
        found = replace(found, total=moments, shift=shift, unit=unit)
    _refuse("holds an infinite number, or one that is too large,", names, moments["too_large"] > 0)
    location, scale = found.location_and_scale(names)
    return Refined(moments, location, scale)


def fitting_sums(
    columns: int, *others: Ask, step: str, fine: bool = False, asked: Arrays = MappingProxyType({})
) -> Coordination[tuple[Any, ...]]:
    """The joined answer of a step asked with `unit`, its sums and squares in plain units; and the others'.

    Columns whose squares do not fit are asked again on a smaller scale; with `fine` also those that are lost
    in a sum's resolution, on a larger one. Arrays are (..., columns).

    Args:
        others: questions that are asked beside the first.
        asked: what the step is asked with beside `unit`.
    """
    unit = np.ones(columns)
    answers = yield (Ask(step, asked), *others)
    total = answers[0]
    for _ in range(MOST - 1 if columns else 0):
        beyond, square = (total[name].reshape(-1, columns).max(axis=0) for name in ("too_large", "square"))
        lost = fine & ~(beyond > 0) & (square < _LOST) & (unit < MUCH_LARGER**2)
        if not (beyond > 0).any() and not lost.any():
            break
        unit = np.where(beyond > 0, unit * MUCH_SMALLER, np.where(lost, unit * 2.0**20, unit))
        total = yield Ask(step, {**asked, "unit": unit})
    plain = {"sum": total["sum"] / unit, "square": total["square"] / unit**2}
    return (replace(total, arrays={**total.arrays, **plain}), *answers[1:])
