"""Linear mixed model with a random intercept for each site, by REML or maximum likelihood. Exact, two rounds.

Its likelihood needs each site's own moments: they leave every site in the clear, by design, and a site with
fewer people than its floor, or with too few for so many covariates, is left out and named. Where that is not
needed, `linear` with `intercepts: site` needs sums alone.

With V = I + r J within a site (r the ratio of variances, J all ones), X'V^-1 X is X'X less r / (1 + n r)
times the outer product of column sums; so one number is searched, at the coordinator.

Reference: Laird & Ware, Biometrics 38 (1982) 963; Luo et al., Nat Commun 13 (2022) 1678 (DLMM); R
`lme4::lmer(y ~ x + (1 | site))`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy.optimize import brentq

from protocols.core.disclosure import Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, ask, site_step
from protocols.core.roles import Predicts, Regression
from protocols.core.table import AnalysisTable, Floats
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.newton import check_rank
from protocols.estimation.wald import wald
from protocols.results.figures import estimates, term_rows
from protocols.results.numerals import shown

INTERCEPT = "(Intercept)"

_FEWEST_SITES = 3
_LARGEST_RATIO = 1e6


class MixedSpec(Predicts):
    """A numeric outcome on covariates, each site with its own level.

    Attributes:
        outcome: a numeric variable.
        covariates: numeric variables, complete cases are used.
        method: reml, unbiased for the variances; ml, for comparing models of other covariates.
        level: of the confidence intervals.
    """

    protocol: Literal["mixed"] = "mixed"
    outcome: Name
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=200)
    method: Literal["reml", "ml"] = "reml"
    level: float = Field(default=0.95, gt=0, lt=1)

    def variables(self) -> tuple[str, ...]:
        return (*self.covariates, self.outcome)

    def predictors(self) -> tuple[str, ...]:
        return self.covariates

    def terms(self) -> tuple[str, ...]:
        """The names of the fixed effects."""
        return (INTERCEPT, *self.covariates)


@dataclass(frozen=True)
class MixedResult(Regression):
    """Fixed effects, variances, and the sites' levels.

    Attributes:
        terms: (p,) "(Intercept)" and the covariates.
        coef, se, z, p: (p,) fixed effect, standard error, Wald statistic and its two-sided normal p-value,
            which is too small with few sites (as for any such model).
        lower, upper: (p,) confidence interval at `level`.
        covariance: (p, p) of coef.
        sigma: residual standard deviation; site_sd: that of the sites' levels.
        icc: share of the variance that is between sites.
        loglik: restricted log-likelihood with reml, else the log-likelihood.
        site_effects: site -> its level less the mean (best linear unbiased prediction).
        n: people; withheld: site -> why it takes no part.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="mixed", outcome="entropy", covariates=["idh1"])
    >>> found.summary()[["coef", "se", "lower", "upper"]].round(2)
                 coef    se  lower  upper
    (Intercept)  4.81  0.09   4.64   4.99
    idh1        -0.66  0.06  -0.78  -0.53
    """

    terms: tuple[str, ...]
    coef: Floats
    se: Floats
    z: Floats
    p: Floats
    lower: Floats
    upper: Floats
    covariance: Floats
    sigma: float
    site_sd: float
    icc: float
    loglik: float
    site_effects: Mapping[str, float]
    n: int
    withheld: Mapping[str, Code]

    def summary(self) -> pd.DataFrame:
        return self.table(self.terms, "coef", "se", "z", "p", "lower", "upper")

    def figure(self) -> Figure:
        rows = term_rows(self.terms, self.terms, self.coef, self.lower, self.upper)
        levels = tuple(Bar(site, effect, shown(effect)) for site, effect in sorted(self.site_effects.items()))
        sites = Bars("Hospitals", Axis("difference from the mean of hospitals"), levels)
        effects = (estimates(rows, "coefficient", title="Fixed effects"),) if rows else ()
        return Figure(
            (*effects, sites),
            f"Fixed effects of {self.n} people with their intervals; {self.icc:.0%} of the variance that is "
            "left lies between hospitals.",
        )

    def predict(self, x: Floats, site: str | None = None) -> Floats:
        """The (n,) outcomes expected of (n, p) covariates at a site; at one that is not known, its mean."""
        level = self.site_effects.get(site, 0.0) if site else 0.0
        expected: Floats = self.coef[0] + x @ self.coef[1:] + level
        return expected


@dataclass(frozen=True)
class _Sites:
    """Moments of S sites about a common location: products (S, k, k) of columns 1, x, y; the first is n."""

    products: Floats

    @property
    def n(self) -> Floats:
        """(S,) people."""
        people: Floats = self.products[:, 0, 0]
        return people

    def total(self, ratio: float) -> Floats:
        """The (k, k) sums over sites of Z'V^-1 Z."""
        return self._weighted(ratio / (1 + self.n * ratio), self.products)

    def slope(self, ratio: float) -> Floats:
        """Its derivative by the ratio."""
        return self._weighted((1 + self.n * ratio) ** -2.0, np.zeros_like(self.products))

    def _weighted(self, weight: Floats, products: Floats) -> Floats:
        sums = self.products[:, 0]
        total: Floats = (products - weight[:, None, None] * sums[:, :, None] * sums[:, None, :]).sum(axis=0)
        return total


