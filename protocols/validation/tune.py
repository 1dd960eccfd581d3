"""Chooses among models by inner folds: a penalty, a depth, a set of covariates. Nested, inside a validation.

Candidates are fitted on everybody and inside folds of the people, all together, so tuning costs the rounds
of the slowest and one more. Each is judged by the log-likelihood of people it was not fitted on; the best,
fitted on everybody, scores people. In a validation the inner folds are cut among those who train. Exact.

A candidate that cannot be fitted on everybody, or in a fold, is left out and named with its code; so are
those that fail in a validation, where the others are chosen from.

A Cox model is judged by the log partial likelihood of a hospital's people, with and without those left out.

Reference: Stone, J R Stat Soc B 36 (1974) 111; Varma & Simon, BMC Bioinformatics 7 (2006) 91 for nesting;
Verweij & van Houwelingen, Stat Med 12 (1993) 2305, eq. 5, for survival.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.disclosure import Array, Count, Moment
from protocols.core.errors import Code, ShadowgraphError, StudyError
from protocols.core.figure import Axis, Bar, Bars, Figure
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    FederatedProtocol,
    site_step,
)
from protocols.core.roles import (
    Applicable,
    Model,
    PredictsProbability,
    PredictsSurvival,
    ProbabilityModel,
    Role,
    SurvivalModel,
    Tunes,
    risks,
    score,
)
from protocols.core.table import AnalysisTable, Floats, Integers, Mask, Rows
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.results.figures import MOST_ROWS, left_out
from protocols.results.numerals import shown
from protocols.survival.cox import CoxSpec
from protocols.survival.survival_design import design
from protocols.validation.inner_folds import arrays_named, fitted_where_possible, is_asked_in, tested_in_folds

_OF_A_MODEL = frozenset(
    {
        *(Code.SEPARATION, Code.RANK_DEFICIENT, Code.NOT_CONVERGED, Code.WITHHELD),
        *(Code.INVALID_INPUT, Code.CENTER_FAILED, Code.SITE_FAILED),
    }
)
"""Why a model may fail where another one of the same people does not."""

_SURE = 1e-12  # a probability nearer to 0 or 1 is taken for this


class TuneSpec(PredictsProbability, PredictsSurvival, Tunes):
    """Models of one outcome, of which one is chosen.

    Attributes:
        candidates: by name; all give probabilities, or all are Cox models.
        folds: in which they are judged.
    """

    protocol: Literal["tune"] = "tune"
    candidates: dict[Name, Model[PredictsProbability | CoxSpec]] = Field(min_length=2, max_length=50)
    folds: int = Field(default=5, ge=2, le=10)

    @model_validator(mode="after")
    def _agree(self) -> "TuneSpec":
        models = list(self.candidates.values())
        if len({model.outcome_name() for model in models}) > 1:
            raise ValueError("the candidates have different outcomes")
        if any(model.inner_folds() > 1 for model in models):
            raise ValueError("a candidate has its own folds: it cannot be chosen by folds")
        survival = self._cox()
        if survival and len(survival) < len(models):
            raise ValueError("all candidates are cox, or no candidate is")
        if any(model.episodes or model.weight for model in survival):
            raise ValueError("candidates have neither `episodes` nor a `weight`")
        if len({(m.entry, m.strata, m.stratify, m.ties, m.grid) for m in survival}) > 1:
            raise ValueError("cox candidates differ in their penalty and covariates alone")
        return self

    def outcome_name(self) -> str:
        return next(iter(self.candidates.values())).outcome_name()

    def entry_name(self) -> str | None:
        return self._cox()[0].entry if self.is_survival() else None

    def edges(self) -> Floats:
        return self._cox()[0].edges() if self.is_survival() else np.zeros(1)

    def terms(self) -> tuple[str, ...]:
        """None: each candidate has its own."""
        return ()

    def shortfall(self, role: type[Role]) -> str:
        if role is PredictsProbability and self.is_survival():
            return "its candidates predict survival and give no probability"
        if role is PredictsSurvival and not self.is_survival():
            return "its candidates give probabilities and do not predict survival"
        found = (model.shortfall(role) for model in self._cox() if role is PredictsSurvival)
        return next((why for why in found if why), "")

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.candidates))

    def is_survival(self) -> bool:
        """Whether the candidates are Cox models."""
        return bool(self._cox())

    def _cox(self) -> list[CoxSpec]:
        return [model for model in self.candidates.values() if isinstance(model, CoxSpec)]

    def variables(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for model in self.candidates.values() for name in model.variables()))

    def stands_on(self) -> tuple[str, ...]:
        return ()  # the candidates inside it stand on their own variables

    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for model in self.candidates.values() for name in model.needs()))

    def admits(self, rows: Rows) -> bool:
        return is_asked_in(self.folds, rows)

    def inner_folds(self) -> int:
        return self.folds


@dataclass(frozen=True)
class TuneResult(Applicable):
    """The candidate that predicts best.

    Attributes:
        candidates: (m,) names; chosen: one of them.
        loglik: (m,) of people by candidates that were not fitted on them; NaN of one that was left out.
        n: people (Cox: with complete data) who judged.
        models: the candidates' arrays, fitted on everybody, NAME.array.
        left_out: the candidates that could not be fitted on everybody or in a fold, each with its code.

    >>> from protocols.exchange.example import run_example
    >>> age = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}
    >>> candidates = {"age": age, "both": {**age, "covariates": ["age", "entropy"]}}
    >>> found = run_example(protocol="tune", candidates=candidates, folds=3)
    >>> found.summary().round(1)
          loglik  deviance  chosen
    age   -185.7     371.5   False
    both  -152.9     305.8    True
    """

    candidates: tuple[str, ...]
    chosen: str
    loglik: Floats
    n: int
    models: Mapping[str, Array]
    left_out: Mapping[str, Code] = field(default_factory=dict)

    def summary(self) -> pd.DataFrame:
        """One row per candidate, with its code in `left_out` where one could not be fitted."""
        frame = pd.DataFrame({"loglik": self.loglik}, index=list(self.candidates))
        frame = frame.assign(deviance=-2 * self.loglik, chosen=frame.index == self.chosen)
        if not self.left_out:
            return frame
        return frame.assign(left_out=[str(self.left_out.get(name, "")) for name in self.candidates])

    def figure(self) -> Figure:
        behind = self.loglik - np.nanmax(self.loglik)
        bars = tuple(
            Bar(name, float(v), "chosen" if name == self.chosen else shown(float(v)))
            for name, v in zip(self.candidates, behind, strict=True)
            if name not in self.left_out
        )
        failed = ", ".join(f"{name} ({code})" for name, code in self.left_out.items())
        sentences = (
            f"How well the candidates predict people who did not train them ({self.n} people).",
            f"Could not be fitted, and left out: {failed}." * bool(failed),
            left_out("candidates", len(bars)),
        )
        axis = Axis("difference from the best log-likelihood out of fold")
        return Figure((Bars("", axis, bars[:MOST_ROWS]),), " ".join(filter(None, sentences)))

    def transform_arrays(self) -> dict[str, Array]:
        return {"chosen": np.array(self.candidates.index(self.chosen)), **self.models}


class Tune(FederatedProtocol[TuneSpec, TuneResult], ProbabilityModel[TuneSpec], SurvivalModel[TuneSpec]):
    """One of several models, chosen inside folds."""

    name = "tune"
    version = "2"
    spec_type = TuneSpec

    @site_step(
        n=Count(),
        loglik=Moment("candidate", what="log-likelihoods of people whom the candidate was not fitted on"),
    )
    def held_out(spec: TuneSpec, table: AnalysisTable, **fits: Array) -> Arrays:
        """The log-likelihood of the people here by each fold's candidates, which never saw them."""
        people, loglik = _judged(spec, table, fits)
        return {"n": np.array(people), "loglik": loglik}

    def axes(self, spec: TuneSpec) -> dict[str, int]:
        return {"candidate": len(spec.candidates)}

    def coordinate(self, spec: TuneSpec) -> Coordination[TuneResult]:
        folds, whole, errors = yield from fitted_where_possible("candidates", spec.candidates, spec.folds)
        _refuse_none(spec, errors)
        total = yield Ask("held_out", folds)
        return _result(spec, int(total["n"]), total["loglik"], whole, errors)

    def score(self, spec: TuneSpec, table: AnalysisTable, **arrays: Array) -> Floats:
        """The (n,) probabilities by the candidate that was chosen."""
        model, own = _chosen(spec, arrays)
        assert isinstance(model, PredictsProbability)
        return score(model, table, own)

    def risks(
        self, spec: TuneSpec, table: AnalysisTable, at: Integers, **arrays: Array
    ) -> tuple[Floats, Floats]:
        """Scores and chances by the candidate that was chosen."""
        model, own = _chosen(spec, arrays)
        assert isinstance(model, PredictsSurvival)
        return risks(model, table, at, own)

    def method(self, spec: TuneSpec) -> str:
        return (
            f"The model was chosen among {listed(spec.candidates)} by the out-of-fold log-likelihood in "
            f"{spec.folds} folds."
        )

    def about(self, spec: TuneSpec) -> str:
        return (
            f"One of {len(spec.candidates)} models of {spec.outcome_name()}, chosen in {spec.folds} folds; "
            "each is fitted in every fold and on everybody."
        )


