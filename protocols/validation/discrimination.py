"""How well a model that was fitted on other people tells who has the outcome: ROC, AUC, calibration.

The model, and its harmonization if it has one, are fitted inside folds: k folds of people by keyed hash, once
or again and again, each hospital left out in turn, or named hospitals that judge alone. All folds advance
together, so they cost the rounds of one. Each site scores its own people by the model that never saw them,
and answers with counts of scores on public edges.

Exact with respect to its definition, the histogram. The AUC counts two people whose scores share a bin as a
tie, so it differs from the AUC of the scores themselves by at most `auc_bound`: half the share of
pairs (one with the outcome, one without) that fall into the same bin.

Reference: see `protocols/estimation/roc.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from protocols.core.cells import gathered, parts, parts_of
from protocols.core.disclosure import SUPPRESSED, Array, Count, Flag, Moment, Statistic
from protocols.core.errors import Code
from protocols.core.figure import Estimates, Figure, Panel
from protocols.core.protocol import Arrays, Coordination, FederatedProtocol, protocol, site_step
from protocols.core.roles import JudgesSites, Model, PredictsProbability, Transforms
from protocols.core.site_step import Times
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.estimation.heterogeneity import auc_se, heterogeneity
from protocols.estimation.outcome import same_outcome
from protocols.estimation.roc import bin_of, delong, histogram_of, merged, pairs_of, recalibration, roc
from protocols.preparation.combat import CombatSpec
from protocols.results.numerals import shown_p
from protocols.results.validation_figures import Roc, calibration_panel, roc_panel, site_panel
from protocols.survival.life_table import runs
from protocols.validation.left_out import (
    chosen_folds,
    clear_notes,
    runs_of_all,
    scored_sites,
    sites_are_left_out,
    smaller_class,
)
from protocols.validation.out_of_fold import (
    Part,
    ValidatedProbability,
    check_people,
    chosen_by,
    fitted_by_fold,
    mean_of_repeats,
    once_per_repeat,
    scored,
    scored_by_fold,
)

MEASURES = (
    "auc",
    "auc_bound",
    "auc_by_fold",
    "auc_se",
    "auc_lower",
    "auc_upper",
    "brier",
    "expected",
    "calibration_intercept",
    "calibration_slope",
)
"""What is averaged over repeated folds."""


class DiscriminationSpec(ValidatedProbability):
    """A model and how it is validated.

    Attributes:
        model: what is fitted: a protocol that gives probabilities.
        harmonize: what is fitted before it, on the same people, after what `prepare` names.
        bins: of equal width from 0 to 1 in the pooled score histogram.
        cells: of equal width in a left-out site's own histogram, before neighbours are joined.
        min_cell: people of either class in each cell that sites show; not below their own floors.
    """

    protocol: Literal["discrimination"] = "discrimination"
    model: Model[PredictsProbability]
    harmonize: CombatSpec | None = None
    bins: int = Field(default=200, ge=10, le=10_000)
    cells: int = Field(default=20, ge=2, le=100)
    min_cell: int = Field(default=10, ge=10)

    def preparations(self) -> Mapping[Part, Transforms]:
        harmonize: dict[Part, Transforms] = {("harmonize",): self.harmonize} if self.harmonize else {}
        return {**super().preparations(), **harmonize}

    def fitted_models(self) -> Mapping[Part, PredictsProbability]:
        return {("model",): self.model}


@dataclass(frozen=True)
class LeftOut:
    """How the model trained on the other sites did at one site, from what the site shows in the clear.

    Attributes:
        n, n_events: people scored.
        auc: of the scores themselves at this site, ties half.
        mean_predicted, mean_observed: the mean probability, and the share with the outcome.
        false_positive_rate, true_positive_rate: (points,) of a coarse ROC, from (0, 0) to (1, 1).
    """

    n: int
    n_events: int
    auc: float
    mean_predicted: float
    mean_observed: float
    false_positive_rate: Floats
    true_positive_rate: Floats


@dataclass(frozen=True)
class DiscriminationResult(JudgesSites):
    """Out-of-fold performance over all people scored, and by left-out site.

    Attributes:
        folds: (fold,) names: "1 of 5", or the site left out.
        terms, coef: (p,) names and (fold, p) coefficients of the model of each fold, if it has any.
        n, n_events: people scored, and those of them with the outcome.
        edges: (bins + 1,) of the score histogram; negatives, positives: (bins,) people, neighbours merged
            into the first until each has `min_cell` of both classes, the rest 0.
        auc: ties half; auc_bound: how far the AUC of the unbinned scores can be from it. That of a weak model
            is biased downwards, since a fold with more cases has a lower rate in its training set.
        auc_by_fold: of pairs within a fold and a hospital, over all of them: without that bias; or NaN.
        auc_se, auc_lower, auc_upper: DeLong, 95 %.
        false_positive_rate, true_positive_rate: (bins + 1,) of the merged ROC, from (0, 0) to (1, 1).
        brier: mean squared difference of probability and outcome.
        observed, expected: people with the outcome, and the sum of probabilities.
        calibration_intercept, calibration_slope: of the outcome on the score's log odds (bin means).
        calibration_n, calibration_predicted, calibration_observed: (10,) the calibration curve by tenths; of
            one with fewer people than `min_cell` the number is -1 and the others are NaN.
        by_site: site -> how the model trained on the other sites did there.
        not_judged: site -> why it was not left out, or did not show its part.
        chosen: (fold,) the candidate that was chosen, where the model is tuned.
        by_repeat: measure -> (repeats,) of each, where folds are repeated; `MEASURES` are their means then,
            counts, the ROC and the calibration curve those of the first.

    >>> from protocols.exchange.example import run_example
    >>> model = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}
    >>> found = run_example(protocol="discrimination", model=model)
    >>> found.summary()[["n", "auc", "lower", "upper"]].round(2)
                  n  auc  lower  upper
    all scored  340  0.8   0.75   0.84
    """

    folds: tuple[str, ...]
    terms: tuple[str, ...]
    coef: Floats
    n: int
    n_events: int
    edges: Floats
    negatives: Integers
    positives: Integers
    auc: float
    auc_bound: float
    auc_by_fold: float
    auc_se: float
    auc_lower: float
    auc_upper: float
    false_positive_rate: Floats
    true_positive_rate: Floats
    brier: float
    observed: float
    expected: float
    calibration_intercept: float
    calibration_slope: float
    calibration_n: Integers
    calibration_predicted: Floats
    calibration_observed: Floats
    by_site: Mapping[str, LeftOut]
    not_judged: Mapping[str, Code]
    chosen: tuple[str, ...]
    by_repeat: Mapping[str, Floats] = field(default_factory=dict)

    def summary(self) -> pd.DataFrame:
        pooled = {"n": self.n, "n_events": self.n_events, "auc": self.auc, "lower": self.auc_lower}
        pooled |= {"upper": self.auc_upper, "brier": self.brier}
        rows = {"all scored": pooled}
        for site, found in self.by_site.items():
            rows[site] = {"n": found.n, "n_events": found.n_events, "auc": found.auc}
        return pd.DataFrame.from_dict(rows, orient="index")

    def figure(self) -> Figure:
        curves = [Roc("all people", self.false_positive_rate, self.true_positive_rate, self.auc)]
        curves += [
            Roc(f"{site} left out", there.false_positive_rate, there.true_positive_rate, there.auc)
            for site, there in self.by_site.items()
        ]
        calibration = (self.calibration_predicted, self.calibration_observed, self.calibration_n)
        panels: tuple[Panel, ...] = (roc_panel(curves), calibration_panel(*calibration), *self._sites())
        caption = "Out-of-fold ROC curve and calibration; tenths with too few people are not shown."
        if self.by_site:
            caption += " A hospital shows coarse points of its curve only."
        if not all(roc.has_points for roc in curves):
            caption += (
                " Dotted: no point of the hospital's curve has enough people on both sides; the curve is the "
                "one that normally distributed scores would have with its AUC."
            )
        return Figure(panels, caption)

    def _sites(self) -> tuple[Estimates, ...]:
        """A forest of the AUC at each site that was left out, with how much the sites differ."""
        if len(self.by_site) < 2:
            return ()
        areas = {
            site: (there.auc, auc_se(there.auc, there.n, there.n_events))
            for site, there in self.by_site.items()
        }
        found = heterogeneity(*zip(*areas.values(), strict=True))
        differ = f": I² {found.i_squared:.0%}, {shown_p(found.p)} for equal areas" if found else ""
        return (site_panel(f"Each hospital left out{differ}", "AUC", areas, 0.5),)


class Discrimination(FederatedProtocol[DiscriminationSpec, DiscriminationResult]):
    """Cross-validated discrimination and calibration."""

    name = "discrimination"
    version = "2"
    spec_type = DiscriminationSpec

    @site_step(clear=sites_are_left_out, summed=False, smaller=Count(what="people in the smaller class"))
    def classes(spec: DiscriminationSpec, table: AnalysisTable) -> Arrays:
        """How many people are in the smaller class here: whether this site can be left out and judged."""
        return smaller_class(spec, table)

    @site_step(
        times=once_per_repeat,
        varies=("folds", "fits"),
        n=Count(),
        histogram=Count("class", "bin", of="n", what="people with a score in the bin"),
        predicted=Moment("bin", what="sums of scores"),
        squares=Moment(at_most=1.0, what="sum of squared errors"),
        pairs=Moment("pair", what="pairs within a fold and a hospital, and those in the right order"),
    )
    def scores(spec: DiscriminationSpec, table: AnalysisTable, folds: Integers, **fits: Array) -> Arrays:
        """The histogram of out-of-fold scores by class, their sums by bin, and the sum of squared errors."""
        parts = [(y, p) for y, (p,) in scored_by_fold(spec, table, folds, fits)]
        y = np.concatenate([np.zeros(0), *(outcome for outcome, _ in parts)])
        p = np.concatenate([np.zeros(0), *(chance for _, chance in parts)])
        bins = bin_of(p, spec.bins)
        return {
            "pairs": np.sum([pairs_of(y, p) for y, p in parts], axis=0) + np.zeros(2),
            "n": np.array(len(y)),
            "histogram": histogram_of(y, bins, spec.bins),
            "predicted": np.bincount(bins, p, minlength=spec.bins).astype(float),
            "squares": np.array(((p - y) ** 2).sum()),
        }

    @site_step(
        times=lambda spec: Times.where(sites_are_left_out(spec)),
        varies=("folds", "fits"),
        few=Flag("class", "part", what="sites with too few people in parts of the axis to show them"),
    )
    def hidden(spec: DiscriminationSpec, table: AnalysisTable, folds: Integers, **fits: Array) -> Arrays:
        """In which parts fewer than `min_cell` people of a class are; in none if nobody is judged here."""
        counts = _in_cells(spec, *scored(spec, table, folds, fits))
        return {"few": ((parts_of(counts) < spec.min_cell) & counts.any()).astype(np.int64)}

    @site_step(
        times=Times(0, 1),
        clear=sites_are_left_out,
        summed=False,
        smaller=Count(what="people in the smaller class"),
        people=Count("class"),
        cells=Count("class", "cell", what="people with a score in the cell"),
        auc=Statistic(behind="smaller", what="AUC"),
        mean_predicted=Statistic(behind="smaller", what="mean score"),
    )
    def left_out(
        spec: DiscriminationSpec, table: AnalysisTable, folds: Integers, last: Integers, **fits: Array
    ) -> Arrays:
        """How this site's people were scored by the model trained on the other sites, for the clear.

        The (cell,) `last` ones are of runs in which every site has `min_cell` people of either class. The sum
        stands in them, and the others are 0, which the gate shows as suppressed.
        """
        runs(last, spec.cells)
        y, p = scored(spec, table, folds, fits)
        people = np.array([(y == 0).sum(), (y == 1).sum()])
        judged = people.min() > 0
        every, ordered = pairs_of(y, p[0])
        return {
            "smaller": np.array(people.min()),
            "people": people,
            "cells": gathered(_in_cells(spec, y, p), last),
            "auc": np.array(ordered / every if judged else 0.5),
            "mean_predicted": np.array(p[0].mean() if judged else 0.5),
        }

    def axes(self, spec: DiscriminationSpec) -> dict[str, int]:
        return {"class": 2, "bin": spec.bins, "cell": spec.cells, "part": parts(spec.cells), "pair": 2}

    def coordinate(self, spec: DiscriminationSpec) -> Coordination[DiscriminationResult]:
        folds, not_judged = yield from chosen_folds(spec)
        fits = yield from fitted_by_fold(spec, folds)
        totals, by_site, silent = yield from scored_sites(folds, fits, runs_of_all, _left_out)
        check_people(spec, int(totals[0]["n"]), totals[0].min_count)
        not_judged = {**not_judged, **silent}
        found = [result(spec, folds.names, fits, total.arrays, by_site, not_judged) for total in totals]
        return mean_of_repeats(found, MEASURES)

    def method(self, spec: DiscriminationSpec) -> str:
        model = protocol(spec.model.protocol).method(spec.model)
        return (
            f"Validation {spec.scheme}: nobody is judged by a model that was trained on them, and what "
            "prepares columns is estimated inside each training set. AUC with DeLong's standard error "
            f"(1988), calibration intercept and slope (Cox 1958), Brier score. The model: {model}"
        )

    def about(self, spec: DiscriminationSpec) -> str:
        return f"Validation of a model, {spec.scheme}; for each fold:"

    def notes(self, spec: DiscriminationSpec) -> Sequence[str]:
        return clear_notes(spec)


def _in_cells(spec: DiscriminationSpec, y: Floats, p: Floats) -> Integers:
    """The (class, cell) people by the (n,) outcome and the (1, n) chance."""
    return histogram_of(y, bin_of(p[0], spec.cells), spec.cells)


def _left_out(shown: Arrays) -> LeftOut | None:
    """What a left-out site showed; None where its gate removed anything from it."""
    cells = np.where(shown["cells"] == SUPPRESSED, 0, shown["cells"]).astype(np.int64)
    people = shown["people"].astype(np.int64)
    if np.isnan(shown["auc"]) or (cells.sum(axis=1) != people).any():
        return None
    fpr, tpr = roc(cells[:, cells.sum(axis=0) > 0])
    n, events = int(people.sum()), int(people[1])
    return LeftOut(n, events, float(shown["auc"]), float(shown["mean_predicted"]), events / n, fpr, tpr)


def result(
    spec: DiscriminationSpec,
    folds: tuple[str, ...],
    fits: Sequence[Mapping[str, Array]],
    total: Arrays,
    by_site: Mapping[str, LeftOut],
    not_judged: Mapping[str, Code],
) -> DiscriminationResult:
    """The result of a joined histogram.

    Raises:
        StudyError: separation; everybody who was scored is of one class.
    """
    histogram = np.asarray(total["histogram"], dtype=np.int64)
    predicted = np.asarray(total["predicted"], dtype=np.float64)
    negatives, positives = histogram
    n, events = int(histogram.sum()), int(positives.sum())
    if events in (0, n):
        raise same_outcome(spec.outcome(), "everybody scored")
    auc, se = delong(histogram)
    shown = merged(histogram, spec.min_cell)
    fpr, tpr = roc(shown)
    intercept, slope = recalibration(histogram, predicted)
    tenth = np.minimum(np.arange(spec.bins) * 10 // spec.bins, 9)
    in_tenth, events_in, sum_in = (
        np.bincount(tenth, weights, 10) for weights in (negatives + positives, positives, predicted)
    )
    enough = np.where(in_tenth >= spec.min_cell, in_tenth, np.nan)
    return DiscriminationResult(
        folds=folds,
        terms=spec.model.terms(),
        coef=np.array([fit.get("model.coef", np.zeros(0)) for fit in fits], dtype=np.float64),
        n=n,
        n_events=events,
        edges=np.linspace(0, 1, spec.bins + 1),
        negatives=shown[0],
        positives=shown[1],
        auc=auc,
        auc_bound=float(0.5 * (positives @ negatives) / (events * (n - events))),
        auc_by_fold=float(total["pairs"][1] / total["pairs"][0]) if total["pairs"][0] else float("nan"),
        auc_se=se,
        auc_lower=max(auc - 1.959963984540054 * se, 0.0),
        auc_upper=min(auc + 1.959963984540054 * se, 1.0),
        false_positive_rate=fpr,
        true_positive_rate=tpr,
        brier=float(total["squares"] / n),
        observed=float(events),
        expected=float(predicted.sum()),
        calibration_intercept=intercept,
        calibration_slope=slope,
        calibration_n=np.where(in_tenth >= spec.min_cell, in_tenth, SUPPRESSED).astype(np.int64),
        calibration_predicted=sum_in / enough,
        calibration_observed=events_in / enough,
        by_site=by_site,
        not_judged=not_judged,
        chosen=chosen_by(spec.model, "model", fits),
    )