class Mixed(FederatedProtocol[MixedSpec, MixedResult]):
    """Effects of covariates on a number, sites differing by a random level."""

    name = "mixed"
    spec_type = MixedSpec

    @site_step(n=Count(), sum=Moment("column", what="sums"), square=Moment("column", what="sums of squares"))
    def location(spec: MixedSpec, table: AnalysisTable) -> Arrays:
        """Sums and squares of the columns, in a sum over sites: a common origin, so that no digits cancel."""
        z = table.complete(spec.variables()).matrix(spec.variables())
        return {"n": np.array(len(z)), "sum": z.sum(axis=0), "square": (z**2).sum(axis=0)}

    @site_step(
        clear=True,
        summed=False,
        n=Count(),
        sum=Moment("column", what="sums"),
        products=Moment("column", "column", what="sums of products"),
    )
    def moments(spec: MixedSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """This site's sums and products of covariates and outcome, less shift over scale, for the clear."""
        z = (table.complete(spec.variables()).matrix(spec.variables()) - shift) / scale
        return {"n": np.array(len(z)), "sum": z.sum(axis=0), "products": z.T @ z}

    def axes(self, spec: MixedSpec) -> dict[str, int]:
        return {"column": len(spec.variables())}

    def coordinate(self, spec: MixedSpec) -> Coordination[MixedResult]:
        total = yield ask("location")
        shift = total["sum"] / total["n"]
        variance = total["square"] / total["n"] - shift**2
        still = variance <= 1e-13 * total["square"] / total["n"]
        if still.any():
            names = ", ".join(v for v, s in zip(spec.variables(), still, strict=True) if s)
            raise StudyError(Code.RANK_DEFICIENT, f"does not vary over all sites: {names}", "remove it")
        scale = np.sqrt(variance)
        answers = yield ask("moments", per_site=True, shift=shift, scale=scale)
        shown = {site: a for site, a in answers.answers.items() if np.isfinite(a["products"]).all()}
        withheld = dict.fromkeys(answers.answers.keys() - shown.keys(), Code.WITHHELD)
        if len(shown) < _FEWEST_SITES:
            raise StudyError(
                Code.TOO_FEW_SITES,
                f"{len(shown)} sites show their moments; the variance between sites needs {_FEWEST_SITES}",
                "use `linear` with `intercepts: site`, or fewer covariates",
            )
        return _fitted(spec, shown, shift, scale, {**answers.withheld, **withheld})

    def estimator(self, spec: MixedSpec, result: MixedResult) -> Any:
        """A LinearRegression that predicts at a site of mean level."""
        from protocols.results import estimators  # scikit-learn loads with it

        return estimators.linear_regression(spec.covariates, result.coef)

    def method(self, spec: MixedSpec) -> str:
        kind = "restricted maximum likelihood" if spec.method == "reml" else "maximum likelihood"
        return (
            f"Linear mixed model of {spec.outcome} on {listed(spec.covariates)} with a random intercept "
            f"for each hospital (Laird & Ware 1982), by {kind}."
        )

    def about(self, spec: MixedSpec) -> str:
        return (
            f"Linear mixed model of {spec.outcome} on {', '.join(spec.covariates)}, a random level per site."
        )

    def notes(self, spec: MixedSpec) -> Sequence[str]:
        return ["This site's means, variances and correlations can be read from what leaves in the clear."]


def _fitted(
    spec: MixedSpec,
    shown: Mapping[str, Arrays],
    shift: Floats,
    scale: Floats,
    withheld: Mapping[str, Code],
) -> MixedResult:
    sites = sorted(shown)
    k = len(spec.variables()) + 1
    products = np.empty((len(sites), k, k))
    for s, site in enumerate(sites):
        arrays = shown[site]
        products[s, 0, 0] = float(arrays["n"])
        products[s, 0, 1:] = products[s, 1:, 0] = arrays["sum"]
        products[s, 1:, 1:] = arrays["products"]
    moments = _Sites(products)
    n, p = int(moments.n.sum()), k - 1
    check_rank(moments.total(0.0)[:p, :p], spec.terms())
    df = n - (p if spec.method == "reml" else 0)

    def score(ratio: float) -> float:
        """Twice the derivative of the profiled log-likelihood by the ratio of variances."""
        A, dA = moments.total(ratio), moments.slope(ratio)
        coef = np.linalg.solve(A[:p, :p], A[:p, p])
        residual = np.append(-coef, 1.0)
        trace = (moments.n / (1 + moments.n * ratio)).sum()
        if spec.method == "reml":
            trace += np.trace(np.linalg.solve(A[:p, :p], dA[:p, :p]))
        return float(-trace - df * (residual @ dA @ residual) / (residual @ A @ residual))

    ratio = _root(score)
    A = moments.total(ratio)
    info = A[:p, :p]
    coef = np.linalg.solve(info, A[:p, p])
    rss = float(A[p, p] - coef @ A[:p, p])
    sigma2 = rss / df
    loglik = -0.5 * (df * np.log(2 * np.pi * sigma2) + df + np.log1p(moments.n * ratio).sum())
    if spec.method == "reml":
        loglik -= 0.5 * float(np.linalg.slogdet(info)[1])
    residual_sums = products[:, 0, p] - products[:, 0, :p] @ coef
    effects = ratio * residual_sums / (1 + moments.n * ratio) * scale[-1]
    basis = np.diag(np.append(1.0, 1 / scale[:-1])) * scale[-1]
    basis[0, 1:] = -shift[:-1] / scale[:-1] * scale[-1]
    original = basis @ coef
    original[0] += shift[-1]
    return result(
        spec,
        original,
        basis @ np.linalg.inv(info) @ basis.T * sigma2,
        variances=(sigma2 * scale[-1] ** 2, ratio * sigma2 * scale[-1] ** 2),
        loglik=float(loglik) - df * float(np.log(scale[-1])) - _jacobian(spec, scale),
        effects=dict(zip(sites, effects.tolist(), strict=True)),
        n=n,
        withheld=withheld,
    )


def _jacobian(spec: MixedSpec, scale: Floats) -> float:
    """What the scale of the covariates adds to a restricted likelihood, which depends on it."""
    return float(np.log(scale[:-1]).sum()) if spec.method == "reml" else 0.0


def _root(score: Callable[[float], float]) -> float:
    """The ratio of variances where the score vanishes; 0 where the likelihood falls from there on."""
    if score(0.0) <= 0:
        return 0.0
    upper = 1.0
    while score(upper) > 0 and upper < _LARGEST_RATIO:
        upper *= 4
    if upper >= _LARGEST_RATIO:
        raise StudyError(Code.NOT_CONVERGED, "sites differ so much that their variance has no maximum")
    return float(brentq(score, 0.0, upper, xtol=1e-15, rtol=1e-14))


def result(
    spec: MixedSpec,
    coef: Floats,
    covariance: Floats,
    *,
    variances: tuple[float, float],
    loglik: float,
    effects: Mapping[str, float],
    n: int,
    withheld: Mapping[str, Code],
) -> MixedResult:
    """The result of fixed effects and their covariance, with Wald statistics and intervals."""
    tested = wald(coef, covariance, spec.level)
    residual, between = variances
    return MixedResult(
        terms=spec.terms(),
        coef=coef,
        se=tested.se,
        z=tested.z,
        p=tested.p,
        lower=tested.lower,
        upper=tested.upper,
        covariance=covariance,
        sigma=float(np.sqrt(residual)),
        site_sd=float(np.sqrt(between)),
        icc=between / (between + residual),
        loglik=loglik,
        site_effects=effects,
        n=n,
        withheld=withheld,
    )
