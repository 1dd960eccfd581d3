"""Mendelian randomization: what a trait does to another one, told from the variants that move the first.

Alleles are dealt at random, so variants that change an exposure (an image feature, say) are a trial of it:
if the exposure acts on the outcome, each variant's effect on the outcome is that on the exposure times the
same number. Only effects and standard errors of two scans are needed, so nothing more is asked of sites.

- Inverse-variance weighted: a regression through 0 of the effects on the outcome, weighted by 1 / se^2. Its
  error grows with the spread of the variants' ratios where they differ by more than chance.
- MR-Egger: the same with an intercept, all exposure effects turned positive. The intercept is what the
  variants do to the outcome by other ways, on average; it is 0 if these ways cancel.
- Weighted median: of the variants' ratios; right where variants with half of the weight are valid.

Reference: Burgess et al., Genet Epidemiol 37 (2013) 658; Bowden et al., Int J Epidemiol 44 (2015) 512
(Egger), 45 (2016) 1961 (I^2 of the exposure), Genet Epidemiol 40 (2016) 304 (median); Greco et al., Stat Med
34 (2015) 2926 (Q).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from protocols.core.errors import Code, InputError
from protocols.core.figure import Figure
from protocols.core.table import Floats, Integers
from protocols.estimation.draws import Draws
from protocols.estimation.wald import two_sided
from protocols.results.figures import MOST_ESTIMATES, estimate, estimates

ASSUMPTIONS = (
    "The variants move the exposure: weak ones pull the estimate to 0 where the two scans are of other "
    "people, and to what is seen without randomization where they are of the same people.",
    "The variants are not in linkage with each other: take the leads of clumps.",
    "Nothing but chance deals the alleles: both scans took out ancestry, and families do not differ.",
    "The variants reach the outcome through the exposure alone. The intercept of MR-Egger and the spread of "
    "the ratios (Q) speak against it where they can; that they are silent proves nothing.",
)
"""What an estimate rests on, in words."""

_FEWEST_OF_SLOPES = 3  # variants from which on there are Egger's slope and a median
_FEWEST_OF_SPREAD = 4  # and from which on the spread of the ratios widens the error
_DRAWS = 10_000


@dataclass(frozen=True)
class MendelianResult:
    """The effect of an exposure on an outcome, by k variants.

    Attributes:
        exposure, outcome: their names.
        variants: (k,) names, and `x`, `x_se`, `y`, `y_se`: (k,) their effects on exposure and outcome.
        estimates: one row per method: `estimate` for one unit of the exposure, `se`, `lower`, `upper`, `p`.
        intercept, intercept_se, intercept_p: of MR-Egger, of three variants and more.
        q, q_df, q_p: Cochran's Q of the ratios about the inverse-variance weighted estimate.
        f: the mean of (x / x_se)^2: how strong the variants are; below 10 they are called weak.
        i_squared: of x over x_se, by which Egger's slope is too small where it is well below 1.
        left_out: reason -> variants of the exposure that are not in the estimate.
        level: of the intervals.

    >>> import numpy as np
    >>> x = np.array([0.10, 0.20, -0.15, 0.30])
    >>> found = mendelian("volume", "survival", list("abcd"), x, 0.01 + 0 * x, 0.5 * x, 0.02 + 0 * x)
    >>> found.estimates["estimate"].round(3).to_dict()
    {'inverse-variance weighted': 0.5, 'MR-Egger': 0.5, 'weighted median': 0.5}
    """

    exposure: str
    outcome: str
    variants: tuple[str, ...]
    x: Floats
    x_se: Floats
    y: Floats
    y_se: Floats
    estimates: pd.DataFrame
    intercept: float
    intercept_se: float
    intercept_p: float
    q: float
    q_df: int
    q_p: float
    f: float
    i_squared: float
    left_out: Mapping[str, int]
    level: float
    assumptions: tuple[str, ...] = ASSUMPTIONS

    def summary(self) -> pd.DataFrame:
        """One row per method."""
        return self.estimates

    def by_variant(self) -> pd.DataFrame:
        """Each variant's ratio with its standard error, and the estimate without this variant."""
        frame = pd.DataFrame(
            {"ratio": self.y / self.x, "se": self.y_se / np.abs(self.x)}, list(self.variants)
        )
        k = len(self.variants)
        others = [np.delete(np.arange(k), i) for i in range(k)] if k > 1 else []
        without = [_weighted(self.x[o], self.y[o], self.y_se[o])[:2] for o in others]
        frame["without"], frame["without_se"] = np.array(without).T if without else (np.nan, np.nan)
        return frame.rename_axis("variant")

    def figure(self) -> Figure:
        """The ratios of the variants, and the methods' estimates below them."""
        half = stats.norm.ppf((1 + self.level) / 2)
        ratios = self.by_variant().iloc[: MOST_ESTIMATES - len(self.estimates)]
        rows = [
            estimate(name, (r, r - half * se, r + half * se))
            for name, r, se in zip(ratios.index, ratios["ratio"], ratios["se"], strict=True)
        ]
        rows += [
            estimate(str(method), (one["estimate"], one["lower"], one["upper"]))
            for method, one in self.estimates.iterrows()
        ]
        measure = f"change of {self.outcome} for one unit of {self.exposure}"
        told = f"Q {self.q:.1f} on {self.q_df}; F {self.f:.0f}" + (
            ""
            if np.isnan(self.intercept)
            else f"; Egger's intercept {self.intercept:.3g}, p {self.intercept_p:.2g}"
        )
        return Figure((estimates(rows, measure),), f"{len(self.variants)} variants. {told}.")


