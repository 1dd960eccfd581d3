"""Late fusion: one expert per modality, and a meta-learner that lives with missing modalities. Exact.

An expert is any protocol that gives probabilities (logistic, penalized, trees, ...), fitted on the people who
have its modality. The meta-learner is a logistic regression on the experts' log odds, 0 where the modality is
missing, and on an indicator of each modality that enough people miss. It learns from out-of-fold scores: an
expert never scores a person whom it was fitted on. These scores are made and stay at the site; sums of
derivatives leave. Experts of all folds are fitted together, so they cost the rounds of the slowest.

Early fusion is one model on the covariates of all modalities, hybrid fusion one on components of each; both
are a `prepare` (impute, pca) and a model in `discrimination` or `decision_curve`, which also validate this
one: its inner folds are then cut within the people that train.

Reference: Wolpert, Neural Networks 5 (1992) 241; Breiman, Mach Learn 24 (1996) 49; scikit-learn
`StackingClassifier`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy.special import expit, logit

from protocols.core.disclosure import Array, Count, Moment
from protocols.core.figure import Figure, NoFigure
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    FederatedProtocol,
    Total,
    site_step,
)
from protocols.core.roles import Applicable, Model, PredictsProbability, ProbabilityModel, score
from protocols.core.table import AnalysisTable, Floats, Integers, Rows
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.climb import Climb, climbed
from protocols.estimation.newton import CLIMB
from protocols.estimation.outcome import null_loglik, same_outcome
from protocols.estimation.standards import location_and_scale, original_scale
from protocols.estimation.wald import wald
from protocols.regression import families
from protocols.results.figures import forest
from protocols.validation.inner_folds import arrays_named, fitted_in_folds, is_asked_in, tested_in_folds

INTERCEPT = "(Intercept)"

_SURE = 1e-6  # a probability nearer to 0 or 1 is taken for this


class FusionSpec(PredictsProbability):
    """An outcome by experts of modalities.

    Attributes:
        outcome: a 0/1 variable, that of every expert.
        experts: modality -> a protocol that gives probabilities.
        folds: in which the experts score people for the meta-learner.
        level: of the confidence intervals.
    """

    protocol: Literal["fusion"] = "fusion"
    outcome: Name
    experts: dict[Name, Model[PredictsProbability]] = Field(min_length=2, max_length=10)
    folds: int = Field(default=5, ge=2, le=10)
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _agree(self) -> "FusionSpec":
        for name, expert in self.experts.items():
            if expert.outcome_name() != self.outcome:
                raise ValueError(f"expert {name} has another outcome")
        return self

    def names(self) -> tuple[str, ...]:
        """The modalities in the order of the result."""
        return tuple(sorted(self.experts))

    def columns(self) -> tuple[str, ...]:
        """The names of the meta-learner's covariates."""
        return (*self.names(), *(f"{name}_missing" for name in self.names()))

    def variables(self) -> tuple[str, ...]:
        read = (name for expert in self.experts.values() for name in expert.variables())
        return tuple(dict.fromkeys((self.outcome, *read)))

    def stands_on(self) -> tuple[str, ...]:
        return (self.outcome,)  # the experts inside it stand on their own variables

    def needs(self) -> tuple[str, ...]:
        return (self.outcome,)  # who lacks a modality is scored by the others

    def outcome_name(self) -> str:
        return self.outcome

    def admits(self, rows: Rows) -> bool:
        return is_asked_in(self.folds, rows)

    def inner_folds(self) -> int:
        return self.folds


