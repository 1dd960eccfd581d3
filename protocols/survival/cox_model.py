"""What is asked of a Cox model, and what is found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy import stats

from protocols.core.errors import Code, StudyError
from protocols.core.figure import Figure, NoFigure
from protocols.core.protocol import Arrays
from protocols.core.roles import Applicable, Estimates, PredictsSurvival, Role
from protocols.core.spec import WantedKind
from protocols.core.table import Floats
from protocols.core.variables import Name
from protocols.estimation.wald import wald
from protocols.results.figures import forest, interval_caption
from protocols.survival.life_table import Grid
from protocols.survival.proportional_hazards import ProportionalHazards, Transform

_MOST_SUMS = 1_000_000
"""Intervals times covariates of a shared baseline, of which a message has two sums each."""


class CoxSpec(PredictsSurvival, Estimates):
    """A survival outcome on covariates.

    Attributes:
        outcome: a survival variable; its columns are `outcome.time` and `outcome.event`.
        covariates: numeric variables, complete cases are used.
        ties: how tied event times are counted.
        level: of the confidence intervals.
        entry: a variable, the day from which a person was at risk (delayed entry).
        episodes: whether covariates change over the outcome's (start, stop] episodes.
        weight: a variable with positive case weights.
        strata: variables each of whose combinations has its own baseline hazard.
        stratify: by site, or not: then risk sets on the grid leave in a sum over sites.
        grid: of days, for `stratify: none`, for a baseline hazard, and for the transforms km and rank.
        penalty: of the elastic net on covariates in standard deviations (glmnet's lambda); 0 for no penalty.
        l1_ratio: of the penalty; 0 is ridge, 1 the lasso.
        robust: standard errors by score residuals of people (Lin & Wei).
        cluster: a label or variable, all of whose people at a site are one cluster; implies `robust`.
        proportional_hazards: the transform of time with which hazards are tested to be proportional.
    """

    protocol: Literal["cox"] = "cox"
    outcome: Name
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=500)
    ties: Literal["efron", "breslow"] = "efron"
    level: float = Field(default=0.95, gt=0, lt=1)
    entry: Name | None = None
    episodes: bool = False
    weight: Name | None = None
    strata: tuple[Name, ...] = Field(default=(), max_length=5)
    stratify: Literal["site", "none"] = "site"
    grid: Grid | None = None
    penalty: float = Field(default=0.0, ge=0)
    l1_ratio: float = Field(default=0.0, ge=0, le=1)
    robust: bool = False
    cluster: Name | None = None
    proportional_hazards: Transform | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "CoxSpec":
        if self.grid is None and (self.stratify == "none" or self.proportional_hazards in ("km", "rank")):
            raise ValueError("`stratify: none` and the transforms km and rank need a `grid`")
        if self.grid and self.stratify == "none" and self.grid.bins() * len(self.covariates) > _MOST_SUMS:
            raise ValueError("too many intervals for so many covariates: choose a wider step_days")
        if self.strata and self.stratify == "none":
            raise ValueError("`strata` needs `stratify: site`")
        if self.entry and self.episodes:
            raise ValueError("episodes have their own entry: leave out `entry`")
        if self.penalty and (self.is_robust() or self.proportional_hazards):
            raise ValueError("a penalized fit has no robust standard errors and no test of its hazards")
        return self

    def wanted(self) -> Mapping[str, WantedKind]:
        return {**dict.fromkeys(self.strata, "any"), self.outcome: "survival"}

    def variables(self) -> tuple[str, ...]:
        others = (self.entry, self.weight, self.cluster)
        named = (self.outcome, *self.covariates, *self.strata, *(name for name in others if name))
        return tuple(dict.fromkeys(named))

    def stands_on(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.outcome, *self.covariates, *self.strata)))

    def linear_in(self) -> tuple[str, ...]:
        return (self.outcome,)

    def outcome_name(self) -> str:
        return self.outcome

    def terms(self) -> tuple[str, ...]:
        return self.covariates

    def entry_name(self) -> str | None:
        return self.entry

    def edges(self) -> Floats:
        return self.grid.edges() if self.grid else np.zeros(1)

    def shortfall(self, role: type[Role]) -> str:
        if role is Estimates and self.penalty and self.l1_ratio:
            return "the lasso and the elastic net have no standard errors to pool: use `l1_ratio: 0`"
        if role is not PredictsSurvival:
            return ""
        if self.grid is None:
            return "it needs a `grid`: its baseline hazard predicts survival"
        if self.episodes:
            return "time-varying covariates cannot be used for prediction: remove `episodes`"
        return ""

    def is_robust(self) -> bool:
        """Whether standard errors come from score residuals."""
        return self.robust or self.cluster is not None

    def is_sparse(self) -> bool:
        """Whether the penalty sets coefficients to 0: what it takes off has corners, and is no square."""
        return self.penalty > 0 and self.l1_ratio > 0

    def looks_again(self) -> bool:
        """Whether residuals or a test of the hazards are asked for, once the coefficients are found."""
        return self.is_robust() or self.proportional_hazards is not None

    def bins(self) -> int:
        """How many intervals the grid has."""
        return self.grid.bins() if self.grid else 0


@dataclass(frozen=True)
class Baseline:
    """The cumulative hazard over all sites of somebody with the covariates `center`.

    Attributes:
        days: (K,) at which the grid's intervals end.
        cumulative_hazard: (K,) Breslow's estimate, Efron's with his ties and a shared baseline. It grows
            evenly within merged intervals.
        center: (p,) covariates.
    """

    days: Floats
    cumulative_hazard: Floats
    center: Floats


@dataclass(frozen=True)
class CoxResult(Applicable):
    """Log hazard ratios of a Cox model.

    Attributes:
        terms: (p,) covariates.
        coef, se, z, p: (p,) log hazard ratio, its standard error (robust, if asked for), Wald statistic and
            two-sided p-value. The lasso and the elastic net have no standard errors: NaN.
        hazard_ratio, lower, upper: (p,) exp(coef) and its confidence interval at `level`.
        covariance: (p, p) of coef.
        model_se: (p,) by the information.
        scale: (p,) the covariates' standard deviations; coef * scale is what a penalty shrinks.
        loglik_null, loglik: log partial likelihood at 0 and at coef.
        likelihood_ratio, wald, score: chi-square statistics of the model against none, p degrees of freedom.
        likelihood_ratio_p, wald_p, score_p: their p-values; NaN for a penalized fit.
        n, n_events: people and events with complete data.
        ties, level, penalty, l1_ratio: of the spec.
        evaluations: of the likelihood, one per round.
        proportional_hazards: its tests, where asked for.
        baseline: the baseline hazard, where there is a grid.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="cox", outcome="os", covariates=["age", "idh1"])
    >>> found.summary()[["hazard_ratio", "lower", "upper"]].round(2)
          hazard_ratio  lower  upper
    age           1.03   1.02   1.05
    idh1          0.44   0.31   0.62
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
    model_se: Floats
    scale: Floats
    loglik_null: float
    loglik: float
    likelihood_ratio: float
    wald: float
    score: float
    likelihood_ratio_p: float
    wald_p: float
    score_p: float
    n: int
    n_events: int
    ties: str
    level: float
    penalty: float
    l1_ratio: float
    evaluations: int
    proportional_hazards: ProportionalHazards | None = None
    baseline: Baseline | None = None

    def summary(self) -> pd.DataFrame:
        return self.table(self.terms, "coef", "se", "z", "p", "hazard_ratio", "lower", "upper")

    def informative(self) -> int:
        return self.n_events

    def figure(self) -> Figure | NoFigure:
        caption = interval_caption(f"Hazard ratios of {self.n} people", self.level, self.lower)
        ratio = (self.hazard_ratio, self.lower, self.upper)
        return forest(self.terms, *ratio, measure="hazard ratio", ratio=True, caption=caption)

    def linear_predictor(self, x: pd.DataFrame | Floats) -> Floats:
        """The (n,) log hazard ratios against covariates of 0, of a frame by terms or an (n, p) matrix."""
        values = x[list(self.terms)].to_numpy(float) if isinstance(x, pd.DataFrame) else x
        predictor: Floats = values @ self.coef
        return predictor

    def transform_arrays(self) -> Arrays:
        """What scores people: coefficients, and the baseline hazard where there is one."""
        arrays: dict[str, Floats] = {"coef": self.coef}
        if self.baseline:
            hazard, center = self.baseline.cumulative_hazard, self.baseline.center
            arrays |= {"hazard": hazard, "center": center}
        return arrays

    def survival(self, x: pd.DataFrame | Floats, days: Sequence[float]) -> Floats:
        """The (n, days) probabilities of no event until these days, by the shared baseline.

        Raises:
            StudyError: not-found; the study asked for no baseline hazard.
        """
        if self.baseline is None:
            raise StudyError(Code.NOT_FOUND, "this model has no baseline hazard", "give its spec a `grid`")
        k = np.searchsorted(self.baseline.days, np.asarray(days, dtype=float), side="right")
        hazard = np.append(0.0, self.baseline.cumulative_hazard)[k]
        relative = np.exp(self.linear_predictor(x) - self.baseline.center @ self.coef)
        survival: Floats = np.exp(-np.outer(relative, hazard))
        return survival


