"""One model per site, averaged: scikit-learn's linear classifiers, trained where the rows are. Two rounds.

Each site fits the classifier on its own people, covariates standardized by the means and deviations of all
sites; the ensemble's log odds are the mean of theirs, weighted by people. Since these classifiers are linear,
that is one linear model whose coefficients are a sum over sites: no site's own coefficients leave in the
clear. It is not the pooled fit, but near it where sites are large and alike.

A site without enough people for a model (either class below the floor, or too many coefficients for its
people) gives nothing.

Reference: Zhang, Duchi & Wainwright, JMLR 14 (2013) 3321 (averaging); scikit-learn `LogisticRegression`,
`LinearDiscriminantAnalysis`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from scipy.special import expit

from protocols.core.disclosure import Array, Count, Moment, Thresholds, Update
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Figure, NoFigure
from protocols.core.grid import on_grid
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, ask, site_step
from protocols.core.roles import Applicable, PredictsProbability, ProbabilityModel
from protocols.core.table import AnalysisTable, Floats
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.outcome import zero_one
from protocols.estimation.standards import (
    SCALED,
    STANDARD_MOMENTS,
    original_scale,
    plainly,
    refined,
    standard_moments,
)
from protocols.results.figures import forest

INTERCEPT = "(Intercept)"


class LogisticClassifier(BaseModel):
    """scikit-learn's LogisticRegression with an L2 penalty on standardized covariates.

    Attributes:
        C: the inverse of the penalty.
        class_weight: `balanced` weighs each class by the inverse of its people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["LogisticRegression"] = "LogisticRegression"
    C: float = Field(default=1.0, gt=0, le=1e6)
    class_weight: Literal["balanced"] | None = None

    def untrained(self) -> Any:
        """scikit-learn's estimator, its solver exact."""
        from sklearn.linear_model import LogisticRegression  # loads where a model is trained

        return LogisticRegression(
            C=self.C, class_weight=self.class_weight, solver="newton-cholesky", tol=1e-12, max_iter=200
        )


class DiscriminantClassifier(BaseModel):
    """scikit-learn's LinearDiscriminantAnalysis by least squares.

    Attributes:
        shrinkage: of the covariance towards a multiple of the unit matrix.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["LinearDiscriminantAnalysis"]
    shrinkage: float = Field(default=0.0, ge=0, le=1)

    def untrained(self) -> Any:
        """scikit-learn's estimator."""
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # loads where a model is trained

        return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=self.shrinkage)


_HANDED_IN = {
    "LogisticRegression": ("C", "class_weight"),
    "LinearDiscriminantAnalysis": ("shrinkage",),
}
# How an estimator goes about its fit, not what it fits: a site uses its own.
_FREE = {"solver", "tol", "max_iter", "n_jobs", "random_state", "verbose", "warm_start", "store_covariance"}


def _declared(value: object) -> object:
    """The settings of an estimator that was handed in as an object; anything else as it is.

    Nothing but the names and values of its parameters is read: no object travels.
    """
    kind = type(value)
    if not kind.__module__.startswith("sklearn."):
        return value
    if kind.__name__ not in _HANDED_IN:
        raise ValueError(
            f"{kind.__name__} cannot be trained per site: use " + " or ".join(sorted(_HANDED_IN))
        )
    own = _HANDED_IN[kind.__name__]
    given: dict[str, Any] = value.get_params()  # type: ignore[attr-defined]
    usual: dict[str, Any] = kind().get_params()  # type: ignore[attr-defined]
    if other := sorted(n for n, v in given.items() if n not in {*own, *_FREE} and repr(v) != repr(usual[n])):
        raise ValueError(f"{kind.__name__} is trained per site without {', '.join(other)}")
    return {"kind": kind.__name__, **{n: given[n] for n in own if given[n] is not None}}


Classifier = Annotated[
    Annotated[LogisticClassifier | DiscriminantClassifier, Field(discriminator="kind")],
    BeforeValidator(_declared),
]


class LocalModelsSpec(PredictsProbability):
    """A 0/1 outcome by one linear classifier per site.

    Attributes:
        outcome: a 0/1 variable.
        covariates: numeric variables, complete cases are used.
        classifier: its kind and settings; in Python also a LogisticRegression or LinearDiscriminantAnalysis.
    """

    protocol: Literal["local_models"] = "local_models"
    outcome: Name
    covariates: tuple[Name, ...] = Field(min_length=1, max_length=500)
    classifier: Classifier = LogisticClassifier()

    def variables(self) -> tuple[str, ...]:
        return (self.outcome, *self.covariates)

    def outcome_name(self) -> str:
        return self.outcome

    def terms(self) -> tuple[str, ...]:
        return (INTERCEPT, *self.covariates)


