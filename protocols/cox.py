"""Cox's proportional hazards model, stratified by site: each hospital keeps its own baseline hazard.

Exact: the partial likelihood of a stratified model is a sum over strata, so log-likelihood, score and
information are sums over sites, and no event time leaves a hospital. Ties after Efron or Breslow.

Reference: Therneau & Grambsch, Modeling Survival Data (2000), ch. 3; R `coxph(... + strata(site))`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field
from scipy import stats

from protocols.core.disclosure import Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.newton import Point, covariate_moments, location_and_scale, maximise
from protocols.core.protocol import Arrays, Ask, Coordination, FederatedProtocol, Result, Spec, ask, site_step
from protocols.core.table import AnalysisTable, Floats, Mask
from protocols.core.variables import Name


class CoxSpec(Spec):
    """A survival outcome on covariates.

    Attributes:
        outcome: a survival variable; its columns are `outcome.time` and `outcome.event`.
        covariates: numeric variables, complete cases are used.
        ties: how tied event times are counted.
        level: of the confidence intervals.
    """

    protocol: Literal["cox"] = "cox"
    outcome: Name
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=500)
    ties: Literal["efron", "breslow"] = "efron"
    level: float = Field(default=0.95, gt=0, lt=1)

    def variables(self) -> tuple[str, ...]:
        return (self.outcome, *self.covariates)

    def columns(self) -> tuple[str, ...]:
        """The table's columns that must be known of a person."""
        return (f"{self.outcome}.time", f"{self.outcome}.event", *self.covariates)


@dataclass(frozen=True)
class CoxResult(Result):
    """Log hazard ratios of a site-stratified Cox model.

    Attributes:
        terms: (p,) covariates.
        coef, se, z, p: (p,) log hazard ratio, its standard error, Wald statistic and two-sided p-value.
        hazard_ratio, lower, upper: (p,) exp(coef) and its confidence interval at `level`.
        covariance: (p, p) of coef.
        loglik_null, loglik: log partial likelihood at 0 and at coef.
        likelihood_ratio_p: of the model against none, chi-square with p degrees of freedom.
        n, n_events: people and events with complete data.
        evaluations: of the likelihood, one a round.
    """

    terms: tuple[str, ...]
    coef: Floats
    se: Floats
    z: Floats
    p: Floats
    hazard_ratio: Floats
    lower: Floats
    upper: Floats
    covariance: Floats
    loglik_null: float
    loglik: float
    likelihood_ratio_p: float
    n: int
    n_events: int
    ties: str
    level: float
    evaluations: int

    def summary(self) -> pd.DataFrame:
        columns = ("coef", "se", "z", "p", "hazard_ratio", "lower", "upper")
        return pd.DataFrame({name: getattr(self, name) for name in columns}, index=list(self.terms))


class Cox(FederatedProtocol[CoxSpec, CoxResult]):
    """Hazard ratios of covariates on a survival outcome."""

    name = "cox"
    spec_type = CoxSpec

    @site_step(n=Count(), sum=Moment("covariate"), square=Moment("covariate"))
    def moments(spec: CoxSpec, table: AnalysisTable) -> Arrays:
        """The sums and sums of squares of the covariates: they standardize, and cancel in the result."""
        return covariate_moments(table.complete(spec.columns()), spec.covariates)

    @site_step(
        n=Count(),
        n_events=Count(of="n"),
        loglik=Moment(),
        score=Moment("covariate"),
        information=Moment("covariate", "covariate"),
    )
    def derivatives(spec: CoxSpec, table: AnalysisTable, coef: Floats, scale: Floats) -> Arrays:
        """This hospital's log partial likelihood and its derivatives at `coef`, covariates over `scale`."""
        table = table.complete(spec.columns())
        event = table.column(f"{spec.outcome}.event") == 1
        x = table.matrix(spec.covariates)
        if len(x):
            x = (x - x.mean(axis=0)) / scale  # a shift within a stratum changes nothing
        loglik, score, information = partial_likelihood(
            x, table.column(f"{spec.outcome}.time"), event, coef, spec.ties
        )
        return {
            "n": np.array(len(table)),
            "n_events": np.array(event.sum()),
            "loglik": np.array(loglik),
            "score": score,
            "information": information,
        }

    def axes(self, spec: CoxSpec) -> dict[str, int]:
        return {"covariate": len(spec.covariates)}

    def coordinate(self, spec: CoxSpec) -> Coordination[CoxResult]:
        zero, one = np.zeros(len(spec.covariates)), np.ones(len(spec.covariates))
        moments, null = yield ask("moments"), ask("derivatives", coef=zero, scale=one)
        if not null["n_events"]:
            raise StudyError(Code.SEPARATION, f"nobody with complete data has an event of {spec.outcome}")
        _, scale = location_and_scale(moments, spec.covariates)

        def evaluate(coef: Floats) -> Ask:
            return ask("derivatives", coef=coef, scale=scale)

        start = Point.of(zero, null).in_basis(np.diag(1 / scale))
        found = yield from maximise(start, evaluate, spec.covariates)
        covariance = found.point.covariance() / np.outer(scale, scale)
        return result(
            spec,
            found.coef / scale,
            covariance,
            loglik=(start.loglik, found.point.loglik),
            people=(int(null["n"]), int(null["n_events"])),
            evaluations=found.evaluations + 1,
        )

    def pooled(self, spec: CoxSpec, tables: Sequence[AnalysisTable]) -> CoxResult:
        """The fit of statsmodels' PHReg, its derivatives iterated to machine precision."""
        from statsmodels.duration.hazard_regression import PHReg  # a test's library, not a site's

        complete = [table.complete(spec.columns()) for table in tables]
        x = np.concatenate([t.matrix(spec.covariates) for t in complete])
        scale = x.std(axis=0)
        model = PHReg(
            np.concatenate([t.column(f"{spec.outcome}.time") for t in complete]),
            (x - x.mean(axis=0)) / scale,
            status=np.concatenate([t.column(f"{spec.outcome}.event") for t in complete]),
            strata=np.repeat(np.arange(len(complete)), [len(t) for t in complete]),
            ties=spec.ties,
        )
        coef = np.zeros(len(scale))
        for _ in range(15):
            coef = coef - np.linalg.solve(model.hessian(coef), model.score(coef))
        n_events = sum(int(t.column(f"{spec.outcome}.event").sum()) for t in complete)
        return result(
            spec,
            coef / scale,
            np.linalg.inv(-model.hessian(coef)) / np.outer(scale, scale),
            loglik=(float(model.loglike(0 * coef)), float(model.loglike(coef))),
            people=(len(x), n_events),
            evaluations=0,
        )

    def describe(self, spec: CoxSpec) -> Sequence[str]:
        p = len(spec.covariates)
        return (
            f"Cox regression of {spec.outcome} on {', '.join(spec.covariates)}, stratified by site.",
            "Leaves in a sum over sites, once: the number of people, the sums and sums of squares of the "
            f"{p} covariates.",
            "Leaves in a sum over sites, about 7 times: the numbers of people and of events, the log partial "
            f"likelihood, its {p} first and {p} x {p} second derivatives. No event time leaves.",
        )


