"""What acting on a model would be worth: net benefit by threshold, and whom a new model reclassifies.

Models, and all that comes before them, are fitted inside folds; each site scores its own people by models
that never saw them and counts, at public thresholds, true and false positives. Exact: sums of counts.

Reference: Vickers & Elkin, Med Decis Making 26 (2006) 565, eq. 1; Pencina et al., Stat Med 27 (2008) 157 and
30 (2011) 11 for net reclassification and discrimination improvement; DeLong et al., Biometrics 44 (1988) 837.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator
from scipy import stats

from protocols.core.disclosure import Array, Count, Moment
from protocols.core.figure import Figure
from protocols.core.protocol import (
    Arrays,
    Coordination,
    FederatedProtocol,
    Result,
    site_step,
)
from protocols.core.roles import Model, PredictsProbability
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.core.variables import Name
from protocols.core.wording import listed
from protocols.estimation.outcome import same_outcome
from protocols.estimation.roc import bin_of, delong_difference, histogram_of
from protocols.results.figures import net_benefit
from protocols.validation.left_out import chosen_folds, clear_notes, sites_are_left_out, smaller_class
from protocols.validation.net_benefit import THRESHOLDS, Threshold, ascend, net_benefit_table
from protocols.validation.out_of_fold import (
    Part,
    ValidatedProbability,
    check_people,
    fitted_by_fold,
    mean_of_repeats,
    once_per_repeat,
    scored,
)

MEASURES = ("net_benefit", "treat_all", "standardized", "avoided")
"""What is averaged over repeated folds."""


class DecisionCurveSpec(ValidatedProbability):
    """Models of one outcome, and the thresholds at which one would act.

    Attributes:
        models: by name, protocols that give probabilities of the same outcome.
        thresholds: probabilities from which on one would act.
        reference: the model to which the others are compared; without one, none is compared.
        categories: thresholds between the risk categories of net reclassification.
        bins: of equal width from 0 to 1, in which AUCs are compared.
    """

    protocol: Literal["decision_curve"] = "decision_curve"
    models: dict[Name, Model[PredictsProbability]] = Field(min_length=1, max_length=10)
    thresholds: tuple[Threshold, ...] = Field(default=THRESHOLDS, min_length=1, max_length=99)
    reference: Name | None = None
    categories: tuple[Threshold, ...] = Field(default=(0.5,), min_length=1, max_length=9)
    bins: int = Field(default=100, ge=10, le=200)

    @model_validator(mode="after")
    def _agree(self) -> "DecisionCurveSpec":
        if self.reference is not None and self.reference not in self.models:
            raise ValueError(f"there is no model {self.reference}")
        if len({model.outcome_name() for model in self.models.values()}) > 1:
            raise ValueError("the models have different outcomes")
        ascend(thresholds=self.thresholds, categories=self.categories)
        return self

    def names(self) -> tuple[str, ...]:
        """The models in the order of the result's axes."""
        return tuple(sorted(self.models))

    def compared(self) -> tuple[str, ...]:
        """The models that are compared with the reference."""
        return tuple(name for name in self.names() if self.reference not in (None, name))

    def fitted_models(self) -> Mapping[Part, PredictsProbability]:
        return {("models", name): self.models[name] for name in self.names()}


@dataclass(frozen=True)
class Reclassification:
    """What a model changes beside the reference; "net" counts moves in the right direction less others.

    Attributes:
        tables: (class, old category, new category) people, class 0 without the outcome, 1 with it.
        events, nonevents: net share of those with, and without, the outcome who move rightly.
        nri, nri_se, nri_p: their sum, its standard error, and two-sided p-value if nothing changed.
        continuous_nri, continuous_se: of any change of the probability.
        idi, idi_se, idi_p: integrated discrimination improvement.
        auc, auc_reference: of binned probabilities, ties half.
        auc_difference, auc_se, auc_p: their difference, its standard error and p-value after DeLong.
    """

    tables: Integers
    events: float
    nonevents: float
    nri: float
    nri_se: float
    nri_p: float
    continuous_nri: float
    continuous_se: float
    idi: float
    idi_se: float
    idi_p: float
    auc: float
    auc_reference: float
    auc_difference: float
    auc_se: float
    auc_p: float


