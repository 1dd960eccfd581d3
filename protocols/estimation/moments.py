"""Second moments of many columns in one round: the sums behind regression, association, PCA, CCA and PLS.

A site sends sums of z = (x - shift) * scale, of its squares and of its products, and how many people
differ from 0 and from 1. From these the coordinator has means, spreads and correlations about the means.
Shift and scale are public numbers of the question, 0 and 1 at first. That is enough for a column whose
mean is at most some thirty of its standard deviations; where a column's digits cancelled, or would drown
in a secure sum's resolution of 2^-40 or is beyond its range, the question is asked again about the mean, on a
scale of its own.

With `intercepts: site` every site takes its own means out first (Frisch-Waugh): the answer is that of a
model with an indicator for each site, and no mean leaves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from protocols.core.disclosure import Array, Count, Declaration, Moment
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.grid import on_grid
from protocols.core.protocol import Arrays, Coordination, Total, ask
from protocols.core.ranges import Ranges, most_of
from protocols.core.site_step import Times, site_step
from protocols.core.table import AnalysisTable, Floats, Integers, Mask

Intercepts = Literal["common", "site"]

_MAX_ROUNDS = 4
GATHERED = Times(1, _MAX_ROUNDS)
_LARGEST = 2.0**78  # a site's sum of squares; a secure sum takes numbers up to 2^80
_MUCH_SMALLER = 2.0**-40
_CANCELLED = 1e-3  # the share of a sum of squares that the mean must leave: three of sixteen digits go
_RESOLVED = 2.0**-7  # the least sum of squares that a resolution of 2^-40 gives to ten digits
_ROUNDING = 2.0**-35  # of a sum over 64 sites in steps of 2^-40
_STILL = 2.0**14  # a mean in units in which nothing is left of the spread: the column does not vary
_CONSTANT = 2.0**-40  # the share of a sum of squares that rounding leaves to a column that does not vary


COLUMN_MOMENTS: Mapping[str, Declaration] = {
    "n": Count(),
    "sites": Moment(what="1 for each site that takes part"),
    "not_zero": Count("column", of="n", what="people with another value than 0"),
    "not_one": Count("column", of="n", what="people with another value than 1"),
    "too_large": Moment("column", what="1 where a sum is too large for the message"),
    "sum": Moment("column", what="sums"),
    "square": Moment("column", what="sums of squares"),
}
"""What every step of this kind declares, beside its products: see `column_moments`."""


def column_moments(
    x: Floats, shift: Floats, scale: Floats, intercepts: Intercepts = "common"
) -> tuple[Floats, dict[str, Array]]:
    """The (n, k) columns z, x less `shift` times `scale`, and the arrays of COLUMN_MOMENTS.

    With `intercepts: site`, this site's own means are taken out instead of the shift. A column whose sum of
    squares, before any shift, is beyond a secure sum's range is 0 in z and 1 in `too_large`: it is asked
    again, made smaller. Scales are powers of two, so that asking again and again tells of a site no more than
    the power of four below that sum.

    Raises:
        SiteError: withheld; a scale is not a power of two.
    """
    check_scale(scale)
    z = x * scale if intercepts == "common" else _about_own_means(x) * scale
    with np.errstate(over="ignore"):
        square = np.einsum("ij,ij->j", z, z)
    too_large = ~(square < _LARGEST)
    if intercepts == "common" and shift.any():
        z = (x - shift) * scale
        square = np.einsum("ij,ij->j", z, z)
    if too_large.any():
        z[:, too_large], square[too_large] = 0.0, 0.0
    return z, {
        "n": np.array(len(x)),
        "sites": np.array(float(len(x) > 0)),
        "not_zero": np.count_nonzero(x, axis=0),
        "not_one": np.count_nonzero(x != 1, axis=0),
        "too_large": too_large.astype(np.float64),
        "sum": z.sum(axis=0),
        "square": square,
    }


def moment_bounds(
    columns: Sequence[str], asked: Mapping[str, Array], ranges: Ranges, intercepts: Intercepts = "common"
) -> dict[str, Floats]:
    """How large one person's part of each sum, square and product of (k,) columns can be, by their ranges."""
    shift, scale = (np.asarray(asked[name], dtype=np.float64) for name in ("shift", "scale"))
    if intercepts == "site":  # a mean lies in the range, too
        ranges = {name: (low - high, high - low) for name, (low, high) in ranges.items()}
        shift = np.zeros(len(columns))
    most = most_of(columns, ranges, shift, scale)
    return {"sum": most, "square": most**2, "products": np.outer(most, most)}


