"""How far a model tells who is among its people, and what they have: attacked at the sites before it leaves.

The model is fitted without a quarter of the people, again and again, and each site attacks these models with
its own people, of whom it knows which models saw them. So the models are attacked by whoever knows most: by
the loss of each person (white box: the model's own; Yeom et al., CSF 2018), and by the likelihood ratio of a
person's score among the models that saw this person and those that did not (LiRA, Carlini et al., S&P 2022).
What leaves are histograms over all sites. Models of fewer people tell more of each than the one of all
people.

An analysis that comes `after` it waits for it, and is not begun where the model tells more than `most`.
Nothing of it leaves then: sites conduct the study, so no site answers a model that did not pass.

Reference: `pooled` in the tests, with all rows in one place; the measures are those of SACRO-ML.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy.special import ndtr, ndtri

from protocols.core.disclosure import Array, Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Axis, Curve, Curves, Figure
from protocols.core.protocol import Arrays, Ask, Coordination, FederatedProtocol, protocol, site_step
from protocols.core.roles import (
    Applicable,
    ColumnTransform,
    Model,
    PredictsProbability,
    Transforms,
    score,
    transformed,
)
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.results.figures import floats
from protocols.validation.inner_folds import arrays_named, stacked
from protocols.validation.out_of_fold import (
    Part,
    ValidatedProbability,
    check_people,
    fitted_by_fold,
    folds_of,
)
from protocols.validation.schemes import ByFold, Scheme

ATTACKS = ("loss", "likelihood ratio")
FALSE_POSITIVES = 0.01
"""The share of others that an attacker may take for members: what SACRO-ML and LiRA report."""

MOST = 0.02
"""Of the members who are then found; 1 % would be by chance."""

MOST_GAIN = 0.05
"""Of right guesses of a 0/1 covariate, over those about people whom the model never saw."""

BINS = 2000
REACH = {"loss": 12.0, "likelihood ratio": 20.0}
"""What lies beyond falls into the last bin of either end."""

_SURE = 1e-6  # a probability is not taken to be nearer to 0 or 1


class ModelRiskSpec(ValidatedProbability, Transforms):
    """A model, and how much it may tell.

    Attributes:
        model: a protocol that gives probabilities.
        scheme: who is left out of each model: folds of people, four times or more.
        most: of the members who may be found at 1 % false positives.
        most_gain: of right guesses of a 0/1 covariate about members, over those about others.
    """

    protocol: Literal["model_risk"] = "model_risk"
    model: Model[PredictsProbability]
    scheme: Scheme = ByFold(of=4, repeats=4)
    most: float = Field(default=MOST, gt=0, le=0.5)
    most_gain: float = Field(default=MOST_GAIN, gt=0, le=0.5)

    @model_validator(mode="after")
    def _is_repeated(self) -> "ModelRiskSpec":
        if not isinstance(self.scheme, ByFold) or self.scheme.repeats < 4:
            raise ValueError("`scheme` is of folds, four times or more: {kind: folds, of: 4, repeats: 4}")
        return self

    def fitted_models(self) -> Mapping[Part, PredictsProbability]:
        return {("model",): self.model}

    def is_too_open(self, found: "ModelRiskResult") -> bool:
        """Whether more members are found, or more of their findings guessed, than the study allows.

        One in a hundred of a few hundred people are two or three, so the share itself counts by the lower end
        of its interval, and the one that the whole curve makes likely as it is.
        """
        shares = [_lower(share, found.n) for share in found.found.values()]
        return max(*shares, *found.likely.values()) > self.most or found.gain > self.most_gain

    def covariates(self) -> tuple[str, ...]:
        """The variables of the model without its outcome, of which 0/1 ones are guessed."""
        return tuple(name for name in self.model.variables() if name != self.model.outcome_name())


@dataclass(frozen=True)
class ModelRiskResult(Applicable):
    """What attacks on models of some of the people found.

    Attributes:
        n: people; models: how many were attacked, each without some of them.
        found: attack -> the share of the members who are found at 1 % false positives or less.
        auc: attack -> its area under the curve; 0.5 by chance.
        likely: attack -> the share that normal scores with this area would give, with less chance in it.
        false_positive_rate, true_positive_rate: attack -> (points,) of its curve.
        gain: of right guesses of 0/1 covariates, from all else about a person and the model: about members
            over about others, in the mean over `guessed`; 0 where there is none.
        guessed: the 0/1 covariates.
        most, most_gain: what the study allows.

    >>> from protocols.exchange.example import run_example
    >>> model = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "entropy"]}
    >>> found = run_example(protocol="model_risk", model=model)
    >>> found.summary()["members found"].round(3).to_dict()
    {'loss': 0.0, 'likelihood ratio': 0.009}
    """

    n: int
    models: int
    found: Mapping[str, float]
    auc: Mapping[str, float]
    likely: Mapping[str, float]
    false_positive_rate: Mapping[str, Floats]
    true_positive_rate: Mapping[str, Floats]
    gain: float
    guessed: tuple[str, ...]
    most: float
    most_gain: float

    def summary(self) -> pd.DataFrame:
        """One row per attack."""
        columns = {
            "members found": self.found,
            "likely": self.likely,
            "at most": dict.fromkeys(self.found, self.most),
            "auc": self.auc,
        }
        return pd.DataFrame(columns)

    def figure(self) -> Figure:
        curves = [
            Curve(
                f"{name}, AUC {self.auc[name]:.2f}",
                floats(self.false_positive_rate[name]),
                floats(self.true_positive_rate[name]),
                marks="joined",
            )
            for name in self.found
        ]
        axes = Axis("others taken for members", low=0.0, high=1.0), Axis("members found", low=0.0, high=1.0)
        worst, likely = max(self.found.values()), max(self.likely.values())
        guessed = (
            f" Findings are guessed {100 * self.gain:.1f} points oftener than of others."
            if self.guessed
            else ""
        )
        caption = (
            f"{self.models} models of some of {self.n} people each, attacked by who knows all of them: "
            f"{worst:.1%} of members are found at {FALSE_POSITIVES:.0%} false positives, {likely:.1%} by the "
            f"whole curve, where {self.most:.0%} are allowed.{guessed}"
        )
        panel = Curves("Membership", *axes, (*curves, Curve("", (0.0, 1.0), (0.0, 1.0), marks="guide")))
        return Figure((panel,), caption)

    def transform_arrays(self) -> dict[str, Floats]:
        """Nothing: who comes after it is let through, and changes no column."""
        return {}


class ModelRisk(FederatedProtocol[ModelRiskSpec, ModelRiskResult], ColumnTransform[ModelRiskSpec]):
    """Membership and attribute inference on a model."""

    name = "model_risk"
    spec_type = ModelRiskSpec

    @site_step(
        varies=("folds", "fits"),
        n=Count(),
        scores=Moment(
            "attack", "side", "bin", at_most=50.0, what="how often members and others score in the bin"
        ),
        guesses=Moment(
            "side",
            "covariate",
            at_most=50.0,
            what="how often a 0/1 covariate of members and others is guessed",
        ),
        right=Moment("side", "covariate", at_most=50.0, what="how often rightly"),
    )
    def attacked(spec: ModelRiskSpec, table: AnalysisTable, folds: Integers, **fits: Array) -> Arrays:
        """Histograms of what each attack says of each person and model, and how findings are guessed."""
        table = table.select(~np.isnan(table.column(spec.model.outcome_name())))
        seen, chance, guessed = _scored(spec, table, folds, fits)
        known = ~np.isnan(chance).any(axis=0)
        seen, chance, y = seen[:, known], chance[:, known], table.column(spec.model.outcome_name())[known]
        by_attack = (-_loss(chance, y), _likelihood_ratio(seen, chance, y))
        return {
            "n": np.array(int(known.sum())),
            "scores": np.array(
                [_histogram(s, seen, REACH[a]) for a, s in zip(ATTACKS, by_attack, strict=True)]
            ),
            "guesses": np.array(
                [[float(np.sum(side & has[known])) for has, _ in guessed] for side in (seen, ~seen)]
            ),
            "right": np.array(
                [
                    [float(np.sum((side & has[known]) * hit[:, known])) for has, hit in guessed]
                    for side in (seen, ~seen)
                ]
            ),
        }

    def axes(self, spec: ModelRiskSpec) -> dict[str, int]:
        return {"attack": len(ATTACKS), "side": 2, "bin": BINS, "covariate": len(spec.covariates())}

    def coordinate(self, spec: ModelRiskSpec) -> Coordination[ModelRiskResult]:
        folds = folds_of(spec.scheme, ())
        fits = yield from fitted_by_fold(spec, folds)
        total = yield Ask("attacked", {"folds": folds.numbers, **stacked(fits)})
        check_people(spec, int(total["n"]), total.min_count)
        found = result(spec, len(folds.numbers), total.arrays)
        if spec.is_too_open(found):
            raise StudyError(
                Code.WITHHELD,
                f"the model tells too much of its people: {max(found.likely.values()):.1%} of members are "
                f"likely to be found at {FALSE_POSITIVES:.0%} false positives, and findings are guessed "
                f"{100 * found.gain:.1f} points oftener than of others",
                "use a simpler model, a penalty, fewer covariates, or more people",
            )
        return found

    def transform(
        self, spec: ModelRiskSpec, table: AnalysisTable, rows: Mask, **arrays: Array
    ) -> AnalysisTable:
        """The table as it is."""
        return table

    def method(self, spec: ModelRiskSpec) -> str:
        model = protocol(spec.model.protocol).method(spec.model)
        number = folds_of(spec.scheme, ()).numbers.size
        return (
            "Membership inference by loss (Yeom et al. 2018) and by likelihood ratio (Carlini et al. 2022), "
            f"and attribute inference, on {number} models fitted without some of the people; a model is "
            f"released if at most {spec.most:.0%} of members are found at {FALSE_POSITIVES:.0%} false "
            f"positives. The model: {model}"
        )

    def about(self, spec: ModelRiskSpec) -> str:
        return "Attacks on models without some of the people, by who knows all of them; for each model:"


def _scored(
    spec: ModelRiskSpec, table: AnalysisTable, folds: Integers, fits: Mapping[str, Array]
) -> tuple[Mask, Floats, list[tuple[Mask, Floats]]]:
    """What each model says of each person here.

    Returns:
        (models, n) whether the model saw the person; (models, n) its chance of the outcome; and for each
        covariate (n,) who has 0 or 1, with (models, n) 1 where it is guessed rightly and 0.5 at a tie.
    """
    seen, chance, others = [], [], []
    for f, number in enumerate(folds):
        rows = ~spec.scheme.held_out(table, int(number))
        own = {name: array[f] for name, array in fits.items()}
        made = table
        for part, before in spec.preparations().items():
            made = transformed(before, made, rows, arrays_named(".".join(part), own))
        model = arrays_named("model", own)
        seen.append(rows)
        p = score(spec.model, made, model)
        chance.append(p)
        others.append([score(spec.model, turned, model) if turned else p for turned in _turned(spec, made)])
    p, y = np.array(chance), table.column(spec.model.outcome_name())
    guessed = []
    for j, name in enumerate(spec.covariates()):
        turned = np.array([other[j] for other in others]).reshape(p.shape)
        guessed.append((_has(table, name), _righter(p, turned, y)))
    return np.array(seen), p, guessed


def _has(table: AnalysisTable, name: str) -> Mask:
    """(n,) who has 0 or 1 of a variable that has no other values here; nobody, of any other variable."""
    values = table.columns.get(name, np.full(len(table), np.nan))
    has = np.isin(values, (0.0, 1.0))
    return has if (has | np.isnan(values)).all() else np.zeros_like(has)


def _turned(spec: ModelRiskSpec, table: AnalysisTable) -> Iterator[AnalysisTable | None]:
    """For each 0/1 covariate the table with both exchanged in it; None for another one."""
    for name in spec.covariates():
        binary = _has(table, name).any()
        yield table.with_columns({name: 1 - table.column(name)}) if binary else None


def _righter(p: Floats, other: Floats, y: Floats) -> Floats:
    """(models, n) 1 where the outcome is likelier with a person's own value than with the other one."""
    own, turned = np.where(y == 1, p, 1 - p), np.where(y == 1, other, 1 - other)
    return np.where(own == turned, 0.5, (own > turned).astype(np.float64))