@dataclass(frozen=True)
class FusionResult(Applicable):
    """A meta-learner on experts.

    Attributes:
        terms: (2 m + 1,) "(Intercept)", the m modalities, and NAME_missing for each.
        coef, se, z, p, lower, upper: of them, on the experts' log odds; missing for an indicator that too
            few people have, whose people count as if the expert said even odds.
        covariance: of coef.
        modalities: (m,) names; known: (m,) people scored by each expert out of fold.
        loglik, null_loglik: of the meta-learner, and of its intercept alone.
        n, n_events: people with a known outcome and any modality.
        experts: their arrays, fitted on everybody, NAME.array.

    >>> from protocols.exchange.example import run_example
    >>> clinic = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}
    >>> experts = {"clinic": clinic, "image": {**clinic, "covariates": ["entropy"]}}
    >>> found = run_example(protocol="fusion", outcome="idh1", experts=experts, folds=3)
    >>> found.summary()[["coef", "se"]].round(2)
                    coef    se
    (Intercept)    -0.01  0.14
    clinic          0.96  0.14
    image           0.92  0.13
    clinic_missing   NaN   NaN
    image_missing    NaN   NaN
    """

    terms: tuple[str, ...]
    coef: Floats
    se: Floats
    z: Floats
    p: Floats
    lower: Floats
    upper: Floats
    covariance: Floats
    modalities: tuple[str, ...]
    known: Integers
    loglik: float
    null_loglik: float
    n: int
    n_events: int
    experts: Mapping[str, Array]

    def summary(self) -> pd.DataFrame:
        return self.table(self.terms, "coef", "se", "z", "p", "lower", "upper")

    def figure(self) -> Figure | NoFigure:
        caption = (
            f"The weight of each modality's prediction (its log odds), {self.n} people, with 95% intervals."
        )
        return forest(self.terms, self.coef, self.lower, self.upper, measure="coefficient", caption=caption)

    def transform_arrays(self) -> dict[str, Array]:
        return {"meta": np.nan_to_num(self.coef), **self.experts}


class Fusion(FederatedProtocol[FusionSpec, FusionResult], ProbabilityModel[FusionSpec]):
    """Probabilities from several modalities, some of them missing."""

    name = "fusion"
    version = "2"
    spec_type = FusionSpec

    @site_step(
        n=Count(),
        n_events=Count(of="n", what="people with the outcome"),
        missing=Count("modality", of="n", what="people without the modality"),
        sum=Moment("column", what="sums of the experts' log odds and of missing modalities"),
        square=Moment("column", what="sums of squares of these"),
    )
    def moments(spec: FusionSpec, table: AnalysisTable, **experts: Array) -> Arrays:
        """How many miss each modality, and the sums and sums of squares of the meta-learner's covariates."""
        x, y = _out_of_fold(spec, table, experts)
        return {
            "n": np.array(len(y)),
            "n_events": np.array((y == 1).sum()),
            "missing": (x[:, len(spec.experts) :] == 1).sum(axis=0),
            "sum": x.sum(axis=0),
            "square": (x**2).sum(axis=0),
        }

    @site_step(
        climbs=True,
        times=CLIMB,
        varies=("coef",),
        n=Count(),
        loglik=Moment(what="log-likelihood"),
        score=Moment("term", what="first derivatives of the log-likelihood"),
        information=Moment("term", "term", what="second derivatives of the log-likelihood"),
    )
    def derivatives(
        spec: FusionSpec, table: AnalysisTable, coef: Floats, shift: Floats, scale: Floats, **experts: Array
    ) -> Arrays:
        """The meta-learner's log-likelihood and its derivatives at `coef`, on out-of-fold scores."""
        x, y = _out_of_fold(spec, table, experts)
        z = np.column_stack([np.ones(len(y)), (x - shift) / scale])
        found = families.logit(y, z @ coef, 0.0)
        return {
            "n": np.array(len(y)),
            "loglik": np.array(found.loglik.sum()),
            "score": z.T @ found.slope,
            "information": (z * found.curvature[:, None]).T @ z,
        }

    def axes(self, spec: FusionSpec) -> dict[str, int]:
        m = len(spec.experts)
        return {"modality": m, "column": 2 * m, "term": 2 * m + 1}

    def coordinate(self, spec: FusionSpec) -> Coordination[FusionResult]:
        folds, whole = yield from fitted_in_folds("experts", spec.experts, spec.folds)
        total = yield Ask("moments", folds)
        n, events = int(total["n"]), int(total["n_events"])
        if events in (0, n):
            raise same_outcome(spec.outcome, "everybody who is scored")
        kept = _kept(spec, total)
        shift, scale = np.zeros(2 * len(spec.experts)), np.ones(2 * len(spec.experts))
        columns = [j - 1 for j in kept[1:]]
        part = replace(total, arrays={"n": total["n"], **{k: total[k][columns] for k in ("sum", "square")}})
        shift[columns], scale[columns] = location_and_scale(part, [spec.columns()[j] for j in columns])

        terms = [(INTERCEPT, *spec.columns())[j] for j in kept]
        common = {"shift": shift, "scale": scale, **folds}
        climb = Climb("derivatives", np.zeros(len(kept)), common, kept=tuple(kept), length=len(scale) + 1)
        basis = original_scale(shift[columns], scale[columns])
        found = yield from climbed(climb, (yield climb.ask()), terms, basis)
        known = n - np.asarray(total["missing"], dtype=np.int64)
        return result(spec, kept, found.coef, found.covariance, found.loglik, (n, events), known, whole)

    def score(self, spec: FusionSpec, table: AnalysisTable, **arrays: Array) -> Floats:
        """The (n,) probabilities that the outcome is 1; missing for who has no modality at all."""
        p = _scores(spec, table, arrays)
        meta = arrays["meta"]
        probability = expit(meta[0] + _covariates(p) @ meta[1:])
        return np.where(np.isnan(p).all(axis=1), np.nan, probability)

    def method(self, spec: FusionSpec) -> str:
        return (
            f"Late fusion: a logistic meta-learner on the out-of-fold log odds ({spec.folds} folds) of "
            f"models for {listed(spec.experts)}, with an indicator where a modality is missing, predicts "
            f"{spec.outcome}."
        )

    def about(self, spec: FusionSpec) -> str:
        return f"Late fusion of {', '.join(spec.names())}: experts in {spec.folds} folds and on everybody."


