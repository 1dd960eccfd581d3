"""How well a model that was fitted on other people tells who has the outcome: ROC, AUC, calibration.

The model, and its harmonization if it has one, are fitted inside folds: k folds of people by keyed hash,
or each hospital left out in turn. All folds advance together, so they cost the rounds of one. Each site
scores its own people by the model that never saw them, and answers with counts of scores on public edges.

Exact with respect to its definition, the histogram. The AUC counts two people whose scores share a bin as a
tie, so it differs from the AUC of the scores themselves by at most `auc_bound`: half the share of
pairs (one with the outcome, one without) that fall into the same bin.

Reference: see `protocols/core/roc.py`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from protocols.combat import Combat, CombatSpec
from protocols.core.disclosure import SUPPRESSED, Array, Count, Moment, Statistic
from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import together
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    FederatedProtocol,
    PerSite,
    Result,
    Spec,
    Transform,
    ask,
    site_step,
    within,
)
from protocols.core.roc import bin_of, delong, exact_auc, histogram_of, merged, recalibration, roc
from protocols.core.table import AnalysisTable, Floats, Integers, Rows
from protocols.logistic import Logistic, LogisticSpec, probabilities


class ByFold(BaseModel):
    """People fall into folds by the keyed hash of the person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["folds"] = "folds"
    of: int = Field(default=5, ge=2, le=10)


