"""What a summary knows of its variables, over all sites and of one, without what few people stand behind."""

import math
from dataclasses import dataclass

import numpy as np

from protocols.core.disclosure import SUPPRESSED, Array
from protocols.core.protocol import Arrays, Total
from protocols.core.table import Floats, Integers


@dataclass(frozen=True)
class Numbers:
    """What is known of the variables in the groups; NaN or -1 where it is based on too few people.

    Attributes:
        people: (group,) people.
        n: (group, variable) people who have the variable.
        missing: (group, variable) people who do not.
        mean, sd: (group, variable) over those who have it; sd with divisor n - 1.
        cross: (pair, 2, 2) people by the first and the second variable of a pair, each 0 then 1.
    """

    people: Integers
    n: Integers
    missing: Integers
    mean: Floats
    sd: Floats
    cross: Array

    def is_zero_or_one(self, group: int, variable: int) -> bool:
        """Whether the values' squares have the values' own mean, as those of 0 and 1 do."""
        n, mean, sd = (float(part[group, variable]) for part in (self.n, self.mean, self.sd))
        return 0 < mean < 1 and math.isclose(sd**2 * (n - 1), n * mean * (1 - mean), rel_tol=1e-9)


def total_of(
    counts: Total, sums_shown: tuple[Total, Integers], about: tuple[Total, Floats, Floats], cross: Integers
) -> Numbers:
    """The numbers over all sites.

    Args:
        sums_shown: the sums, and (group, variable) 1 where enough people differ from the rest, else 0.
        about: the deviations, and the (group, variable) mean and scale that they are about.
        cross: (pair, 2, 2) people, -1 where not shown.
    """
    (sums, shown), (deviations, mean, scale) = sums_shown, about
    n = np.where(np.isnan(sums["sum"]), np.nan, sums["n"])
    with np.errstate(invalid="ignore", divide="ignore"):
        correction = deviations["rest"] / n
        squares = deviations["square"] - n * correction**2
        sd = scale * np.sqrt(np.maximum(squares, 0.0) / np.where(n > 1, n - 1, np.nan))
    total = Numbers(counts["people"], counts["n"], counts["missing"], mean + scale * correction, sd, cross)
    indicator = sums["sum"] == sums["square"]  # of zeros and ones alone, the sum is that of the squares
    ones = np.where(indicator, sums["sum"], 0.0).astype(np.int64)
    rarer = np.where(indicator, np.minimum(ones, sums["n"] - ones), sums["n"])
    few = (np.asarray(sums["dominated"]) > 0) | (shown == 0)  # one or two people in effect, or few
    behind = np.where(few, 0, rarer)
    return without_few(total, behind, sums.min_count)


def without_few(total: Numbers, behind: Integers, floor: int) -> Numbers:
    """The numbers with those taken out that stand on fewer than `floor` people over all sites."""
    few = behind < floor
    small_cell = total.cross.min(axis=(1, 2), keepdims=True) < floor
    return Numbers(
        np.where(total.people < floor, SUPPRESSED, total.people),
        np.where(total.n < floor, SUPPRESSED, total.n),
        total.missing,
        np.where(few, np.nan, total.mean),
        np.where(few, np.nan, total.sd),
        np.where(small_cell, SUPPRESSED, total.cross),
    )


def in_the_clear(arrays: Arrays) -> Numbers:
    def counts(name: str) -> Integers:
        return np.asarray(arrays[name], dtype=np.int64)

    def numbers(name: str) -> Floats:
        return np.asarray(arrays[name], dtype=np.float64)

    people, n = counts("people"), counts("n")
    missing = np.where((people[:, None] == SUPPRESSED) | (n == SUPPRESSED), SUPPRESSED, people[:, None] - n)
    cross = np.nan_to_num(numbers("cross"), nan=SUPPRESSED).astype(np.int64)
    return Numbers(people, n, missing, numbers("mean"), numbers("sd"), cross)


def behind_the_mean(values: Floats) -> int:
    """How many people the mean of (n,) values stands on: of a 0/1 variable, those with its rarer value."""
    ones, zeros = int((values == 1).sum()), int((values == 0).sum())
    return min(ones, zeros) if ones + zeros == len(values) else len(values)
