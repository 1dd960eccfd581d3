"""Generalized linear models: Poisson and negative binomial counts with an offset, and probit. Exact.

Log-likelihood, score and information are sums over people, so over sites; each round is one Newton step,
in a basis that only the sites know. The first step is that of weighted least squares, each person's mean near
its outcome, so that six more suffice; in the last round the sites sign what they found. The negative
binomial's theta is found together with the coefficients, by one Newton method on both, from the best of
several thetas that are asked in one message.

Standard errors are of the expected information, as R's `glm` and `glm.nb` report them.

Reference: McCullagh & Nelder, Generalized Linear Models (1989), ch. 2 and 6; R `glm`, `MASS::glm.nb`.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy.linalg import block_diag
from scipy.special import ndtr

from protocols.core.disclosure import Array, Count, Moment
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.figure import Figure, NoFigure
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, ask, site_step
from protocols.core.roles import (
    Applicable,
    Estimates,
    Predicts,
    PredictsProbability,
    ProbabilityModel,
    Regression,
    Role,
)
from protocols.core.site_step import Times
from protocols.core.table import AnalysisTable, Floats
from protocols.core.variables import Column, Name
from protocols.core.wording import listed
from protocols.estimation.climb import Climb, Top, begun, climbed
from protocols.estimation.newton import MAX_EVALUATIONS
from protocols.estimation.outcome import zero_one
from protocols.estimation.standards import (
    SCALED,
    STANDARD_MOMENTS,
    original_scale,
    plainly,
    refined,
    standard_moments,
)
from protocols.estimation.wald import wald
from protocols.regression import families
from protocols.results.figures import forest, interval_caption

INTERCEPT = "(Intercept)"
LOG_THETA = "log theta"

_THETAS = np.arange(-2.0, 4.1)  # logarithms of theta of which the best begins
_NO_OVERDISPERSION = 12.0  # a log theta beyond which the counts are Poisson's


class GlmSpec(PredictsProbability, Predicts, Estimates):
    """An outcome on covariates, by the family of its likelihood.

    Attributes:
        outcome: a count (`os.event` with exposure `os.time` is a rate), or for probit a 0/1 variable.
        family: poisson and negative_binomial have the log of the mean linear, probit the normal quantile.
        covariates: numeric variables, complete cases are used.
        offset: a variable added to the linear predictor as it is.
        exposure: a positive variable (days, lengths) whose logarithm is added.
        level: of the confidence intervals.
    """

    protocol: Literal["glm"] = "glm"
    outcome: Column
    family: Literal["poisson", "negative_binomial", "probit"]
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=500)
    offset: Name | None = None
    exposure: Column | None = None
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _one_offset(self) -> "GlmSpec":
        if self.offset and self.exposure:
            raise ValueError("give an offset or an exposure, whose logarithm is the offset, not both")
        return self

    def variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name.split(".")[0] for name in self.columns()))

    def stands_on(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.outcome.split(".")[0], *self.covariates)))

    def linear_in(self) -> tuple[str, ...]:
        return (self.outcome.split(".")[0],)

    def outcome_name(self) -> str:
        return self.outcome

    def predictors(self) -> tuple[str, ...]:
        return self.covariates

    def shortfall(self, role: type[Role]) -> str:
        if role is PredictsProbability and self.family != "probit":
            return f"`family: {self.family}` gives no probability; logistic and `family: probit` do"
        if role in (PredictsProbability, Predicts) and self.family == "probit" and self.has_offset():
            return "a probit model with an `offset` or `exposure` predicts nothing without it"
        return ""

    def has_offset(self) -> bool:
        """Whether an offset or the log of an exposure is added to the linear predictor."""
        return bool(self.offset or self.exposure)

    def columns(self) -> tuple[str, ...]:
        """The table's columns that must be known of a person."""
        return (self.outcome, *self.covariates, *filter(None, (self.offset, self.exposure)))

    def terms(self) -> tuple[str, ...]:
        """The names of the coefficients."""
        return (INTERCEPT, *self.covariates)

    def searched(self) -> tuple[str, ...]:
        """The names of all that the likelihood is maximised in."""
        return (*self.terms(), LOG_THETA) if self.family == "negative_binomial" else self.terms()