def _loss(p: Floats, y: Floats) -> Floats:
    """(models, n) minus the logarithm of the chance of what each person has."""
    return np.asarray(-np.log(np.clip(np.where(y == 1, p, 1 - p), _SURE, 1)), dtype=np.float64)


def _likelihood_ratio(seen: Mask, p: Floats, y: Floats) -> Floats:
    """(models, n) log likelihood of a score among the other models that saw the person, less among the rest.

    Both are normal, with one variance each for all people of the site: LiRA with few shadow models.
    """
    own = np.clip(np.where(y == 1, p, 1 - p), _SURE, 1 - _SURE)
    logit = np.log(own / (1 - own))
    found: Floats = np.zeros(logit.shape)
    for side, sign in ((seen, 1.0), (~seen, -1.0)):
        count = side.sum(axis=0) - side
        mean = ((logit * side).sum(axis=0) - logit * side) / np.maximum(count, 1)
        apart = (logit - logit.sum(axis=0, where=side) / np.maximum(side.sum(axis=0), 1)) ** 2
        spread = max(float((apart * side).sum() / max(side.sum() - logit.shape[1], 1)), _SURE)
        found += sign * (-0.5 * (logit - mean) ** 2 / spread - 0.5 * np.log(spread))
    return found


def _histogram(scores: Floats, seen: Mask, reach: float) -> Floats:
    """(2, BINS) how often members, and others, have a score in each bin, the smallest first."""
    at = np.clip(((scores + reach) / (2 * reach) * BINS).astype(np.int64), 0, BINS - 1)
    return np.array([np.bincount(at[side], minlength=BINS) for side in (seen, ~seen)], dtype=np.float64)