def check_scale(scale: Floats) -> None:
    """Raises unless a question's (k,) scales are powers of two.

    Raises:
        SiteError: withheld.
    """
    if (np.frexp(scale)[0] != 0.5).any():
        raise SiteError(Code.WITHHELD, "a scale of columns that is not a power of two")


def fitting_squares(z: Floats) -> tuple[Floats, Floats, Floats]:
    """(k,) sums and sums of squares of (n, k) columns, 0 where a square is too large, and 1 there."""
    square = np.einsum("ij,ij->j", z, z)
    fits = square < _LARGEST
    return (
        np.where(fits, z.sum(axis=0), 0.0),
        np.where(fits, square, 0.0),
        (~fits).astype(np.float64),
    )


def _about_own_means(x: Floats) -> Floats:
    if not len(x):
        return x
    centred: Floats = x - x.mean(axis=0)
    centred[:, x.max(axis=0) == x.min(axis=0)] = 0.0  # the mean of equal numbers may differ by rounding
    return centred


def complete_rows(table: AnalysisTable, columns: Sequence[str]) -> Floats:
    """The (n, k) numbers of the people who have all of the columns."""
    x = table.matrix(columns)
    missing = np.isnan(x).any(axis=1)
    return x[~missing] if missing.any() else x


class _OfColumns(Protocol):
    """What is read of a spec here."""

    @property
    def intercepts(self) -> Intercepts: ...
    def variables(self) -> Sequence[str]: ...