@dataclass(frozen=True)
class Null:
    """The likelihood where every coefficient is 0: its logarithm, and the score test there, if any."""

    loglik: float
    score_test: float


def result(
    spec: CoxSpec,
    coef: Floats,
    covariance: Floats,
    *,
    model_covariance: Floats,
    scale: Floats,
    null: Null,
    loglik: float,
    people: tuple[int, int],
    evaluations: int,
    hazards: ProportionalHazards | None = None,
    baseline: Baseline | None = None,
) -> CoxResult:
    """The result of coefficients and their covariance, with Wald statistics, intervals and tests.

    All but `null` are of the covariates' original scale.
    """
    tested = wald(coef, covariance, spec.level)
    ratio, lower, upper = tested.ratios()
    chi_square = np.full(3, np.nan)
    if not spec.penalty:
        chi_square = np.array(
            [
                2 * (loglik - null.loglik),
                (coef * scale) @ np.linalg.solve(covariance * np.outer(scale, scale), coef * scale),
                null.score_test,
            ]
        )
    p_values = stats.chi2.sf(chi_square, len(coef))
    return CoxResult(
        terms=spec.covariates,
        coef=coef,
        se=tested.se,
        z=tested.z,
        p=tested.p,
        hazard_ratio=ratio,
        lower=lower,
        upper=upper,
        covariance=covariance,
        model_se=np.sqrt(np.diag(model_covariance)),
        scale=scale,
        loglik_null=null.loglik,
        loglik=loglik,
        likelihood_ratio=float(chi_square[0]),
        wald=float(chi_square[1]),
        score=float(chi_square[2]),
        likelihood_ratio_p=float(p_values[0]),
        wald_p=float(p_values[1]),
        score_p=float(p_values[2]),
        n=people[0],
        n_events=people[1],
        ties=spec.ties,
        level=spec.level,
        penalty=spec.penalty,
        l1_ratio=spec.l1_ratio,
        evaluations=evaluations,
        proportional_hazards=hazards,
        baseline=baseline,
    )