@dataclass(frozen=True)
class DecisionCurveResult(Result):
    """Net benefit of models by threshold, out of fold.

    Attributes:
        models: (m,) names; thresholds: (t,).
        n, n_events: people scored, and those of them with the outcome.
        true_positives, false_positives: (m, t) people.
        net_benefit: (m, t); treat_all: (t,) of acting on everybody; acting on nobody has 0.
        standardized: (m, t) net benefit over the prevalence.
        avoided: (m, t) needless actions avoided for 100 people, beside acting on everybody.
        reclassified: model -> beside the reference.
        by_repeat: measure -> (repeats, ...) of each, where folds are repeated; `MEASURES` are their means
            then, counts and reclassification those of the first.

    >>> from protocols.exchange.example import run_example
    >>> model = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}
    >>> found = run_example(protocol="decision_curve", models={"model": model}, thresholds=[0.3, 0.5])
    >>> found.summary().round(2)
               model  treat_all  treat_none
    threshold
    0.3   0.33       0.26         0.0
    0.5   0.21      -0.03         0.0
    """

    models: tuple[str, ...]
    thresholds: Floats
    n: int
    n_events: int
    true_positives: Integers
    false_positives: Integers
    net_benefit: Floats
    treat_all: Floats
    standardized: Floats
    avoided: Floats
    reclassified: Mapping[str, Reclassification]
    by_repeat: Mapping[str, Floats] = field(default_factory=dict)

    def summary(self) -> pd.DataFrame:
        """One row per threshold, one column per model."""
        return net_benefit_table(self.models, self.thresholds, self.net_benefit, self.treat_all)

    def figure(self) -> Figure:
        return Figure(
            (net_benefit(self.models, self.thresholds, self.net_benefit, self.treat_all),),
            f"Out-of-fold net benefit over {self.n} people; acting on nobody has a net benefit of 0.",
        )


class DecisionCurve(FederatedProtocol[DecisionCurveSpec, DecisionCurveResult]):
    """Cross-validated net benefit and net reclassification."""

    name = "decision_curve"
    spec_type = DecisionCurveSpec

    @site_step(clear=sites_are_left_out, summed=False, smaller=Count(what="people in the smaller class"))
    def classes(spec: DecisionCurveSpec, table: AnalysisTable) -> Arrays:
        """How many people are in the smaller class here: whether this site can be left out and judged."""
        return smaller_class(spec, table)

    @site_step(
        times=once_per_repeat,
        varies=("folds", "fits"),
        n=Count(),
        people=Count("class", of="n"),
        positive=Count("class", "model", "threshold", of="n", what="people above the threshold"),
        moved=Count(
            "class",
            "compared",
            "category",
            "category",
            of="n",
            what="people by the old and the new risk category",
        ),
        up_down=Count("class", "compared", "direction", of="n", what="people whose risk rises or falls"),
        joint=Count(
            "compared", "class", "bin_old", "bin_new", of="n", what="people by the old and the new risk"
        ),
        gain=Moment("class", "compared", what="sums of changes of the risk"),
        gain_square=Moment("class", "compared", what="sums of squares of changes of the risk"),
    )
    def counts(spec: DecisionCurveSpec, table: AnalysisTable, folds: Integers, **fits: Array) -> Arrays:
        """Who would be acted on at each threshold, and how people move from the reference to each model."""
        y, p = scored(spec, table, folds, fits)
        of_class = (y == 0, y == 1)
        acted = p[:, None] >= np.array(spec.thresholds)[:, None]  # (model, threshold, person)
        names, size = spec.names(), len(spec.categories) + 1
        old = p[names.index(spec.reference)] if spec.reference else np.zeros(len(y))
        new = p[[names.index(name) for name in spec.compared()]]
        cells = np.searchsorted(spec.categories, old, side="right") * size
        cells = cells + np.searchsorted(spec.categories, new, side="right")
        moved = [[np.bincount(c[rows], minlength=size**2) for c in cells] for rows in of_class]
        change = new - old
        up, down = (change > 0), (change < 0)
        return {
            "n": np.array(len(y)),
            "people": np.array([rows.sum() for rows in of_class]),
            "positive": np.array([acted[:, :, rows].sum(axis=2) for rows in of_class]),
            "moved": np.array(moved, dtype=np.int64).reshape(2, len(new), size, size),
            "up_down": np.array(
                [np.stack([up[:, r].sum(axis=1), down[:, r].sum(axis=1)], axis=-1) for r in of_class]
            ),
            "joint": np.array([_joint(y, old, p, spec.bins) for p in new], dtype=np.int64).reshape(
                len(new), 2, spec.bins, spec.bins
            ),
            "gain": np.array([change[:, rows].sum(axis=1) for rows in of_class]),
            "gain_square": np.array([(change[:, rows] ** 2).sum(axis=1) for rows in of_class]),
        }

    def axes(self, spec: DecisionCurveSpec) -> dict[str, int]:
        return {
            "class": 2,
            "direction": 2,
            "model": len(spec.models),
            "threshold": len(spec.thresholds),
            "compared": len(spec.compared()),
            "category": len(spec.categories) + 1,
            "bin_old": spec.bins,
            "bin_new": spec.bins,
        }

    def coordinate(self, spec: DecisionCurveSpec) -> Coordination[DecisionCurveResult]:
        folds, _ = yield from chosen_folds(spec)
        fits = yield from fitted_by_fold(spec, folds)
        totals = yield folds.questions("counts", fits)
        check_people(spec, int(totals[0]["n"]), totals[0].min_count)
        return mean_of_repeats([result(spec, total.arrays) for total in totals], MEASURES)

    def method(self, spec: DecisionCurveSpec) -> str:
        return (
            f"Decision curves (Vickers & Elkin 2006) of {listed(spec.models)}, {spec.scheme}: nobody is "
            "judged by a model that was trained on them; net reclassification and integrated "
            "discrimination improvement beside the reference (Pencina et al. 2008), where one is named."
        )

    def about(self, spec: DecisionCurveSpec) -> str:
        return f"Decision curves, {spec.scheme}; for each fold:"

    def notes(self, spec: DecisionCurveSpec) -> Sequence[str]:
        return clear_notes(spec)