def _chosen(
    spec: TuneSpec, arrays: Mapping[str, Array]
) -> tuple[PredictsProbability | CoxSpec, dict[str, Any]]:
    name = spec.names()[int(arrays["chosen"])]
    return spec.candidates[name], arrays_named(name, arrays)


def _judged(spec: TuneSpec, table: AnalysisTable, fits: Mapping[str, Array]) -> tuple[int, Floats]:
    """The people here who judge, and the (m,) log-likelihoods of them by fits that never saw them.

    Of a candidate without arrays, which could not be fitted, it is 0.
    """
    if spec.is_survival():
        table = _complete(spec, table)
    people, loglik = 0, np.zeros(len(spec.candidates))
    fitted = [place for place, name in enumerate(spec.names()) if arrays_named(name, fits)]
    names = [spec.names()[place] for place in fitted]
    for test, own in tested_in_folds(spec.folds, table, fits):
        if spec.is_survival():
            loglik[fitted] += [_added(spec, name, table, test, own) for name in names]
        else:
            known, likely = _of_people(spec, names, table.select(test), own)
            people += known
            loglik[fitted] += likely
    return (_at_risk(spec, table) if spec.is_survival() else people), loglik


def _of_people(
    spec: TuneSpec, names: Sequence[str], table: AnalysisTable, fits: Mapping[str, Array]
) -> tuple[int, Floats]:
    """How many have an outcome and the probabilities of all named, and the log-likelihood of each named."""
    y = table.column(spec.outcome_name())
    models = [(arrays_named(name, fits), spec.candidates[name]) for name in names]
    p = np.array([score(m, table, own) for own, m in models if isinstance(m, PredictsProbability)])
    known = ~(np.isnan(p).any(axis=0) | np.isnan(y))
    chance = np.clip(np.where(y == 1, p, 1 - p)[:, known], _SURE, 1.0)
    return int(known.sum()), np.log(chance).sum(axis=1)