class BySite(BaseModel):
    """Each hospital with enough people of both classes is left out in turn; the others always train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sites"] = "sites"


class DiscriminationSpec(Spec):
    """A model and how it is validated.

    Attributes:
        model: what is fitted.
        harmonize: what is fitted before it, on the same people.
        scheme: who is left out.
        bins: of equal width from 0 to 1 in the pooled score histogram.
        cells: of equal width in a left-out site's own histogram, before the site merges them.
        min_cell: people of either class in each cell that a site shows; not below its own floor.
    """

    protocol: Literal["discrimination"] = "discrimination"
    model: LogisticSpec
    harmonize: CombatSpec | None = None
    scheme: Annotated[ByFold | BySite, Field(discriminator="kind")] = ByFold()
    bins: int = Field(default=200, ge=10, le=10_000)
    cells: int = Field(default=20, ge=2, le=100)
    min_cell: int = Field(default=10, ge=10)

    def variables(self) -> tuple[str, ...]:
        harmonized = self.harmonize.variables() if self.harmonize else ()
        return tuple(dict.fromkeys((*self.model.variables(), *harmonized)))

    def admits(self, rows: Rows) -> bool:
        """Everybody, or the training rows of a fold of the scheme."""
        if rows.keep != "train":
            return super().admits(rows)
        if isinstance(self.scheme, ByFold):
            fold = Rows(keep="train", fold=rows.fold, of=self.scheme.of)
            return rows == fold and rows.fold is not None and rows.fold < self.scheme.of
        return rows == Rows(keep="train", site=rows.site) and rows.site is not None


@dataclass(frozen=True)
class LeftOut:
    """How the model of the others did at one site, from what the site shows in the clear.

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
class DiscriminationResult(Result):
    """Out-of-fold performance over all people scored, and by left-out site.

    Attributes:
        folds: (fold,) names: "1 of 5", or the site left out.
        terms, coef: (p,) names and (fold, p) coefficients of the model of each fold.
        n, n_events: people scored, and those of them with the outcome.
        edges: (bins + 1,) of the score histogram; negatives, positives: (bins,) people.
        auc: ties half; auc_bound: how far the AUC of the unbinned scores can be from it.
        auc_se, auc_lower, auc_upper: DeLong, 95 %.
        false_positive_rate, true_positive_rate: (bins + 1,) of the ROC, from (0, 0) to (1, 1).
        brier: mean squared difference of probability and outcome.
        observed, expected: people with the outcome, and the sum of probabilities.
        calibration_intercept, calibration_slope: of the outcome on the score's log odds (bin means).
        calibration_n, calibration_predicted, calibration_observed: (10,) the calibration curve by tenths.
        by_site: site -> how its people were told apart by the model of the others.
        not_judged: site -> why it was not left out, or did not show its part.
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

    def summary(self) -> pd.DataFrame:
        pooled = {"n": self.n, "n_events": self.n_events, "auc": self.auc, "lower": self.auc_lower}
        pooled |= {"upper": self.auc_upper, "brier": self.brier}
        rows = {"all scored": pooled}
        for site, found in self.by_site.items():
            rows[site] = {"n": found.n, "n_events": found.n_events, "auc": found.auc}
        return pd.DataFrame.from_dict(rows, orient="index")


class Discrimination(FederatedProtocol[DiscriminationSpec, DiscriminationResult]):
    """Cross-validated discrimination and calibration."""

    name = "discrimination"
    spec_type = DiscriminationSpec

    @site_step(smaller=Count())
    def classes(spec: DiscriminationSpec, table: AnalysisTable) -> Arrays:
        """How many people are in the smaller class here: whether this site can be left out and judged."""
        y = table.complete(spec.model.variables()).column(spec.model.outcome)
        return {"smaller": np.array(min((y == 0).sum(), (y == 1).sum()))}

    @site_step(n=Count(), histogram=Count("class", "bin", of="n"), predicted=Moment("bin"), squares=Moment())
    def scores(
        spec: DiscriminationSpec, table: AnalysisTable, folds: Integers, coef: Floats, **harmonize: Floats
    ) -> Arrays:
        """The histogram of out-of-fold scores by class, their sums by bin, and the sum of squared errors."""
        y, p = _scored(spec, table, folds, coef, harmonize)
        bins = bin_of(p, spec.bins)
        return {
            "n": np.array(len(y)),
            "histogram": histogram_of(y, bins, spec.bins),
            "predicted": np.bincount(bins, p, minlength=spec.bins).astype(float),
            "squares": np.array(((p - y) ** 2).sum()),
        }

    @site_step(
        smaller=Count(),
        people=Count("class"),
        cells=Count("class", "cell"),
        auc=Statistic(behind="smaller"),
        mean_predicted=Statistic(behind="smaller"),
    )
    def left_out(
        spec: DiscriminationSpec, table: AnalysisTable, folds: Integers, coef: Floats, **harmonize: Floats
    ) -> Arrays:
        """How this site's people were scored by the model of the others, for the clear.

        Neighbouring cells are merged until each has `min_cell` people of either class; the sum stands in
        the first of them, and the others are 0, which the gate shows as suppressed.
        """
        y, p = _scored(spec, table, folds, coef, harmonize)
        people = np.array([(y == 0).sum(), (y == 1).sum()])
        judged = people.min() > 0
        cells = histogram_of(y, bin_of(p, spec.cells), spec.cells)
        return {
            "smaller": np.array(people.min()),
            "people": people,
            "cells": merged(cells, spec.min_cell),
            "auc": np.array(exact_auc(y, p) if judged else 0.5),
            "mean_predicted": np.array(p.mean() if judged else 0.5),
        }

    def axes(self, spec: DiscriminationSpec) -> dict[str, int]:
        return {"class": 2, "bin": spec.bins, "cell": spec.cells}

    def coordinate(self, spec: DiscriminationSpec) -> Coordination[DiscriminationResult]:
        not_judged: dict[str, Code] = {}
        if isinstance(spec.scheme, BySite):
            classes = yield ask("classes", per_site=True)
            judged, not_judged = _judged(classes)
        else:
            judged = ()
        names, keys, training = _folds(spec, judged)
        fits = yield from together([_fit(spec, rows) for rows in training])
        arrays: dict[str, Array] = {"folds": keys, **_stacked(fits)}
        by_site: dict[str, LeftOut] = {}
        if judged:
            total, shown = yield Ask("scores", arrays), Ask("left_out", arrays, per_site=True)
            by_site, withheld = _shown(shown, judged)
            not_judged |= withheld
        else:
            total = yield Ask("scores", arrays)
        return result(spec, names, _stacked(fits)["coef"], total.arrays, by_site, not_judged)

    def pooled(self, spec: DiscriminationSpec, tables: Sequence[AnalysisTable]) -> DiscriminationResult:
        """The same folds, pooled fits and histogram on all rows in one place."""
        from sklearn.metrics import brier_score_loss, roc_auc_score  # for tests, not for sites

        judged: tuple[str, ...] = ()
        if isinstance(spec.scheme, BySite):
            enough = (t.site for t in tables if Discrimination.classes(spec, t)["smaller"] >= spec.min_cell)
            judged = tuple(sorted(enough))
        names, keys, training = _folds(spec, judged)
        fits = [_pooled_fit(spec, rows, tables) for rows in training]
        arrays = _stacked(fits)
        coef = arrays.pop("coef")
        scored = [_scored(spec, table, keys, coef, arrays) for table in tables]
        y, p = np.concatenate([y for y, _ in scored]), np.concatenate([p for _, p in scored])
        total = {
            "n": np.array(len(y)),
            "histogram": histogram_of(y, bin_of(p, spec.bins), spec.bins),
            "predicted": np.histogram(p, np.linspace(0, 1, spec.bins + 1), weights=p)[0],
            "squares": np.array(brier_score_loss(y, p) * len(y)),
        }
        found = result(spec, names, coef, total, {}, {})
        assert abs(found.auc - roc_auc_score(y, bin_of(p, spec.bins))) < 1e-12
        assert abs(found.auc - roc_auc_score(y, p)) <= found.auc_bound
        return found

    def describe(self, spec: DiscriminationSpec) -> Sequence[str]:
        folds = spec.scheme.of if isinstance(spec.scheme, ByFold) else None
        scheme = f"in {folds} folds of people" if folds else "each hospital left out in turn"
        harmonize = Combat().describe(spec.harmonize) if spec.harmonize else ()
        lines = [
            f"Validation of a model, {scheme}; for each fold:",
            *(f"  {line}" for line in (*harmonize, *Logistic().describe(spec.model))),
            "Leaves in a sum over sites, once: how many people of either class have a score in each of "
            f"{spec.bins} bins, the sums of scores by bin, and of squared errors.",
        ]
        if folds is None:
            lines.append(
                "Leaves in the clear, for this site: the number of people of each class, the AUC, the mean "
                f"score, a histogram of scores in cells of at least {spec.min_cell} people of each class; "
                "with fewer people nothing, and this site is not left out."
            )
        return lines


def _fit(spec: DiscriminationSpec, rows: Rows) -> Coordination[dict[str, Floats]]:
    """The model fitted on these rows of the columns harmonized on these rows: its arrays, for the sites."""
    transforms: tuple[Transform, ...] = ()
    arrays: dict[str, Floats] = {}
    if spec.harmonize:
        harmonized = yield from within(Combat().coordinate(spec.harmonize), part=("harmonize",), rows=rows)
        arrays |= harmonized.transform_arrays()
        transforms = (Transform("", ("harmonize",), rows, arrays),)
    model = Logistic().coordinate(spec.model)
    fitted = yield from within(model, part=("model",), rows=rows, transforms=transforms)
    return {**arrays, "coef": fitted.coef}


def _pooled_fit(spec: DiscriminationSpec, rows: Rows, tables: Sequence[AnalysisTable]) -> dict[str, Floats]:
    arrays: dict[str, Floats] = {}
    masks = [rows.mask(table) for table in tables]
    if spec.harmonize:
        train = [table.select(mask) for table, mask in zip(tables, masks, strict=True)]
        arrays |= Combat().pooled(spec.harmonize, train).transform_arrays()
        tables = [
            Combat().transform(spec.harmonize, table, mask, **arrays)
            for table, mask in zip(tables, masks, strict=True)
        ]
    train = [table.select(mask) for table, mask in zip(tables, masks, strict=True)]
    return {**arrays, "coef": Logistic().pooled(spec.model, train).coef}


def _stacked(fits: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    """The arrays of all folds, the fold as their first axis."""
    return {name: np.stack([fit[name] for fit in fits]) for name in fits[0]}


def _judged(classes: PerSite) -> tuple[tuple[str, ...], dict[str, Code]]:
    """The sites that can be left out, and why the others cannot.

    Raises:
        StudyError: too-few-sites; fewer than two can.
    """
    judged = [site for site, arrays in classes.answers.items() if arrays["smaller"] != SUPPRESSED]
    if len(judged) < 2:
        raise StudyError(Code.TOO_FEW_SITES, "fewer than two sites have people enough to be left out in turn")
    withheld = dict.fromkeys(set(classes.answers) - set(judged), Code.WITHHELD)
    return tuple(sorted(judged)), {**classes.withheld, **withheld}


def _folds(spec: DiscriminationSpec, judged: tuple[str, ...]) -> tuple[tuple[str, ...], Integers, list[Rows]]:
    """The names of the folds, the numbers by which a site knows them, and their training rows."""
    if isinstance(spec.scheme, ByFold):
        k = spec.scheme.of
        rows = [Rows(keep="train", fold=fold, of=k) for fold in range(k)]
        return tuple(f"{fold + 1} of {k}" for fold in range(k)), np.arange(k), rows
    keys = np.array([_site_number(site) for site in judged], dtype=np.int64)
    return judged, keys, [Rows(keep="train", site=site) for site in judged]


def _site_number(site: str) -> int:
    return int.from_bytes(hashlib.blake2b(site.encode(), digest_size=8).digest()) >> 1


def _scored(
    spec: DiscriminationSpec,
    table: AnalysisTable,
    folds: Integers,
    coef: Floats,
    harmonize: Mapping[str, Floats],
) -> tuple[Floats, Floats]:
    """Outcomes and out-of-fold probabilities of the people here, each by the model that never saw them."""
    outcomes, scores = [np.zeros(0)], [np.zeros(0)]
    for f, number in enumerate(folds):
        if isinstance(spec.scheme, ByFold):
            test = Rows(keep="test", fold=int(number), of=spec.scheme.of).mask(table)
        else:
            test = np.full(len(table), _site_number(table.site) == number)
        if not test.any():
            continue
        changed = table
        if spec.harmonize:
            # A site left out has no training rows: its batches' location and scale are its own people's.
            rows = ~test if not test.all() else test
            arrays = {name: array[f] for name, array in harmonize.items()}
            changed = Combat().transform(spec.harmonize, table, rows, **arrays)
        people = changed.select(test).complete(spec.model.variables())
        outcomes.append(people.column(spec.model.outcome))
        scores.append(probabilities(spec.model, people, coef[f]))
    return np.concatenate(outcomes), np.concatenate(scores)


def _shown(shown: PerSite, judged: tuple[str, ...]) -> tuple[dict[str, LeftOut], dict[str, Code]]:
    """What the left-out sites showed; a site whose gate took anything out of it is withheld."""
    by_site, withheld = {}, {}
    for site in judged:
        arrays = shown.answers.get(site)
        if arrays is None:
            withheld[site] = shown.withheld.get(site, Code.WITHHELD)
            continue
        cells = np.where(arrays["cells"] == SUPPRESSED, 0, arrays["cells"]).astype(np.int64)
        people = arrays["people"].astype(np.int64)
        if np.isnan(arrays["auc"]) or (cells.sum(axis=1) != people).any():
            withheld[site] = Code.WITHHELD
            continue
        groups = cells[:, cells.sum(axis=0) > 0]
        fpr, tpr = roc(groups)
        n, events = int(people.sum()), int(people[1])
        mean = float(arrays["mean_predicted"])
        by_site[site] = LeftOut(n, events, float(arrays["auc"]), mean, events / n, fpr, tpr)
    return by_site, withheld


def result(
    spec: DiscriminationSpec,
    folds: tuple[str, ...],
    coef: Floats,
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
        raise StudyError(Code.SEPARATION, f"everybody scored has the same {spec.model.outcome}")
    auc, se = delong(histogram)
    fpr, tpr = roc(histogram)
    intercept, slope = recalibration(histogram, predicted)
    tenth = np.minimum(np.arange(spec.bins) * 10 // spec.bins, 9)
    in_tenth, events_in, sum_in = (
        np.bincount(tenth, weights, 10) for weights in (negatives + positives, positives, predicted)
    )
    enough = np.where(in_tenth >= spec.min_cell, in_tenth, np.nan)
    return DiscriminationResult(
        folds=folds,
        terms=spec.model.terms(),
        coef=coef,
        n=n,
        n_events=events,
        edges=np.linspace(0, 1, spec.bins + 1),
        negatives=negatives,
        positives=positives,
        auc=auc,
        auc_bound=float(0.5 * (positives @ negatives) / (events * (n - events))),
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
        calibration_n=in_tenth.astype(np.int64),
        calibration_predicted=sum_in / enough,
        calibration_observed=events_in / enough,
        by_site=by_site,
        not_judged=not_judged,
    )