def _scores(spec: FusionSpec, table: AnalysisTable, arrays: Mapping[str, Array]) -> Floats:
    """The (n, m) probabilities by the experts; missing where the modality is."""
    own = {name: arrays_named(name, arrays) for name in spec.names()}
    return np.column_stack([score(spec.experts[name], table, own[name]) for name in spec.names()])


def _covariates(p: Floats) -> Floats:
    """The (n, 2 m) covariates of the meta-learner: log odds, 0 where missing, and its indicators."""
    missing = np.isnan(p)
    odds = np.where(missing, 0.0, logit(np.clip(np.where(missing, 0.5, p), _SURE, 1 - _SURE)))
    return np.hstack([odds, missing.astype(np.float64)])


def _out_of_fold(
    spec: FusionSpec, table: AnalysisTable, arrays: Mapping[str, Array]
) -> tuple[Floats, Floats]:
    """Covariates and outcomes of the people here, each scored by experts that never saw them."""
    y = table.column(spec.outcome)
    p = np.full((len(table), len(spec.experts)), np.nan)
    for test, own in tested_in_folds(spec.folds, table, arrays):
        p[test] = _scores(spec, table.select(test), own)
    used = ~np.isnan(y) & ~np.isnan(p).all(axis=1)
    return _covariates(p[used]), y[used]


def _kept(spec: FusionSpec, total: Total) -> list[int]:
    """The positions of the terms that are estimated: all but indicators that few people have, or lack."""
    m = len(spec.experts)
    missing, n = np.asarray(total["missing"], dtype=np.int64), int(total["n"])
    enough = np.minimum(missing, n - missing) >= total.min_count
    return [*range(m + 1), *(m + 1 + np.flatnonzero(enough)).tolist()]


def result(
    spec: FusionSpec,
    kept: list[int],
    coef: Floats,
    covariance: Floats,
    loglik: float,
    people: tuple[int, int],
    known: Integers,
    experts: Mapping[str, Array],
) -> FusionResult:
    """The result of the terms that were estimated, the others missing."""
    size = 2 * len(spec.experts) + 1
    full, spread = np.full(size, np.nan), np.full((size, size), np.nan)
    full[kept] = coef
    spread[np.ix_(kept, kept)] = covariance
    tested = wald(full, spread, spec.level)
    n, events = people
    return FusionResult(
        terms=(INTERCEPT, *spec.columns()),
        coef=full,
        se=tested.se,
        z=tested.z,
        p=tested.p,
        lower=tested.lower,
        upper=tested.upper,
        covariance=spread,
        modalities=spec.names(),
        known=known,
        loglik=loglik,
        null_loglik=null_loglik(n, events),
        n=n,
        n_events=events,
        experts=experts,
    )