@dataclass(frozen=True)
class GlmResult(Applicable, Regression):
    """Coefficients of a generalized linear model.

    Attributes:
        terms: (p,) "(Intercept)" and the covariates.
        coef, se, z, p: (p,) coefficient, its standard error, Wald statistic and two-sided p-value.
        lower, upper: (p,) confidence interval of coef at `level`.
        rate_ratio: (p,) exp(coef); missing for probit.
        covariance: (p, p) of coef.
        loglik, deviance, aic: at coef.
        null_deviance: of the intercept and the offset alone; missing for the negative binomial, and for
            probit with an offset.
        theta, theta_se: of the negative binomial, variance mu + mu²/theta; missing for the others.
        n: people with complete data.
        evaluations: of the likelihood, one per round.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="glm", outcome="seizures", family="poisson", covariates=["idh1"])
    >>> found.summary()[["coef", "se", "rate_ratio"]].round(2)
                 coef    se  rate_ratio
    (Intercept)  0.38  0.06        1.46
    idh1         0.54  0.08        1.71
    """

    terms: tuple[str, ...]
    coef: Floats
    se: Floats
    z: Floats
    p: Floats
    lower: Floats
    upper: Floats
    rate_ratio: Floats
    covariance: Floats
    loglik: float
    deviance: float
    null_deviance: float
    aic: float
    theta: float
    theta_se: float
    n: int
    family: str
    level: float
    evaluations: int

    def summary(self) -> pd.DataFrame:
        return self.table(self.terms, "coef", "se", "z", "p", "lower", "upper", "rate_ratio")

    def informative(self) -> int:
        return self.n

    def figure(self) -> Figure | NoFigure:
        ratio = self.family != "probit"
        value, low, high = (np.exp(v) if ratio else v for v in (self.coef, self.lower, self.upper))
        measure = "rate ratio" if ratio else "probit coefficient"
        caption = interval_caption(f"{measure.capitalize()}s of {self.n} people", self.level, low)
        return forest(self.terms, value, low, high, measure=measure, ratio=ratio, caption=caption)

    def predict(self, x: Floats, exposure: Floats | float = 1.0) -> Floats:
        """The (n,) means expected of (n, p) covariates: counts for an exposure, or probabilities."""
        eta = self.coef[0] + x @ self.coef[1:]
        mean: Floats = ndtr(eta) if self.family == "probit" else exposure * np.exp(eta)
        return mean

    def transform_arrays(self) -> dict[str, Floats]:
        return {"coef": self.coef}


