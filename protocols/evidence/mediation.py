"""Mediation: how much of an effect goes through an image feature, and how fragile that answer is. Exact.

A mutation changes a feature, and the feature goes with an outcome. With a the effect of the exposure on the
mediator, and b that of the mediator on the outcome beside the exposure, a b is the effect that goes through
the mediator; the direct effect is what is left of the total. All of these are functions of second moments, so
that one round of sums gives what a regression on all rows gives.

The interval of a b is that of a product of two normal variables, which is not symmetric; Sobel's and Aroian's
errors are those of the delta method, to the first and the second order.

That a b is an effect *through* the mediator rests on nothing unmeasured moving mediator and outcome. This
cannot be tested, so the result says how strong that would have to be: rho is the correlation of what is left
of both. At each rho the effect through the mediator is known in closed form; `rho_at_zero` is where nothing
of it is left, and `bounds` is what remains possible up to a rho.

Reference: MacKinnon, Introduction to Statistical Mediation Analysis (2008); Sobel, Sociol Methodol 13 (1982)
290; Aroian, Ann Math Stat 18 (1947) 265; Imai, Keele & Yamamoto, Stat Sci 25 (2010) 51 (theorem 4); R
`mediation`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy import stats
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import brentq

from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Curve, Curves, Figure
from protocols.core.protocol import Coordination, FederatedProtocol, Result, Spec
from protocols.core.table import Floats
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.moments import (
    Intercepts,
    gather,
    products_of_columns,
)
from protocols.estimation.newton import aliased
from protocols.estimation.wald import from_errors
from protocols.regression.linear import FEWEST_DF
from protocols.results.figures import estimate, estimates

EFFECTS = ("indirect", "direct", "total")

_QUANTILES = 5_001  # of a normal variable, over which the distribution of a product is a mean
_RHO = np.linspace(-0.9, 0.9, 37)


class MediationSpec(Spec):
    """An exposure, what it may act through, and what it may act on.

    Attributes:
        exposure, mediator, outcome: numeric variables; the exposure may be 0/1.
        covariates: taken out of all three, complete cases are used.
        intercepts: one for all, or one for each site.
        level: of the confidence intervals.
    """

    protocol: Literal["mediation"] = "mediation"
    exposure: Name
    mediator: Name
    outcome: Name
    covariates: tuple[Name, ...] = Field(default=(), max_length=200)
    intercepts: Intercepts = "common"
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _names_differ(self) -> "MediationSpec":
        if len(set(self.variables())) != len(self.variables()):
            raise ValueError("a variable is listed twice")
        return self

    def variables(self) -> tuple[str, ...]:
        return (*self.covariates, self.exposure, self.mediator, self.outcome)

    def numbers_published(self, columns: int) -> int:
        return 9  # four effects with their errors, and a correlation


@dataclass(frozen=True)
class MediationResult(Result):
    """What an exposure does through a mediator, and beside it.

    Attributes:
        exposure, mediator, outcome: their names.
        a, b: the effect of the exposure on the mediator, and of the mediator on the outcome.
        a_se, b_se: their standard errors.
        effect, se, lower, upper, p: (3,) of EFFECTS: through the mediator (error by Sobel, interval and
            p-value of a product of two normal variables), beside it, and both together.
        aroian_se: the error of the first one to the second order.
        proportion: the share of the total that goes through the mediator; missing where the total may be 0.
        rho_at_zero: how correlated what is left of mediator and outcome would have to be, by something
            unmeasured, for nothing to go through the mediator.
        spread: the residual standard deviation of the outcome, without the mediator, over the mediator's.
        n: people with complete data; level: of the intervals.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(
    ...     protocol="mediation", exposure="idh1", mediator="volume", outcome="entropy", covariates=["age"]
    ... )
    >>> found.summary().round(3)
              effect     se  lower  upper    p
    indirect  -0.207  0.040 -0.291 -0.134  0.0
    direct    -0.460  0.072 -0.602 -0.319  0.0
    total     -0.667  0.074 -0.814 -0.521  0.0
    >>> round(found.rho_at_zero, 2)
    0.42
    """

    exposure: str
    mediator: str
    outcome: str
    a: float
    a_se: float
    b: float
    b_se: float
    effect: Floats
    se: Floats
    lower: Floats
    upper: Floats
    p: Floats
    aroian_se: float
    proportion: float
    rho_at_zero: float
    spread: float
    n: int
    level: float

    def summary(self) -> pd.DataFrame:
        return self.table(EFFECTS, "effect", "se", "lower", "upper", "p")

    def informative(self) -> int:
        return self.n

    def indirect_at(self, rho: Floats) -> Floats:
        """(r,) effects through the mediator if what is left of mediator and outcome were so correlated."""
        own = self.rho_at_zero
        found: Floats = self.a * self.spread * (own - rho * np.sqrt((1 - own**2) / (1 - rho**2)))
        return found

    def bounds(self, rho: float) -> tuple[float, float]:
        """The least and the largest effect through the mediator up to that correlation, 0 to 1."""
        low, high = np.sort(self.indirect_at(np.array([-rho, rho])))
        return float(low), float(high)

    def figure(self) -> Figure:
        rows = [
            estimate(name, numbers)
            for name, numbers in zip(
                (f"through {self.mediator}", "beside it", "total"),
                np.column_stack([self.effect, self.lower, self.upper]),
                strict=True,
            )
        ]
        effects = estimates(rows, f"effect of {self.exposure} on {self.outcome}")
        fragile = Curves(
            "If something unmeasured moves both",
            Axis("correlation of what is left of mediator and outcome"),
            Axis(f"effect through {self.mediator}"),
            (Curve("", tuple(_RHO.tolist()), tuple(self.indirect_at(_RHO).tolist())),),
        )
        share = "" if np.isnan(self.proportion) else f"; {self.proportion:.0%} of the total"
        return Figure(
            (effects, fragile),
            f"{self.n} people{share}. Nothing goes through {self.mediator} at a correlation of "
            f"{self.rho_at_zero:.2f}.",
        )


class Mediation(FederatedProtocol[MediationSpec, MediationResult]):
    """How much of an effect goes through a mediator."""

    name = "mediation"
    spec_type = MediationSpec

    moments = products_of_columns

    def axes(self, spec: MediationSpec) -> dict[str, int]:
        return {"column": len(spec.variables())}

    def coordinate(self, spec: MediationSpec) -> Coordination[MediationResult]:
        moments = yield from gather(spec.variables())
        moments.check()
        everything = range(len(spec.variables()))
        correlation = moments.correlation("products", everything, everything)
        means = 1 if spec.intercepts == "common" else moments.sites
        return result(spec, correlation, moments.norm, moments.n, means)

    def method(self, spec: MediationSpec) -> str:
        beside = f", {listed(spec.covariates)} taken out of all" if spec.covariates else ""
        return (
            f"The effect of {spec.exposure} on {spec.outcome} through {spec.mediator} is the product of two "
            f"regression coefficients{beside}, over people with complete data; its interval is that of a "
            "product of two normal variables (MacKinnon 2008), its sensitivity to an unmeasured common cause "
            "that of Imai, Keele & Yamamoto (2010)."
        )

    def about(self, spec: MediationSpec) -> str:
        return f"How much of what {spec.exposure} does to {spec.outcome} goes through {spec.mediator}."


def result(spec: MediationSpec, correlation: Floats, norm: Floats, n: int, means: int) -> MediationResult:
    """The result from the (k, k) correlations and (k,) norms of the spec's variables.

    Args:
        means: how many were taken out of each column.

    Raises:
        StudyError: rank-deficient; a variable follows from those before it. withheld; too few people.
    """
    names, k = spec.variables(), len(spec.variables())
    if lost := aliased(correlation):
        raise StudyError(
            Code.RANK_DEFICIENT, f"these follow from the others: {', '.join(names[j] for j in lost)}"
        )
    df = n - means - (k - 1)
    if df < FEWEST_DF:
        raise StudyError(
            Code.WITHHELD, f"{df} residual degrees of freedom are left; the rule is at least {FEWEST_DF}"
        )
    exposure, mediator, outcome = k - 3, k - 2, k - 1
    before, beside = [*range(mediator)], [*range(outcome)]
    alone = _least_squares(correlation, norm, before, mediator, df + 1)
    whole = _least_squares(correlation, norm, before, outcome, df + 1)
    parted = _least_squares(correlation, norm, beside, outcome, df)
    a, a_se = float(alone.coef[exposure]), float(alone.se[exposure])
    b, b_se = float(parted.coef[mediator]), float(parted.se[mediator])
    sobel = float(np.hypot(a * b_se, b * a_se))
    plain = from_errors(
        np.array([parted.coef[exposure], whole.coef[exposure]]),
        np.array([parted.se[exposure], whole.se[exposure]]),
        spec.level,
        np.array([df, df + 1.0]),
    )
    low, high, p = _of_product(a, a_se, b, b_se, spec.level)
    spread = float(np.sqrt(whole.variance / alone.variance))
    total = float(plain.coef[1])
    return MediationResult(
        exposure=spec.exposure,
        mediator=spec.mediator,
        outcome=spec.outcome,
        a=a,
        a_se=a_se,
        b=b,
        b_se=b_se,
        effect=np.append(a * b, plain.coef),
        se=np.append(sobel, plain.se),
        lower=np.append(low, plain.lower),
        upper=np.append(high, plain.upper),
        p=np.append(p, plain.p),
        aroian_se=float(np.hypot(sobel, a_se * b_se)),
        proportion=float("nan") if plain.lower[1] <= 0 <= plain.upper[1] else a * b / total,
        rho_at_zero=b / spread,
        spread=spread,
        n=n,
        level=spec.level,
    )


@dataclass(frozen=True)
class _LeastSquares:
    """(p,) coefficients with their standard errors, and the residual variance."""

    coef: Floats
    se: Floats
    variance: float


def _least_squares(correlation: Floats, norm: Floats, on: list[int], of: int, df: int) -> _LeastSquares:
    """One column on some others, by their places."""
    factor = cho_factor(correlation[np.ix_(on, on)])
    r = correlation[on, of]
    coef = cho_solve(factor, r)
    variance = float(norm[of] ** 2 * (1 - r @ coef) / df)
    inverse = np.diag(cho_solve(factor, np.eye(len(on))))
    return _LeastSquares(coef * norm[of] / norm[on], np.sqrt(variance * inverse) / norm[on], variance)


def _of_product(a: float, a_se: float, b: float, b_se: float, level: float) -> tuple[float, float, float]:
    """The interval of the product of two independent normal variables, and how surely it is not 0."""
    first = a + a_se * stats.norm.ppf((np.arange(_QUANTILES) + 0.5) / _QUANTILES)

    def share_below(x: float) -> float:
        with np.errstate(divide="ignore"):
            z = (x / first - b) / b_se
        return float(np.mean(stats.norm.cdf(np.where(first > 0, z, -z))))

    far = 10 * (abs(a) * b_se + abs(b) * a_se + a_se * b_se)
    low, high = (
        float(brentq(lambda x, at=at: share_below(x) - at, a * b - far, a * b + far))
        for at in ((1 - level) / 2, (1 + level) / 2)
    )
    up, other_up = stats.norm.sf(-a / a_se), stats.norm.sf(-b / b_se)
    down, other_down = stats.norm.cdf(-a / a_se), stats.norm.cdf(-b / b_se)
    negative, positive = up * other_down + down * other_up, up * other_up + down * other_down
    return low, high, float(min(1.0, 2 * min(negative, positive)))