def mendelian(
    exposure: str,
    outcome: str,
    variants: list[str],
    x: Floats,
    x_se: Floats,
    y: Floats,
    y_se: Floats,
    *,
    left_out: Mapping[str, int] | None = None,
    level: float = 0.95,
) -> MendelianResult:
    """The effect of an exposure by (k,) variants that are not in linkage with each other.

    Args:
        x, x_se: (k,) effects of the variants on the exposure; y, y_se: on the outcome, of the same alleles.

    Raises:
        InputError: not-found; no variant moves the exposure.
    """
    if not len(variants) or not (x != 0).all():
        raise InputError(Code.NOT_FOUND, "there is no variant that moves the exposure in both scans")
    k = len(variants)
    value, se, q = _weighted(x, y, y_se)
    rows = {"inverse-variance weighted" if k > 1 else "ratio": _row(value, se, level)}
    intercept = (np.nan, np.nan, np.nan)
    if k >= _FEWEST_OF_SLOPES:
        slope, intercept = _egger(x, y, y_se, level)
        rows["MR-Egger"] = slope
        rows["weighted median"] = _row(*_median(x, x_se, y, y_se), level)
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "se", "lower", "upper", "p"])
    return MendelianResult(
        exposure=exposure,
        outcome=outcome,
        variants=tuple(variants),
        x=x,
        x_se=x_se,
        y=y,
        y_se=y_se,
        estimates=frame.rename_axis("method"),
        intercept=intercept[0],
        intercept_se=intercept[1],
        intercept_p=intercept[2],
        q=q,
        q_df=k - 1,
        q_p=float(stats.chi2.sf(q, k - 1)) if k > 1 else float("nan"),
        f=float(np.mean((x / x_se) ** 2)),
        i_squared=_i_squared(np.abs(x), x_se),
        left_out=left_out or {},
        level=level,
    )


def _row(value: float, se: float, level: float, df: int | None = None) -> tuple[float, ...]:
    half = se * float(stats.norm.ppf((1 + level) / 2) if df is None else stats.t.ppf((1 + level) / 2, df))
    return value, se, value - half, value + half, float(two_sided(np.array(value / se), df))


def _weighted(x: Floats, y: Floats, y_se: Floats) -> tuple[float, float, float]:
    """The inverse-variance weighted estimate, its standard error, and Cochran's Q."""
    weight = 1 / y_se**2
    information = float(weight @ x**2)
    value = float(weight @ (x * y)) / information
    q = float(weight @ (y - value * x) ** 2)
    spread = np.sqrt(q / (len(x) - 1)) if len(x) >= _FEWEST_OF_SPREAD else 1.0
    return value, float(max(1.0, spread) / np.sqrt(information)), q


def _egger(
    x: Floats, y: Floats, y_se: Floats, level: float
) -> tuple[tuple[float, ...], tuple[float, float, float]]:
    """The row of the slope; the intercept, its standard error and p-value, by t with k - 2."""
    sign = np.sign(x)
    design = np.column_stack([np.ones(len(x)), np.abs(x)]) / y_se[:, None]
    inverse = np.linalg.pinv(design.T @ design)
    coef = inverse @ design.T @ (sign * y / y_se)
    residual = sign * y / y_se - design @ coef
    df = len(x) - 2
    error = np.sqrt(np.diag(inverse)) * max(1.0, float(np.sqrt(residual @ residual / df)))
    p = two_sided(coef / error, df)
    return _row(float(coef[1]), float(error[1]), level, df), (float(coef[0]), float(error[0]), float(p[0]))


def _median(x: Floats, x_se: Floats, y: Floats, y_se: Floats) -> tuple[float, float]:
    """The weighted median of the ratios, and its standard error by drawing both scans' effects anew."""
    weight = (x / y_se) ** 2
    draws = Draws(b"weighted median", len(x))
    xs, ys = x + x_se * draws.normal(_DRAWS, len(x)), y + y_se * draws.normal(_DRAWS, len(x))
    drawn = _medians(ys / xs, np.broadcast_to(weight, xs.shape))
    return float(_medians((y / x)[None], weight[None])[0]), float(np.std(drawn, ddof=1))


def _medians(ratio: Floats, weight: Floats) -> Floats:
    """(b,) medians of (b, k) ratios, between the two whose cumulated weight less half is near 1/2."""
    order = np.argsort(ratio, axis=1, kind="stable")
    ratio, weight = np.take_along_axis(ratio, order, axis=1), np.take_along_axis(weight, order, axis=1)
    share = (np.cumsum(weight, axis=1) - weight / 2) / weight.sum(axis=1, keepdims=True)
    below: Integers = np.clip(np.count_nonzero(share < 0.5, axis=1) - 1, 0, ratio.shape[1] - 2)[:, None]
    (a, b), (s, t) = (
        [np.take_along_axis(of, at, axis=1)[:, 0] for at in (below, below + 1)] for of in (ratio, share)
    )
    found: Floats = a + (b - a) * np.clip((0.5 - s) / (t - s), 0.0, 1.0)
    return found


def _i_squared(x: Floats, x_se: Floats) -> float:
    """How much of the spread of (k,) exposure effects is no error; NaN of one."""
    if len(x) < 2:
        return float("nan")
    weight = 1 / x_se**2
    q = float(weight @ (x - weight @ x / weight.sum()) ** 2)
    return max(0.0, 1 - (len(x) - 1) / q) if q > 0 else 0.0