def result(spec: DecisionCurveSpec, total: Arrays) -> DecisionCurveResult:
    """The result of joined counts.

    Raises:
        StudyError: separation; everybody who was scored is of one class.
    """
    n, (without, events) = int(total["n"]), (int(x) for x in total["people"])
    if 0 in (without, events):
        raise same_outcome(spec.outcome(), "everybody scored")
    cut = np.array(spec.thresholds)
    odds = cut / (1 - cut)
    false, true = (np.asarray(counts, dtype=np.int64) for counts in total["positive"])
    benefit = true / n - false / n * odds
    treat_all = events / n - without / n * odds
    changes = {
        name: _reclassification(total, k, np.array([without, events], dtype=np.float64))
        for k, name in enumerate(spec.compared())
    }
    return DecisionCurveResult(
        models=spec.names(),
        thresholds=cut,
        n=n,
        n_events=events,
        true_positives=true,
        false_positives=false,
        net_benefit=benefit,
        treat_all=treat_all,
        standardized=benefit * n / events,
        avoided=100 * (benefit - treat_all) / odds,
        reclassified=changes,
    )


def _reclassification(total: Arrays, k: int, people: Floats) -> Reclassification:
    """What model k changes; `people` without and with the outcome."""
    tables = np.asarray(total["moved"], dtype=np.int64)[:, k]
    upward = np.array([np.triu(table, 1).sum() for table in tables])
    downward = np.array([np.tril(table, -1).sum() for table in tables])
    net, variance = _net(upward, downward, people)
    by_chance = float(np.sqrt(((upward + downward) / people**2).sum()))  # Pencina 2008, eq. 8
    changed = np.asarray(total["up_down"], dtype=np.int64)[:, k]
    any_net, any_variance = _net(changed[:, 0], changed[:, 1], people)
    nri, se = float(net.sum()), float(np.sqrt(variance.sum()))
    gain = total["gain"][:, k] / people
    spread = (total["gain_square"][:, k] / people - gain**2) / (people - 1)
    old_auc, new_auc, auc_se = delong_difference(np.asarray(total["joint"], dtype=np.int64)[k])
    idi, idi_se = float(gain[1] - gain[0]), float(np.sqrt(np.maximum(spread, 0).sum()))
    return Reclassification(
        tables=tables,
        events=float(net[1]),
        nonevents=float(net[0]),
        nri=nri,
        nri_se=se,
        nri_p=_p(nri, by_chance),
        continuous_nri=float(any_net.sum()),
        continuous_se=float(np.sqrt(any_variance.sum())),
        idi=idi,
        idi_se=idi_se,
        idi_p=_p(idi, idi_se),
        auc=new_auc,
        auc_reference=old_auc,
        auc_difference=new_auc - old_auc,
        auc_se=auc_se,
        auc_p=_p(new_auc - old_auc, auc_se),
    )


def _joint(y: Floats, old: Floats, new: Floats, bins: int) -> Integers:
    """(2, bins, bins) people by class, 0 then 1, and bins of both probabilities."""
    both = bin_of(old, bins) * bins + bin_of(new, bins)
    return histogram_of(y, both, bins**2).reshape(2, bins, bins)


def _net(upward: Integers, downward: Integers, people: Floats) -> tuple[Floats, Floats]:
    """The net share that moves rightly, without and with the outcome, and its variance (Pencina 2011)."""
    share = (upward - downward) / people
    variance = ((upward + downward) / people - share**2) / people
    return share * np.array([-1.0, 1.0]), variance


def _p(estimate: float, se: float) -> float:
    return float(2 * stats.norm.sf(abs(estimate) / se)) if se > 0 else float("nan")