def result(spec: ModelRiskSpec, models: int, total: Mapping[str, Any]) -> ModelRiskResult:
    """The result of joined histograms.

    Raises:
        StudyError: withheld; nobody is on one side.
    """
    scores = np.asarray(total["scores"])
    if (scores.sum(axis=2) == 0).any():
        raise StudyError(Code.WITHHELD, "nobody is left out of the models", "widen the cohort")
    rates = {name: _rates(scores[a]) for a, name in enumerate(ATTACKS)}
    share = np.asarray(total["right"]) / np.maximum(np.asarray(total["guesses"]), 1)
    is_guessed = np.asarray((np.asarray(total["guesses"]) > 0).all(axis=0))
    gains = (share[0] - share[1])[is_guessed]
    auc = {name: float(np.trapezoid(tpr, fpr)) for name, (fpr, tpr) in rates.items()}
    return ModelRiskResult(
        n=int(total["n"]),
        models=models,
        found={name: float(tpr[fpr <= FALSE_POSITIVES].max()) for name, (fpr, tpr) in rates.items()},
        auc=auc,
        likely={name: _likely(area) for name, area in auc.items()},
        false_positive_rate={name: fpr for name, (fpr, _) in rates.items()},
        true_positive_rate={name: tpr for name, (_, tpr) in rates.items()},
        gain=float(gains.mean()) if len(gains) else 0.0,
        guessed=tuple(name for name, one in zip(spec.covariates(), is_guessed, strict=True) if one),
        most=spec.most,
        most_gain=spec.most_gain,
    )