def partial_likelihood(
    x: Floats, time: Floats, event: Mask, coef: Floats, ties: str
) -> tuple[float, Floats, Floats]:
    """The log partial likelihood of one stratum, its score (p,) and information (p, p).

    Risk sets are sums from the longest time down. Second moments of risk sets are never formed:
    with h the people's cumulative hazard increments, information = X'diag(h)X - sum over deaths of
    the risk set's mean times its transpose.

    Args:
        x: (n, p) covariates, roughly centred.
        time: (n,).
        event: (n,) true where the time ended in an event.
        coef: (p,).
        ties: "efron" or "breslow".
    """
    p = x.shape[1]
    if not event.any():
        return 0.0, np.zeros(p), np.zeros((p, p))
    order = np.argsort(-time, kind="stable")
    x, time, event = x[order], time[order], event[order]
    eta = x @ coef
    eta = np.maximum(eta - eta.max(), -700.0)  # a shift cancels; the floor keeps far steps finite
    w = np.exp(eta)

    dead_at, first, group, deaths = np.unique(
        -time[event], return_index=True, return_inverse=True, return_counts=True
    )
    at_risk = np.searchsorted(-time, dead_at, side="right")  # the first at_risk people of the order
    dead_w, dead_x = w[event], x[event]
    d0 = np.add.reduceat(dead_w, first)
    d1 = np.add.reduceat(dead_w[:, None] * dead_x, first)
    share = (
        (np.arange(len(group)) - first[group]) / deaths[group] if ties == "efron" else np.zeros(len(group))
    )

    # One row a death: S0 and S1 of its risk set, less the share of those that died with it.
    s0 = np.cumsum(w)[at_risk - 1][group] - share * d0[group]
    s1 = np.cumsum(w[:, None] * x, axis=0)[at_risk - 1][group] - share[:, None] * d1[group]
    mean = s1 / s0[:, None]

    loglik = float(eta[event].sum() - np.log(s0).sum())
    score = dead_x.sum(axis=0) - mean.sum(axis=0)
    hazard = np.bincount(group, 1 / s0)  # at each event time, from the last to the first
    cumulative = np.append(np.cumsum(hazard[::-1])[::-1], 0.0)  # all at this time or earlier
    h = w * cumulative[np.searchsorted(dead_at, -time, side="left")]
    h[event] -= dead_w * np.bincount(group, share / s0)[group]
    information = (x * h[:, None]).T @ x - mean.T @ mean
    return loglik, score, information


def result(
    spec: CoxSpec,
    coef: Floats,
    covariance: Floats,
    *,
    loglik: tuple[float, float],
    people: tuple[int, int],
    evaluations: int,
) -> CoxResult:
    """The result of coefficients and their covariance, with Wald statistics and intervals."""
    se = np.sqrt(np.diag(covariance))
    half = stats.norm.ppf((1 + spec.level) / 2) * se
    with np.errstate(over="ignore"):  # without information the interval is (0, inf)
        ratio, lower, upper = np.exp(coef), np.exp(coef - half), np.exp(coef + half)
    return CoxResult(
        terms=spec.covariates,
        coef=coef,
        se=se,
        z=coef / se,
        p=2 * stats.norm.sf(np.abs(coef / se)),
        hazard_ratio=ratio,
        lower=lower,
        upper=upper,
        covariance=covariance,
        loglik_null=loglik[0],
        loglik=loglik[1],
        likelihood_ratio_p=float(stats.chi2.sf(2 * (loglik[1] - loglik[0]), len(coef))),
        n=people[0],
        n_events=people[1],
        ties=spec.ties,
        level=spec.level,
        evaluations=evaluations,
    )