def _complete(spec: TuneSpec, table: AnalysisTable) -> AnalysisTable:
    """The people for whom every Cox candidate has its covariates."""
    wanted = (name for name in spec.variables() if name != spec.outcome_name())
    return table.complete(wanted)


def _at_risk(spec: TuneSpec, table: AnalysisTable) -> int:
    model = next(iter(spec.candidates.values()))
    assert isinstance(model, CoxSpec)
    return design(table, model.outcome, (), entry=model.entry, strata=model.strata).people


def _added(spec: TuneSpec, name: str, table: AnalysisTable, test: Mask, fits: Mapping[str, Array]) -> float:
    """What those left out add to the log partial likelihood here (Verweij & van Houwelingen, eq. 5)."""
    model, coef = spec.candidates[name], np.asarray(fits[f"{name}.coef"], dtype=np.float64)
    assert isinstance(model, CoxSpec)

    def loglik(part: AnalysisTable) -> float:
        rows = design(part, model.outcome, model.covariates, entry=model.entry, strata=model.strata)
        return sum((stratum.derivatives(coef, model.ties)[0] for _, stratum in rows.by_stratum()), 0.0)

    return loglik(table) - loglik(table.select(~test))


def _refuse_none(spec: TuneSpec, errors: Mapping[str, ShadowgraphError]) -> None:
    """Raises where an error is no candidate's own, or no candidate is left to choose."""
    for error in errors.values():
        if error.code not in _OF_A_MODEL:
            raise error
    if len(errors) == len(spec.candidates):
        each = "; ".join(f"{name}: {errors[name].text} [{errors[name].code}]" for name in spec.names()[:5])
        first = errors[spec.names()[0]]
        raise StudyError(first.code, f"none of the candidates can be fitted: {each}", first.fix)


def _result(
    spec: TuneSpec,
    n: int,
    loglik: Floats,
    models: Mapping[str, Array],
    errors: Mapping[str, ShadowgraphError] | None = None,
) -> TuneResult:
    names, codes = spec.names(), {name: error.code for name, error in sorted((errors or {}).items())}
    judged = np.where([name in codes for name in names], np.nan, np.asarray(loglik, dtype=np.float64))
    return TuneResult(names, names[int(np.nanargmax(judged))], judged, n, models, codes)
