"""Heritability of a trait, and the genetic correlation of two, from what scans say and published LD scores.

A variant tags its neighbours, so the more of them there are (its LD score), the larger its chi-square where
many small effects make a trait: the slope of chi-square on the score is the heritability that common
variants hold, and the intercept what structure and relatives add. For two traits the products of their z take
the place of chi-square, and the intercept is what people in both scans add.

Weights are 1 over the score, which counts neighbours once, and over the variance that the model expects,
found in three passes. The intercept comes from variants with a chi-square below 30, the slope from all.
Errors are those of a jackknife over 200 blocks along the genome.

Reference: Bulik-Sullivan et al., Nat Genet 47 (2015) 291 and 1236.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from protocols.core.errors import Code, InputError
from protocols.core.table import Floats, Integers, Mask
from protocols.estimation.wald import two_sided

FEWEST = 200_000
"""Variants with an LD score from which on a heritability is told: fewer are a part of the genome."""

_BLOCKS = 200
_FIRST_STEP = 30.0  # chi-square below which a variant tells the intercept
_PASSES = 3


_Variance = Callable[[float, float], Floats]


@dataclass(frozen=True)
class Slope:
    """A slope on what a heritability of 1 would make of the scores, and what is left at a score of 0.

    Attributes:
        value, se: heritability, or genetic covariance.
        intercept, intercept_se: 1 of a trait without structure, 0 of two scans of other people.
        without: (b,) the slope without each block.
    """

    value: float
    se: float
    intercept: float
    intercept_se: float
    without: Floats


@dataclass(frozen=True)
class HeritabilityResult:
    """How much of a trait's variance common variants hold, on the scale of the scan.

    Attributes:
        trait: its name.
        h2, se: 0 to 1, or beyond by chance; of a 0/1 trait on the observed scale, which depends on how many
            cases the scan has.
        intercept, intercept_se: of chi-square at a score of 0; well above 1 is structure.
        mean_chi_square: of all variants.
        variants: with an LD score.
    """

    trait: str
    h2: float
    se: float
    intercept: float
    intercept_se: float
    mean_chi_square: float
    variants: int

    def summary(self) -> pd.DataFrame:
        """One row: the heritability and the intercept."""
        return pd.DataFrame([asdict(self)]).set_index("trait")


@dataclass(frozen=True)
class GeneticCorrelationResult:
    """How alike the effects of common variants on two traits are.

    Attributes:
        first, second: the traits' names.
        rg, se, p: the correlation, -1 to 1 or beyond by chance, with its error and two-sided p-value; missing
            where a heritability is not above 0.
        covariance, covariance_se: genetic covariance; intercept, intercept_se: what people in both scans add.
        variants: with an LD score, in both scans.
    """

    first: str
    second: str
    rg: float
    se: float
    p: float
    covariance: float
    covariance_se: float
    intercept: float
    intercept_se: float
    variants: int

    def summary(self) -> pd.DataFrame:
        """One row: the correlation and what it is made of."""
        return pd.DataFrame([asdict(self)]).set_index(["first", "second"])


def heritability(trait: str, z: Floats, n: Floats, score: Floats, variants: float) -> HeritabilityResult:
    """What (v,) variants along the genome say of one trait.

    Args:
        z: (v,) effects over their errors; n: (v,) people; score: (v,) LD scores.
        variants: on how many variants the scores were computed.

    Raises:
        InputError: invalid-input; there are too few variants.
    """
    _check(len(z))
    found = _of_trait(z, n, score, variants)
    return HeritabilityResult(
        trait,
        found.value,
        found.se,
        found.intercept,
        found.intercept_se,
        float(np.mean(z**2)),
        len(z),
    )


def genetic_correlation(
    traits: tuple[str, str], z: Floats, n: Floats, score: Floats, variants: float
) -> GeneticCorrelationResult:
    """What (v,) variants along the genome say of two traits together.

    Args:
        z, n: (2, v) effects over their errors, of the same alleles, and people.

    Raises:
        InputError: invalid-input; there are too few variants.
    """
    _check(z.shape[1])
    one, two = (_of_trait(z[i], n[i], score, variants) for i in (0, 1))
    unit = np.sqrt(n[0] * n[1]) * score / variants
    own = [1 + max(of.value, 0.0) * n[i] * score / variants for i, of in enumerate((one, two))]

    def variance(value: float, intercept: float) -> Floats:
        return np.asarray(own[0] * own[1] + (value * unit + intercept) ** 2)

    is_background = np.maximum(*(z**2)) < _FIRST_STEP
    both = _two_steps(z[0] * z[1], unit, score, is_background, variance)
    product = one.value * two.value
    rg = both.value / np.sqrt(product) if one.value > 0 and two.value > 0 else float("nan")
    with np.errstate(invalid="ignore"):
        without = both.without / np.sqrt(one.without * two.without)
    se = _jackknife(without)
    return GeneticCorrelationResult(
        traits[0],
        traits[1],
        float(rg),
        se,
        float(two_sided(np.array(rg / se))),
        both.value,
        both.se,
        both.intercept,
        both.intercept_se,
        z.shape[1],
    )


def _check(variants: int) -> None:
    if variants < FEWEST:
        raise InputError(
            Code.INVALID_INPUT,
            f"{variants:,} variants have an LD score; the rule is at least {FEWEST:,}",
            "compare whole scans with the scores of the whole genome",
        )


def _of_trait(z: Floats, n: Floats, score: Floats, variants: float) -> Slope:
    unit = n * score / variants

    def variance(value: float, intercept: float) -> Floats:
        return np.asarray(2 * (intercept + min(max(value, 0.0), 1.0) * unit) ** 2)

    return _two_steps(z**2, unit, score, z**2 < _FIRST_STEP, variance)


def _two_steps(y: Floats, unit: Floats, score: Floats, is_background: Mask, variance: _Variance) -> Slope:
    """The intercept from the background, then the slope of everything at that intercept.

    Args:
        y: (v,) products of z; unit: (v,) what the slope is of.
        variance: (v,) of y, from a slope and an intercept.
    """
    blocks = np.arange(len(y)) * _BLOCKS // len(y)
    once = 1 / np.maximum(score, 1.0)
    x = np.column_stack([unit, np.ones(len(y))])
    both, intercept = np.zeros((1, 2)), float(np.median(y))
    for _ in range(_PASSES):
        weight = np.where(is_background, once / variance(float(both[0, 0]), intercept), 0.0)
        both = _least_squares(x, y, weight, blocks)
        intercept = float(both[0, 1])
    slope = both[:, :1]
    for _ in range(_PASSES):
        weight = once / variance(float(slope[0, 0]), intercept)
        slope = _least_squares(x[:, :1], y - intercept, weight, blocks)
    # a block that is left out moves the intercept, and so the slope
    pull = float(weight @ unit) / float(weight @ unit**2)
    without = slope[1:, 0] - pull * (both[1:, 1] - intercept)
    return Slope(float(slope[0, 0]), _jackknife(without), intercept, _jackknife(both[1:, 1]), without)


def _least_squares(x: Floats, y: Floats, weight: Floats, blocks: Integers) -> Floats:
    """(1 + b, p) weighted coefficients of all (v,) rows, and of those without each block."""
    starts = np.searchsorted(blocks, np.arange(_BLOCKS))
    squares = np.add.reduceat(np.einsum("i,ij,ik->ijk", weight, x, x), starts)
    sums = np.add.reduceat(x * (weight * y)[:, None], starts)
    whole, total = squares.sum(axis=0), sums.sum(axis=0)
    squares = np.concatenate([whole[None], whole - squares])
    found: Floats = np.linalg.solve(squares, np.concatenate([total[None], total - sums])[..., None])[..., 0]
    return found


def _jackknife(without: Floats) -> float:
    """The standard error of an estimate from those without each block."""
    b = len(without)
    return float(np.sqrt((b - 1) / b * ((without - without.mean()) ** 2).sum()))