def _likely(auc: float) -> float:
    """The share of members at 1 % false positives by normal scores of one spread with that area (0 to 1)."""
    apart = np.sqrt(2) * ndtri(np.clip(auc, _SURE, 1 - _SURE))
    return float(ndtr(apart + ndtri(FALSE_POSITIVES)))


def _lower(share: float, n: int) -> float:
    """The lower end of a share's 90 % interval (Wilson 1927)."""
    z2 = ndtri(0.95) ** 2 / n
    return float((share + z2 / 2 - np.sqrt(z2 * (share * (1 - share) + z2 / 4))) / (1 + z2))


def _rates(counts: Floats) -> tuple[Floats, Floats]:
    """The (points,) shares of others and of members above each edge, from (0, 0) to (1, 1)."""
    above = np.concatenate([np.zeros((2, 1)), counts[:, ::-1].cumsum(axis=1)], axis=1)
    kept = np.concatenate([[True], counts[:, ::-1].any(axis=0)])
    tpr, fpr = (above / above[:, -1:])[:, kept]
    return fpr, tpr


def is_passed(spec: ModelRiskSpec, model: object, most: float) -> bool:
    """Whether a model comes only after attacks on this very one, with a line as strict."""
    return spec.model == model and not spec.prepare and spec.most <= most


def gates(before: Sequence[object], model: object, most: float) -> bool:
    """Whether one of the analyses before a model is such a gate."""
    return any(isinstance(spec, ModelRiskSpec) and is_passed(spec, model, most) for spec in before)