@site_step(
    COLUMN_MOMENTS,
    times=GATHERED,
    varies=("shift", "scale"),
    bounds=lambda spec, asked, ranges: moment_bounds(spec.variables(), asked, ranges, spec.intercepts),
    products=Moment("column", "column", what="sums of products"),
)
def products_of_columns(spec: _OfColumns, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
    """Sums, squares and products of the variables of people with complete data, less shift times scale."""
    x = complete_rows(table, spec.variables())
    z, sums = column_moments(x, shift, scale, spec.intercepts)
    return {**sums, "products": z.T @ z}


@dataclass(frozen=True)
class Moments:
    """Joined moments of k columns.

    Attributes:
        columns: (k,) names.
        total: the joined answer.
        shift, scale: (k,) of the question that it answers.
        rounds: how many it took.
        behind: the count of the answer on which the sums stand.
    """

    columns: tuple[str, ...]
    total: Total
    shift: Floats
    scale: Floats
    rounds: int = 1
    behind: str = "n"

    @property
    def n(self) -> int:
        """People with complete data."""
        return int(self.total["n"])

    @property
    def sites(self) -> int:
        """Sites that have any of them."""
        return round(float(self.total["sites"]))

    @property
    def mean(self) -> Floats:
        """(k,) means; 0 where sites took theirs out."""
        mean: Floats = self.shift + self.total["sum"] / self._people / self.scale
        return mean

    @property
    def norm(self) -> Floats:
        """(k,) roots of the sums of squares about the mean; 0 for a column that does not vary."""
        root: Floats = np.sqrt(self._centred_square()) / self.scale
        return root

    @property
    def sd(self) -> Floats:
        """(k,) standard deviations, divisor n - 1."""
        sd: Floats = self.norm / np.sqrt(self.n - 1)
        return sd

    def correlation(self, block: str, rows: Sequence[int], columns: Sequence[int]) -> Floats:
        """The (rows, columns) correlations from an array of their products; 0 where one is constant."""
        root = np.sqrt(self._centred_square())
        root = np.where(root > 0, root, np.inf)
        sums = self.total["sum"]
        products = self.total[block] - np.outer(sums[rows], sums[columns] / self.n)
        correlation: Floats = products / np.outer(root[rows], root[columns])
        return correlation

    def people_apart(self) -> Integers:
        """(k,) people whose value is not the commonest of 0 and 1: the carriers of a coded variable."""
        apart: Integers = np.minimum(self.total["not_zero"], self.total["not_one"])
        return apart

    def faults(self) -> dict[str, tuple[Code, str]]:
        """Column -> why it cannot be analysed; nothing for a sound one."""
        found: dict[str, tuple[Code, str]] = {}
        floor = self.total.min_count
        large = self.total["too_large"] > 0
        for name, square, apart, is_dominated, is_large in zip(
            self.columns, self._centred_square(), self.people_apart(), self._dominated(), large, strict=True
        ):
            if is_dominated:
                found[name] = (Code.WITHHELD, "one or two people make up nearly all of it at a site")
            elif is_large:  # on the smallest scale too; others' numbers may vary
                found[name] = (Code.RANK_DEFICIENT, "holds an infinite number, or one that is too large")
            elif not square > 0:
                found[name] = (Code.RANK_DEFICIENT, "does not vary")
            elif apart < floor:
                found[name] = (Code.WITHHELD, f"fewer than {floor} people differ from the rest in it")
        return found

    def check(self) -> None:
        """Raises unless all columns are sound.

        Raises:
            StudyError: rank-deficient or withheld; names the columns and the rule.
        """
        faults = self.faults()
        for code in (Code.RANK_DEFICIENT, Code.WITHHELD):
            names = [name for name, (found, _) in faults.items() if found is code]
            if names:
                raise StudyError(code, f"{faults[names[0]][1]}: {', '.join(names)}", "remove these columns")

    def keeps_digits(self) -> bool:
        """Whether no column's digits cancelled about its mean, or drown in a secure sum's resolution."""
        return bool(self.fine().all())

    def fine(self) -> Mask:
        """(k,) whether a column's digits are kept."""
        left, square = self._left(), self.total["square"]
        fine = (left >= _CANCELLED * square) & (left >= _RESOLVED)
        still = (square <= _ROUNDING) & (np.abs(self.shift) * self.scale >= _STILL)
        return np.asarray((fine | still) & (self.total["too_large"] == 0)) | self._dominated()

    def finer(self) -> tuple[Floats, Floats]:
        """The (k,) shift and scale of a question that keeps them: the mean, a power of two near 1 / sd."""
        square = np.maximum(self._left(), self.total["square"] * 2.0**-50) + _ROUNDING
        finer = self.scale * np.exp2(-np.round(np.log2(square / self._people) / 2))
        beyond = self.total["too_large"] > 0
        return np.where(beyond, self.shift, self.mean), np.where(beyond, self.scale * _MUCH_SMALLER, finer)

    def _dominated(self) -> Mask:
        """(k,) columns that a site left out of its sums; none where the step does not say."""
        nobody = np.zeros(len(self.columns), dtype=np.int64)
        return np.asarray(self.total.arrays.get("dominated", nobody)) > 0

    def _left(self) -> Floats:
        left: Floats = self.total["square"] - self.total["sum"] ** 2 / self._people
        return left

    @property
    def _people(self) -> Array:
        """() or (k,) people on whom the sums stand; at least 1."""
        people: Array = np.maximum(self.total[self.behind], 1)
        return people

    def _centred_square(self) -> Floats:
        left = self._left()
        varies = (left > _CONSTANT * self.total["square"]) & (left > _ROUNDING)
        return np.where(varies, left, 0.0)


def gather(columns: Sequence[str], step: str = "moments") -> Coordination[Moments]:
    """The moments of the columns that this step of a protocol sums, in one round if digits allow."""
    shift, scale = np.zeros(len(columns)), np.ones(len(columns))
    for rounds in range(1, _MAX_ROUNDS + 1):
        total = yield ask(step, shift=shift, scale=scale)
        moments = Moments(tuple(columns), total, shift, scale, rounds)
        if moments.keeps_digits():
            break
        shift, scale = map(on_grid, moments.finer())  # as the question has them
    return moments


def positions(columns: Sequence[str], names: Sequence[str]) -> list[int]:
    """Where the names stand among the columns."""
    index: Mapping[str, int] = {column: j for j, column in enumerate(columns)}
    return [index[name] for name in names]