class Glm(FederatedProtocol[GlmSpec, GlmResult], ProbabilityModel[GlmSpec]):
    """Effects of covariates on a count, or on a 0/1 variable by probit."""

    name = "glm"
    version = "3"
    spec_type = GlmSpec

    @site_step(
        STANDARD_MOMENTS,
        times=SCALED,
        varies=("about",),
        n=Count(),
        outcome=Moment("outcome", what="sums of outcome and offset"),
    )
    def moments(spec: GlmSpec, table: AnalysisTable, **about: Array) -> Arrays:
        """The sums and sums of squares of the covariates, which standardize, and those of the outcome."""
        table = _checked(spec, table.complete(spec.columns()))
        y, offset = table.column(spec.outcome), _offset(spec, table)
        logs = np.log(np.maximum(y, 1.0))
        return {
            "n": np.array(len(table)),
            **standard_moments(table.matrix(spec.covariates), about),
            "outcome": np.array([y.sum(), (y * logs).sum(), (y * offset).sum(), offset.sum()]),
        }

    @site_step(
        climbs=True,
        n=Count(),
        loglik=Moment(what="minus half of the weighted squares of the response"),
        score=Moment("coefficient", what="weighted sums of the response"),
        information=Moment("coefficient", "coefficient", what="weighted sums of products"),
    )
    def start(spec: GlmSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats) -> Arrays:
        """Weighted least squares at `coef`, each person's mean near its outcome: where the search begins."""
        table = table.complete(spec.columns())
        y, offset = table.column(spec.outcome), _offset(spec, table)
        design = np.column_stack([np.ones(len(table)), (table.matrix(spec.covariates) - shift) / scale])
        return {"n": np.array(len(table)), **families.least_squares(spec.family, y, offset, design, coef)}

    @site_step(n=Count(), exposure=Moment(what="sum of exposures over their geometric mean"))
    def exposures(spec: GlmSpec, table: AnalysisTable, centre: Floats) -> Arrays:
        """The sum of exposures, offsets less their mean over all sites: what the null deviance needs."""
        table = table.complete(spec.columns())
        return {"n": np.array(len(table)), "exposure": np.exp(_offset(spec, table) - centre).sum()}

    @site_step(
        climbs=True,
        times=lambda spec: Times(
            1, MAX_EVALUATIONS + (len(_THETAS) if spec.family == "negative_binomial" else 1)
        ),
        varies=("coef",),
        n=Count(),
        loglik=Moment(what="log-likelihood"),
        deviance=Moment(what="deviance"),
        score=Moment("term", what="first derivatives of the log-likelihood"),
        information=Moment("term", "term", what="second derivatives of the log-likelihood"),
        expected=Moment("term", "term", what="their expectation"),
    )
    def derivatives(
        spec: GlmSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats
    ) -> Arrays:
        """This hospital's log-likelihood and its derivatives at `coef`, covariates less shift over scale."""
        table = table.complete(spec.columns())
        offset = _offset(spec, table)
        sums = families.derivatives(
            spec.family, table, spec.outcome, spec.covariates, coef, shift, scale, offset
        )
        return {"n": np.array(len(table)), **sums}

    def axes(self, spec: GlmSpec) -> dict[str, int]:
        return {
            "covariate": len(spec.covariates),
            "coefficient": len(spec.terms()),
            "term": len(spec.searched()),
            "outcome": 4,
        }

    def coordinate(self, spec: GlmSpec) -> Coordination[GlmResult]:
        known = yield from refined((yield plainly("moments")), spec.covariates, step="moments")
        total, shift, scale = known.total, known.location, known.scale
        basis, common = original_scale(shift, scale), {"shift": shift, "scale": scale}
        start = Climb("start", np.zeros(len(basis)), common, columns=spec.covariates, axis="coefficient")
        yield from begun(start, spec.terms())
        beside: list[tuple[float, ...]] = [()]
        if spec.family == "negative_binomial":
            beside = [(log_theta,) for log_theta in _THETAS]
            basis = block_diag(basis, 1.0)
        climbs = [start.onward("derivatives", *more, axis="term", metric="expected") for more in beside]
        centre = total["outcome"][3] / total["n"]
        *replies, exposed = yield (*(climb.ask() for climb in climbs), ask("exposures", centre=centre))
        best = int(np.argmax([float(reply["loglik"]) for reply in replies]))
        found = yield from self._climbed(spec, climbs[best], replies[best], basis)
        about = (int(total["n"]), *total["outcome"][:3], float(centre + np.log(exposed["exposure"])))
        null = families.null_deviance(spec.family, *about, has_offset=bool(spec.offset or spec.exposure))
        return result(spec, found, null, int(total["n"]))

    def _climbed(self, spec: GlmSpec, climb: Climb, first: Arrays, basis: Floats) -> Coordination[Top]:
        """The maximum.

        Raises:
            StudyError: not-converged; the counts vary no more than Poisson's, and theta has no maximum.
        """
        poisson = StudyError(
            Code.NOT_CONVERGED,
            f"{spec.outcome} varies no more than Poisson counts do: theta has no maximum",
            "use `family: poisson`",
        )
        try:
            found = yield from climbed(climb, first, spec.searched(), basis)
        except StudyError as error:
            endless = LOG_THETA in error.text or error.code is Code.NOT_CONVERGED
            raise (poisson if endless and spec.family == "negative_binomial" else error) from None
        if spec.family == "negative_binomial" and found.coef[-1] > _NO_OVERDISPERSION:
            raise poisson
        return found

    def score(self, spec: GlmSpec, table: AnalysisTable, **arrays: Array) -> Floats:
        """The (n,) probabilities that a 0/1 outcome is 1, by probit."""
        return families.probabilities(spec.covariates, table, arrays["coef"], link="probit")

    def estimator(self, spec: GlmSpec, result: GlmResult) -> Any:
        """A PoissonRegressor for an exposure of 1; scikit-learn has no other family of ours."""
        from protocols.results import estimators  # scikit-learn loads with it

        if spec.family != "poisson":
            return super().estimator(spec, result)
        return estimators.poisson_regression(spec.covariates, result.coef)

    def method(self, spec: GlmSpec) -> str:
        kind = {
            "poisson": "Poisson regression",
            "negative_binomial": "Negative binomial regression",
            "probit": "Probit regression",
        }[spec.family]
        offset = f", for an exposure of {spec.exposure}" if spec.exposure else ""
        return (
            f"{kind} of {spec.outcome} on {listed(spec.covariates)}{offset}, over people with complete data."
        )

    def about(self, spec: GlmSpec) -> str:
        with_offset = f", offset {spec.offset or spec.exposure}" if spec.has_offset() else ""
        return (
            f"{spec.family.replace('_', ' ').capitalize()} regression of {spec.outcome} on "
            f"{', '.join(spec.covariates)}{with_offset}."
        )


