"""How well measurements of the same people repeat: intraclass correlations, agreement, variation. Exact.

People lie inside a site, so sums over sites of each repeat's values, their squares and the squares of
people's means give every mean square of a two-way layout, in two rounds.

References: Shrout & Fleiss, Psychol Bull 86 (1979) 420; McGraw & Wong, Psychol Methods 1 (1996) 30; Lin,
Biometrics 45 (1989) 255; Barnhart et al., Biometrics 58 (2002) 1020; Bland & Altman, Lancet 327 (1986) 307;
Bartlett & Frost, Ultrasound Obstet Gynecol 31 (2008) 466; R `psych::ICC`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy import stats

from protocols.core.disclosure import Moment
from protocols.core.figure import Figure, NoFigure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, Result, Spec, site_step
from protocols.core.table import AnalysisTable, Floats
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.moments import (
    COLUMN_MOMENTS,
    GATHERED,
    Moments,
    column_moments,
    complete_rows,
    gather,
    moment_bounds,
)
from protocols.results.figures import estimates, term_rows

Coefficient = Literal["ICC(1,1)", "ICC(2,1)", "ICC(3,1)"]
COEFFICIENTS: tuple[Coefficient, ...] = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)")
LIMITS = 1.96  # standard deviations, as Bland and Altman have it
_NO_MEAN = 1e-12  # of a standard deviation: a mean that is 0 but for rounding
_MOST_ROWS = 50  # of a figure


class RepeatabilitySpec(Spec):
    """Which features, and the variables that repeat them.

    Attributes:
        features: feature -> its variables, one per repeat; people with a value of all of them are counted.
        repeats: what each repeat is, the same at every site (a reader, a scanner, a perturbation); empty
            where repeats are interchangeable, as test and retest are, and ICC(1,1) alone has a meaning.
        coefficient: the one by which features are judged.
        minimum: from which on a feature is robust.
        bound: whether the lower end of its interval must reach it, or the coefficient itself.
        level: of the intervals.
    """

    protocol: Literal["repeatability"] = "repeatability"
    features: dict[Name, Annotated[tuple[Name, ...], Field(min_length=2, max_length=50)]] = Field(
        min_length=1, max_length=1000
    )
    repeats: tuple[str, ...] = ()
    coefficient: Coefficient = "ICC(1,1)"
    minimum: float = Field(default=0.75, gt=0, lt=1)
    bound: Literal["lower", "point"] = "lower"
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _is_a_layout(self) -> "RepeatabilitySpec":
        sizes = {len(names) for names in self.features.values()}
        if len(sizes) > 1:
            raise ValueError("all features have the same number of repeats")
        if len(set(self.variables())) != sum(map(len, self.features.values())):
            raise ValueError("a variable is listed twice")
        if self.repeats and {len(self.repeats)} != sizes:
            raise ValueError("`repeats` names each repeat, in the order of the variables")
        if not self.repeats and self.coefficient != "ICC(1,1)":
            raise ValueError(
                f"{self.coefficient} compares repeats that have names: list them under `repeats`"
            )
        return self

    def variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for names in self.features.values() for name in names))

    def shape(self) -> tuple[int, int]:
        """Features and repeats."""
        return len(self.features), len(next(iter(self.features.values())))


@dataclass(frozen=True)
class RepeatabilityResult(Result):
    """How well each of p features repeats; NaN where one does not vary.

    Attributes:
        features: (p,) names; repeats: how many; n: people with complete data.
        icc, lower, upper: (p, 3) ICC(1,1), ICC(2,1), ICC(3,1) with their interval at `level`; the last two
            are NaN for repeats that are interchangeable.
        ccc: (p,) concordance correlation (Lin; Barnhart's overall one for more than two repeats), divisor n.
        mean: (p,) over all people and repeats; within_sd: standard deviation within a person; variation: that
            over the mean; repeatability: 2.77 times it, by more than which two measurements of a person
            seldom differ.
        difference, difference_low, difference_high: (p,) mean of the second repeat less the first, and Bland
            and Altman's limits of agreement; NaN for more than two repeats.
        reason: (p,) why a feature has none of these, or "".
        coefficient, minimum, bound: by what features are judged.
        level: of the intervals.

    >>> from protocols.exchange.example import run_example
    >>> pairs = {"entropy": ["entropy", "entropy_again"]}
    >>> found = run_example(protocol="repeatability", features=pairs)
    >>> found.summary()[["icc", "lower", "upper", "repeatability", "is_robust"]].round(2)
              icc  lower  upper  repeatability  is_robust
    feature
    entropy  0.96   0.95   0.96           0.39       True
    """

    features: tuple[str, ...]
    repeats: int
    n: int
    icc: Floats
    lower: Floats
    upper: Floats
    ccc: Floats
    mean: Floats
    within_sd: Floats
    variation: Floats
    repeatability: Floats
    difference: Floats
    difference_low: Floats
    difference_high: Floats
    reason: tuple[str, ...]
    coefficient: Coefficient
    minimum: float
    bound: Literal["lower", "point"]
    level: float

    def robust(self) -> tuple[str, ...]:
        """The features that reach the minimum."""
        judged = (self.lower if self.bound == "lower" else self.icc)[:, COEFFICIENTS.index(self.coefficient)]
        return tuple(name for name, value in zip(self.features, judged, strict=True) if value >= self.minimum)

    def attenuation(self) -> Floats:
        """(p,) the share that noise of the feature leaves of its correlations: the root of the ICC."""
        return np.asarray(np.sqrt(np.maximum(self.icc[:, COEFFICIENTS.index(self.coefficient)], 0.0)))

    def fell(self) -> str:
        """How many features fell, in a sentence."""
        kept, what = len(self.robust()), "lower bound of " if self.bound == "lower" else ""
        return (
            f"{len(self.features) - kept} of {len(self.features)} features fell: "
            f"the {what}{self.coefficient} is below {self.minimum:g}, or cannot be told."
        )

    def summary(self) -> pd.DataFrame:
        """One row per feature, with the coefficient by which it is judged."""
        at, kept = COEFFICIENTS.index(self.coefficient), set(self.robust())
        chosen = {"icc": self.icc[:, at], "lower": self.lower[:, at], "upper": self.upper[:, at]}
        columns = ("ccc", "mean", "within_sd", "variation", "repeatability")
        judged = {"attenuation": self.attenuation(), "is_robust": [name in kept for name in self.features]}
        return pd.DataFrame(
            {**chosen, **self.named(*columns), **judged}, index=pd.Index(self.features, name="feature")
        )

    def figure(self) -> Figure | NoFigure:
        at = COEFFICIENTS.index(self.coefficient)
        order = sorted(np.flatnonzero(np.isfinite(self.icc[:, at])), key=lambda i: self.icc[i, at])
        if not order:
            return NoFigure("no feature has a coefficient")
        names = [self.features[i] for i in order]
        rows = term_rows(names, names, self.icc[order, at], self.lower[order, at], self.upper[order, at])
        beyond = f"The first {_MOST_ROWS} are drawn." if len(rows) > _MOST_ROWS else ""
        what = f"{self.coefficient} of {self.n} people, {self.repeats} repeats each, the least first."
        return Figure(
            (estimates(rows[:_MOST_ROWS], self.coefficient),), f"{what} {self.fell()} {beyond}".strip()
        )


class Repeatability(FederatedProtocol[RepeatabilitySpec, RepeatabilityResult]):
    """Which features repeat."""

    name = "repeatability"
    spec_type = RepeatabilitySpec

    @site_step(
        COLUMN_MOMENTS,
        times=GATHERED,
        varies=("shift", "scale"),
        crosses=True,
        bounds=lambda spec, asked, ranges: moment_bounds(spec.variables(), asked, ranges),
        people=Moment("feature", what="sums of squares of people's means over the repeats"),
    )
    def moments(spec: RepeatabilitySpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums and squares of each repeat, and of people's means of them."""
        z, sums = column_moments(complete_rows(table, spec.variables()), shift, scale)
        unit = _unit(scale.reshape(spec.shape()))
        shared = unit[:, None] / scale.reshape(spec.shape())
        means = (z.reshape(len(z), *spec.shape()) * shared).mean(axis=2)
        return {**sums, "people": np.einsum("ij,ij->j", means, means)}

    def axes(self, spec: RepeatabilitySpec) -> dict[str, int]:
        return {"column": len(spec.variables()), "feature": len(spec.features)}

    def coordinate(self, spec: RepeatabilitySpec) -> Coordination[RepeatabilityResult]:
        moments = yield from gather(spec.variables())
        return result(spec, moments.n, *_layout(spec, moments))

    def method(self, spec: RepeatabilitySpec) -> str:
        kinds = "ICC(1,1), ICC(2,1) and ICC(3,1)" if spec.repeats else "ICC(1,1)"
        return (
            f"{kinds} with {spec.level:.0%} intervals, the concordance correlation, limits of agreement and "
            f"variation within people of {listed(tuple(spec.features))}, over people with complete data."
        )

    def about(self, spec: RepeatabilitySpec) -> str:
        return f"How well these repeat: {', '.join(spec.features)}."


def _unit(scale: Floats) -> Floats:
    """(features,) the scale that all repeats of a feature share in people's means: a power of two."""
    return np.asarray(scale.min(axis=1))


def _layout(spec: RepeatabilitySpec, moments: Moments) -> tuple[Floats, Floats, Floats, Floats, list[str]]:
    """The arguments of `result` after its second."""
    shape, faults = spec.shape(), moments.faults()
    reasons = [next((faults[name][1] for name in of if name in faults), "") for of in spec.features.values()]
    unit = _unit(moments.scale.reshape(shape))
    sums, shift = (moments.total["sum"] / moments.scale).reshape(shape), moments.shift.reshape(shape)
    people = moments.total["people"] / unit**2 - sums.mean(axis=1) ** 2 / moments.n
    apart = shift - shift[:, :1] + sums / moments.n
    return shift[:, 0], apart, (moments.norm**2).reshape(shape), people, reasons


def result(
    spec: RepeatabilitySpec,
    n: int,
    base: Floats,
    apart: Floats,
    square: Floats,
    people: Floats,
    reason: Sequence[str],
) -> RepeatabilityResult:
    """The coefficients of p features.

    Args:
        n: people; base, apart: (p,) and (p, k) whose sums are the means of the repeats; square: (p, k) sums
            of squares about these means; people: (p,) sums of squares of people's means about their mean;
            reason: (p,) why a feature has no coefficient, or "".
    """
    p, k = apart.shape
    lacking = np.array([bool(why) for why in reason])

    def known(numbers: Floats) -> Floats:
        """(p, ...) NaN for the features that have none."""
        return np.where(lacking.reshape(-1, *[1] * (numbers.ndim - 1)), np.nan, numbers)

    with np.errstate(divide="ignore", invalid="ignore"):
        middle = apart.mean(axis=1)
        repeats = n * ((apart - middle[:, None]) ** 2).sum(axis=1)
        between = k * people / (n - 1)
        residual = np.maximum(square.sum(axis=1) - k * people, 0.0)
        within = (residual + repeats) / (n * (k - 1))
        error, of_repeats = residual / ((n - 1) * (k - 1)), repeats / (k - 1)
        icc, lower, upper = _coefficients(n, k, between, within, error, of_repeats, spec.level)
        if not spec.repeats:
            icc[:, 1:], lower[:, 1:], upper[:, 1:] = np.nan, np.nan, np.nan
        own = square.sum(axis=1) / n
        # over all pairs of repeats: twice their covariance; variances, and squared differences of means
        ccc = (k**2 * people / n - own) / ((k - 1) * own + k * repeats / n)
        sd, mean = np.sqrt(within), base + middle
        variation = np.where(np.abs(mean) > _NO_MEAN * sd, sd / np.abs(mean), np.nan)
        difference = apart[:, 1] - apart[:, 0] if k == 2 else np.full(p, np.nan)
        spread = LIMITS * np.sqrt(2 * square.sum(axis=1) - 4 * people) / np.sqrt(n - 1)
    return RepeatabilityResult(
        features=tuple(spec.features),
        repeats=k,
        n=n,
        icc=known(icc),
        lower=known(lower),
        upper=known(upper),
        ccc=known(ccc),
        mean=known(mean),
        within_sd=known(sd),
        variation=known(variation),
        repeatability=known(LIMITS * np.sqrt(2) * sd),
        difference=known(difference),
        difference_low=known(difference - spread),
        difference_high=known(difference + spread),
        reason=tuple(reason),
        coefficient=spec.coefficient,
        minimum=spec.minimum,
        bound=spec.bound,
        level=spec.level,
    )


def _coefficients(
    n: int, k: int, between: Floats, within: Floats, error: Floats, of_repeats: Floats, level: float
) -> tuple[Floats, Floats, Floats]:
    """(p, 3) coefficients and their intervals from (p,) mean squares (McGraw & Wong, table 7)."""
    high = (1 + level) / 2
    one = (between - within) / (between + (k - 1) * within)
    two = (between - error) / (between + (k - 1) * error + k * (of_repeats - error) / n)
    three = (between - error) / (between + (k - 1) * error)
    ends = []
    for ratio, free in ((between / within, n * (k - 1)), (between / error, (n - 1) * (k - 1))):
        least = ratio / stats.f.ppf(high, n - 1, free)
        most = ratio * stats.f.ppf(high, free, n - 1)
        ends.append(((least - 1) / (least + k - 1), (most - 1) / (most + k - 1)))
    # Satterthwaite's degrees of freedom of the denominator
    shifted, rest = k * two * of_repeats / error, n * (1 + (k - 1) * two) - k * two
    degrees = (k - 1) * (n - 1) * (shifted + rest) ** 2 / ((n - 1) * shifted**2 + rest**2)
    below, above = stats.f.ppf(high, n - 1, degrees), stats.f.ppf(high, degrees, n - 1)
    base = k * of_repeats + (k * n - k - n) * error
    low = n * (between - below * error) / (below * base + n * between)
    top = n * (above * between - error) / (base + n * above * between)
    (low_one, top_one), (low_three, top_three) = ends
    return (
        np.column_stack([one, two, three]),
        np.column_stack([low_one, low, low_three]),
        np.column_stack([top_one, top, top_three]),
    )
