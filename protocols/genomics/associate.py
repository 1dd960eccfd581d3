"""Mass-univariate association: every feature with every outcome, confounders taken out. Exact.

Linear: one round for all tests. Coefficient, standard error and p-value of `outcome ~ confounders + feature`
follow from the correlations that the confounders leave (Frisch-Waugh). Only products of a feature with an
outcome leave a site, never of two features or of two outcomes. Logistic: all models evaluated in one message
a round, 8 rounds at most if not asked otherwise.

People without one of the variables are left out. A feature or outcome that does not vary, is rare, or follows
from the confounders is not tested, and named.

Reference: R `lm`, `glm(family = binomial)` and `p.adjust`; Shabalin, Bioinformatics 28 (2012) 1353.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy import stats

from protocols.core.disclosure import Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Curve, Curves, Figure, NoFigure
from protocols.core.protocol import Arrays, Ask, Coordination, FederatedProtocol, Result, Spec, ask, site_step
from protocols.core.site_step import NEVER, Times
from protocols.core.table import AnalysisTable, Floats, Mask
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.moments import (
    COLUMN_MOMENTS,
    GATHERED,
    Intercepts,
    Moments,
    column_moments,
    complete_rows,
    gather,
)
from protocols.genomics import many_logistic
from protocols.genomics.confounding import Unconfounded, unconfounded
from protocols.genomics.multiple_testing import benjamini_hochberg, benjamini_yekutieli, bonferroni
from protocols.results.figures import MOST_OUTCOMES, MOST_POINTS, floats

FEWEST_DF = 10
"""Residual degrees of freedom below which nothing is tested."""

_MOST_DERIVATIVES = 5_000_000  # a message of 80 MB, masked


class AssociateSpec(Spec):
    """Which features with which outcomes.

    Attributes:
        features: numeric variables, each tested on its own.
        outcomes: numeric variables; 0/1 variables for logistic models.
        confounders: numeric variables in every model.
        intercepts: one for all, or one for each site (linear alone).
        model: linear or logistic.
        max_rounds: of a logistic scan; odds ratios of thousands for a standard deviation may take more.
    """

    protocol: Literal["associate"] = "associate"
    features: tuple[Name, ...] = Field(min_length=1, max_length=5000)
    outcomes: tuple[Name, ...] = Field(min_length=1, max_length=5000)
    confounders: tuple[Name, ...] = Field(default=(), max_length=100)
    intercepts: Intercepts = "common"
    model: Literal["linear", "logistic"] = "linear"
    max_rounds: int = Field(default=8, ge=5, le=25)

    @model_validator(mode="after")
    def _is_possible(self) -> "AssociateSpec":
        names = self.variables()
        if len(set(names)) != len(names):
            raise ValueError("a variable is listed twice in features, outcomes and confounders")
        if self.model == "logistic" and self.intercepts == "site":
            raise ValueError("logistic models have a common intercept; use indicators as confounders")
        numbers = len(self.features) * len(self.outcomes) * (len(self.confounders) + 2) ** 2
        if self.model == "logistic" and numbers > _MOST_DERIVATIVES:
            raise ValueError("too many second derivatives for a message: use fewer models or confounders")
        return self

    def variables(self) -> tuple[str, ...]:
        return (*self.confounders, *self.features, *self.outcomes)


@dataclass(frozen=True)
class AssociateResult(Result):
    """Tests of f features with o outcomes; what was not tested is missing.

    Attributes:
        features: (f,) names; outcomes: (o,) names.
        beta, se, statistic, p: (f, o) coefficient of the feature (log odds ratio if logistic), its standard
            error, t (z if logistic) and two-sided p-value.
        p_bonferroni, q_bh, q_by: (f, o) adjusted for all tests (Bonferroni, Benjamini-Hochberg, -Yekutieli).
        tests: how many there are.
        df: residual degrees of freedom of t; 0 if logistic.
        aliased: confounders that are combinations of those before them.
        untested: feature or outcome -> why. not_converged: (feature, outcome) with no maximum in max_rounds,
            mostly since the outcome is separated.
        n: people with complete data; sites: that have any of them. evaluations: of the likelihoods.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="associate", features=["volume", "entropy"], outcomes=["age"])
    >>> found.summary()[["beta", "se", "q_bh"]].round(3)
                      beta     se   q_bh
    feature outcome
    entropy age      4.642  0.989  0.000
    volume  age      0.074  0.031  0.018
    """

    features: tuple[str, ...]
    outcomes: tuple[str, ...]
    beta: Floats
    se: Floats
    statistic: Floats
    p: Floats
    p_bonferroni: Floats
    q_bh: Floats
    q_by: Floats
    tests: int
    df: int
    aliased: tuple[str, ...]
    untested: Mapping[str, str]
    not_converged: tuple[tuple[str, str], ...]
    n: int
    sites: int
    evaluations: int

    def summary(self) -> pd.DataFrame:
        """One row per test, the smallest p-value first."""
        columns = ("beta", "se", "statistic", "p", "p_bonferroni", "q_bh", "q_by")
        frame = pd.DataFrame(
            {name: np.ravel(x) for name, x in self.named(*columns).items()},
            pd.MultiIndex.from_product([self.features, self.outcomes], names=["feature", "outcome"]),
        )
        return frame.dropna(subset="p").sort_values("p", kind="stable")

    def figure(self) -> Figure | NoFigure:
        """A volcano: effects against evidence, at most the `MOST_POINTS` smallest p-values."""
        known = np.isfinite(self.beta) & np.isfinite(self.p)
        if not known.any():
            return NoFigure("nothing could be tested")
        p = np.where(known, self.p, np.inf)
        drawn = known & (p <= np.sort(p, axis=None)[min(known.sum(), MOST_POINTS) - 1])
        curves = [self._points(outcome, drawn[:, [j]], [j]) for j, outcome in enumerate(self.outcomes)]
        if len(curves) > MOST_OUTCOMES:  # more than colours that are told apart
            curves = [self._points("", drawn, list(range(len(self.outcomes))))]
        line = -np.log10(0.05 / self.tests)
        ends = (float(self.beta[drawn].min()), float(self.beta[drawn].max()))
        curves.append(Curve("", ends, (line, line), marks="guide"))
        few = f" The {MOST_POINTS} smallest p-values are drawn." if known.sum() > MOST_POINTS else ""
        return Figure(
            (Curves("", Axis("effect per unit"), Axis("−log10 p", low=0.0), tuple(curves)),),
            f"{self.tests} tests; above the dashed line p is below 0.05 after Bonferroni's correction.{few}",
        )

    def _points(self, label: str, drawn: Mask, outcomes: list[int]) -> Curve:
        """The tests of some outcomes that are drawn."""
        beta, p = self.beta[:, outcomes][drawn], self.p[:, outcomes][drawn]
        strength = -np.log10(np.maximum(p, np.finfo(float).tiny))
        return Curve(label, floats(beta), floats(strength), marks="points")


class Associate(FederatedProtocol[AssociateSpec, AssociateResult]):
    """Which features are associated with which outcomes."""

    name = "associate"
    spec_type = AssociateSpec

    @site_step(
        COLUMN_MOMENTS,
        times=GATHERED,
        varies=("shift", "scale"),
        confounding=Moment("confounder", "confounder", what="sums of products of confounders"),
        confounded_features=Moment(
            "confounder", "feature", what="sums of products of a confounder and a feature"
        ),
        confounded_outcomes=Moment(
            "confounder", "outcome", what="sums of products of a confounder and an outcome"
        ),
        products=Moment("feature", "outcome", what="sums of products of a feature and an outcome"),
    )
    def moments(spec: AssociateSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """Sums and squares of all columns, less shift times scale, and products between their three kinds."""
        x = complete_rows(table, spec.variables())
        z, sums = column_moments(x, shift, scale, spec.intercepts)
        c, f, o = _split(spec, z)
        return {
            **sums,
            "confounding": c.T @ c,
            "confounded_features": c.T @ f,
            "confounded_outcomes": c.T @ o,
            "products": f.T @ o,
        }

    @site_step(
        times=lambda spec: Times(1, spec.max_rounds) if spec.model == "logistic" else NEVER,
        varies=("coef",),
        n=Count(),
        loglik=Moment("feature", "outcome", what="log-likelihoods"),
        score=Moment("feature", "outcome", "term", what="their first derivatives"),
        information=Moment("feature", "outcome", "term", "term", what="their second derivatives"),
    )
    def derivatives(
        spec: AssociateSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """The logistic likelihoods of all models and their derivatives, columns less shift times scale."""
        x = complete_rows(table, spec.variables())
        c, f, o = _split(spec, x)
        width = len(spec.confounders)
        c = np.column_stack([np.ones(len(x)), (c - shift[:width]) * scale[:width]])
        f = (f - shift[width:]) * scale[width:]
        return {"n": np.array(len(x)), **many_logistic.derivatives(c, f, o, coef)}

    def axes(self, spec: AssociateSpec) -> dict[str, int]:
        return {
            "column": len(spec.variables()),
            "confounder": len(spec.confounders),
            "feature": len(spec.features),
            "outcome": len(spec.outcomes),
            "term": len(spec.confounders) + 2,
        }

    def coordinate(self, spec: AssociateSpec) -> Coordination[AssociateResult]:
        moments = yield from gather(spec.variables())
        left = unconfounded(moments, spec.confounders, spec.features, spec.outcomes)
        if spec.model == "linear":
            return _linear(spec, moments, left)
        return (yield from _logistic(spec, moments, left))

    def method(self, spec: AssociateSpec) -> str:
        kind = "logistic" if spec.model == "logistic" else "linear"
        beside = f", adjusted for {listed(spec.confounders)}" if spec.confounders else ""
        sites = " and an intercept for each hospital" if spec.intercepts == "site" else ""
        return (
            f"Each of {len(spec.features)} features was tested with each of {listed(spec.outcomes)} by "
            f"{kind} regression{beside}{sites}. P-values were adjusted for all tests (Bonferroni; "
            "Benjamini & Hochberg 1995; Benjamini & Yekutieli 2001)."
        )

    def about(self, spec: AssociateSpec) -> str:
        return (
            f"{spec.model.capitalize()} tests of {len(spec.features)} features with {len(spec.outcomes)} "
            f"outcomes, each on its own, given {', '.join(spec.confounders) or 'nothing'}."
        )


def _split(spec: AssociateSpec, x: Floats) -> tuple[Floats, Floats, Floats]:
    """The confounders, features and outcomes among the columns."""
    c, f = len(spec.confounders), len(spec.features)
    return x[:, :c], x[:, c : c + f], x[:, c + f :]


def _linear(spec: AssociateSpec, moments: Moments, left: Unconfounded) -> AssociateResult:
    df = moments.n - len(left.kept) - 1 - (1 if spec.intercepts == "common" else moments.sites)
    if df < FEWEST_DF:
        raise StudyError(
            Code.WITHHELD,
            f"{df} residual degrees of freedom are left; the rule is at least {FEWEST_DF}",
            "use fewer confounders, or include more people",
        )
    norm_x, norm_y = _norms(spec, moments)
    x, y = (np.where(share > 0, share, np.nan) for share in (left.x_left, left.y_left))
    slope = left.product / x[:, None]  # standardized
    rest = np.maximum(y - slope * left.product, 0.0)
    scale = norm_y / norm_x[:, None]
    se = np.sqrt(rest / df / x[:, None]) * scale
    return result(
        spec,
        slope * scale,
        se,
        df=df,
        people=(moments.n, moments.sites),
        aliased=left.aliased,
        untested=left.untested,
    )


def _norms(spec: AssociateSpec, moments: Moments) -> tuple[Floats, Floats]:
    """The (f,) and (o,) norms about the mean; missing for a column that does not vary."""
    norm = np.where(moments.norm > 0, moments.norm, np.nan)
    c, f = len(spec.confounders), len(spec.features)
    return norm[c : c + f], norm[c + f :]


def _logistic(spec: AssociateSpec, moments: Moments, left: Unconfounded) -> Coordination[AssociateResult]:
    c, f = len(spec.confounders), len(spec.features)
    ones = moments.n - moments.total["not_one"][c + f :]
    if (ones + moments.n - moments.total["not_zero"][c + f :] != moments.n).any():
        raise StudyError(
            Code.INVALID_STUDY,
            f"values other than 0 and 1 in an outcome of a logistic model: {', '.join(spec.outcomes[:20])}",
            "use 0/1 outcomes, or `model: linear`",
        )
    tested = (left.x_left > 0)[:, None] & (left.y_left > 0)
    share = np.where(left.y_left > 0, ones / moments.n, 0.5)
    shift, sd = moments.mean[: c + f], moments.norm[: c + f] / np.sqrt(moments.n)
    scale = 1 / np.where(sd > 0, sd, 1.0)

    def evaluate(coef: Floats) -> Ask:
        return ask("derivatives", coef=coef, shift=shift, scale=scale)

    start = np.where(tested[..., None], left.discriminants(share), np.nan)
    null = np.zeros(start.shape)
    null[..., 0] = np.log(share / (1 - share))
    null_loglik = moments.n * (share * np.log(share) + (1 - share) * np.log1p(-share))
    kept = [0, *(1 + j for j in left.kept), c + 1]
    fits = yield from many_logistic.maximise(
        start,
        (null, np.broadcast_to(null_loglik, tested.shape)),
        evaluate,
        kept,
        spec.max_rounds - moments.rounds,
    )
    lost = tested & np.isnan(fits.variance)
    return result(
        spec,
        fits.coef[..., -1] * scale[c:, None],
        np.sqrt(fits.variance) * scale[c:, None],
        df=0,
        people=(moments.n, moments.sites),
        aliased=left.aliased,
        untested=left.untested,
        not_converged=tuple((spec.features[i], spec.outcomes[k]) for i, k in np.argwhere(lost)),
        evaluations=fits.evaluations,
    )


def result(
    spec: AssociateSpec,
    beta: Floats,
    se: Floats,
    *,
    df: int,
    people: tuple[int, int],
    aliased: tuple[str, ...] = (),
    untested: Mapping[str, str] | None = None,
    not_converged: tuple[tuple[str, str], ...] = (),
    evaluations: int = 0,
) -> AssociateResult:
    """The result of coefficients and standard errors, with p-values adjusted for all tests."""
    with np.errstate(divide="ignore"):
        statistic = beta / se
    p = 2 * (stats.t.sf(np.abs(statistic), df) if df else stats.norm.sf(np.abs(statistic)))
    return AssociateResult(
        features=spec.features,
        outcomes=spec.outcomes,
        beta=beta,
        se=se,
        statistic=statistic,
        p=p,
        p_bonferroni=bonferroni(p),
        q_bh=benjamini_hochberg(p),
        q_by=benjamini_yekutieli(p),
        tests=int(np.count_nonzero(~np.isnan(p))),
        df=df,
        aliased=aliased,
        untested=untested or {},
        not_converged=not_converged,
        n=people[0],
        sites=people[1],
        evaluations=evaluations,
    )