@dataclass(frozen=True)
class LocalModelsResult(Applicable):
    """The mean of the sites' linear models.

    Attributes:
        terms: (p,) "(Intercept)" and the covariates.
        coef: (p,) log odds, on the original scale.
        n: people that the models were trained on; models: sites that have one.

    >>> from protocols.exchange.example import run_example
    >>> data = {"outcome": "idh1", "covariates": ["age", "entropy"]}
    >>> found = run_example(protocol="local_models", classifier={"kind": "LogisticRegression"}, **data)
    >>> found.summary()["coef"].round(2)
    (Intercept)    13.59
    age            -0.11
    entropy        -1.85
    Name: coef, dtype: float64
    """

    terms: tuple[str, ...]
    coef: Floats
    n: int
    models: int

    def summary(self) -> pd.DataFrame:
        return pd.DataFrame({"coef": self.coef, "odds_ratio": np.exp(self.coef)}, index=list(self.terms))

    def figure(self) -> Figure | NoFigure:
        """Odds ratios as points: a mean of models has no standard errors."""
        unknown = np.full(len(self.terms), np.nan)
        caption = (
            f"Odds ratios of the mean of {self.models} hospitals' models, {self.n} people; without intervals."
        )
        values = (np.exp(self.coef), unknown, unknown)
        return forest(self.terms, *values, measure="odds ratio", ratio=True, caption=caption)

    def transform_arrays(self) -> dict[str, Array]:
        return {"coef": self.coef}


class LocalModels(FederatedProtocol[LocalModelsSpec, LocalModelsResult], ProbabilityModel[LocalModelsSpec]):
    """Probabilities by the mean of one model per site."""

    name = "local_models"
    version = "2"
    spec_type = LocalModelsSpec

    @site_step(STANDARD_MOMENTS, times=SCALED, varies=("about",), n=Count())
    def moments(spec: LocalModelsSpec, table: AnalysisTable, **about: Array) -> Arrays:
        """The sums and sums of squares of the covariates, which standardize them for all sites alike."""
        x = table.complete(spec.variables()).matrix(spec.covariates)
        return {"n": np.array(len(x)), **standard_moments(x, about)}

    @site_step(
        smaller=Count(what="people in the smaller class"),
        people=Moment(behind="smaller", what="people, where there is a model"),
        models=Moment(behind="smaller", what="1 for each site that has a model"),
        coef=Update("term", behind="smaller", what="coefficients of the model trained here, times people"),
    )
    def train(spec: LocalModelsSpec, table: AnalysisTable, shift: Floats, scale: Floats) -> Arrays:
        """This hospital's model, times its people; nothing where there are too few of them."""
        table = table.complete(spec.variables())
        n, y = len(table), zero_one(table.column(spec.outcome), spec.outcome)
        smaller = int(min((y == 0).sum(), (y == 1).sum()))
        if len(spec.terms()) > Thresholds().max_parameters_per_person * n:
            smaller = 0
        coef = np.zeros(len(spec.terms()))
        if smaller:
            model = spec.classifier.untrained().fit((table.matrix(spec.covariates) - shift) / scale, y)
            coef = np.append(model.intercept_, model.coef_[0])
        has = float(smaller > 0)
        return {
            "smaller": np.array(smaller),
            "people": np.array(n * has),
            "models": np.array(has),
            "coef": n * coef,
        }

    def axes(self, spec: LocalModelsSpec) -> Mapping[str, int]:
        return {"covariate": len(spec.covariates), "term": len(spec.terms())}

    def coordinate(self, spec: LocalModelsSpec) -> Coordination[LocalModelsResult]:
        known = yield from refined((yield plainly("moments")), spec.covariates, step="moments")
        shift, scale = on_grid(known.location), on_grid(known.scale)
        total = yield ask("train", shift=shift, scale=scale)
        people = float(total["people"])
        if not people > 0:
            raise StudyError(
                Code.WITHHELD,
                "no site has enough people of both classes to train its own model",
                "use fewer covariates, or a model that is fitted over all sites",
            )
        return result(spec, original_scale(shift, scale) @ (total["coef"] / people), people, total["models"])

    def score(self, spec: LocalModelsSpec, table: AnalysisTable, **arrays: Array) -> Floats:
        """The (n,) probabilities that the outcome is 1."""
        coef = arrays["coef"]
        probability: Floats = expit(coef[0] + table.matrix(spec.covariates) @ coef[1:])
        return probability

    def estimator(self, spec: LocalModelsSpec, result: LocalModelsResult) -> Any:
        """A LogisticRegression with the mean coefficients."""
        from protocols.results import estimators  # scikit-learn loads with it

        return estimators.logistic_regression(spec.covariates, result.coef)

    def method(self, spec: LocalModelsSpec) -> str:
        kind = {
            "LogisticRegression": "logistic regression with an L2 penalty",
            "LinearDiscriminantAnalysis": "linear discriminant analysis",
        }[spec.classifier.kind]
        return (
            f"Each hospital trained a model of {spec.outcome} on {listed(spec.covariates)} by {kind} "
            "(scikit-learn), covariates standardized over all hospitals; the models were averaged, "
            "weighted by people (Zhang, Duchi & Wainwright 2013)."
        )

    def about(self, spec: LocalModelsSpec) -> str:
        names = ", ".join(spec.covariates)
        return f"A {spec.classifier.kind} of {spec.outcome} on {names}, trained at each site and averaged."


def result(spec: LocalModelsSpec, coef: Floats, people: float, models: float) -> LocalModelsResult:
    """The result of mean coefficients on the original scale."""
    return LocalModelsResult(spec.terms(), coef, round(people), round(float(models)))