def _offset(spec: GlmSpec, table: AnalysisTable) -> Floats:
    if spec.exposure:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(table.column(spec.exposure))
    return table.column(spec.offset) if spec.offset else np.zeros(len(table))


def _checked(spec: GlmSpec, table: AnalysisTable) -> AnalysisTable:
    """The table, if its outcome is one that the family can have.

    Raises:
        SiteError: invalid-input; names the variable and the rule.
    """
    y = table.column(spec.outcome)
    if spec.family == "probit":
        zero_one(y, spec.outcome)
    elif not ((y >= 0) & (y == np.floor(y))).all():
        raise SiteError(Code.INVALID_INPUT, f"{spec.outcome} is not a count for everybody here")
    if spec.exposure and not (table.column(spec.exposure) > 0).all():
        raise SiteError(Code.INVALID_INPUT, f"exposure {spec.exposure} is not positive for everybody here")
    return table


def result(spec: GlmSpec, found: Top, null_deviance: float, n: int) -> GlmResult:
    """The result of a maximum, with Wald statistics and intervals."""
    p = len(spec.terms())
    coef, covariance = found.coef[:p], found.covariance[:p, :p]
    tested = wald(coef, covariance, spec.level)
    theta = theta_se = float("nan")
    if spec.family == "negative_binomial":
        theta = float(np.exp(found.coef[-1]))
        theta_se = theta * float(np.sqrt(found.covariance[-1, -1]))
    with np.errstate(over="ignore"):  # of an intercept far from all people
        ratio = np.full(p, np.nan) if spec.family == "probit" else np.exp(coef)
    return GlmResult(
        terms=spec.terms(),
        coef=coef,
        se=tested.se,
        z=tested.z,
        p=tested.p,
        lower=tested.lower,
        upper=tested.upper,
        rate_ratio=ratio,
        covariance=covariance,
        loglik=found.loglik,
        deviance=float(found.last["deviance"]),
        null_deviance=null_deviance,
        aic=2 * (len(spec.searched()) - found.loglik),
        theta=theta,
        theta_se=theta_se,
        n=n,
        family=spec.family,
        level=spec.level,
        evaluations=found.evaluations,
    )
