"""How fitted models and their validation look in a report: forests, ROC and calibration."""

from typing import Any

import numpy as np
from markupsafe import Markup

from protocols.core.study import Analysis
from protocols.regression.logistic import LogisticResult
from protocols.survival.cox import CoxResult
from protocols.validation.discrimination import DiscriminationResult
from server.report import blocks, plots
from server.report.describe import withheld


def cox(analysis: Analysis, found: CoxResult) -> list[Markup]:
    """A forest of hazard ratios and their table."""
    return [
        blocks.text(
            f"{found.n} people, {found.n_events} events; every hospital keeps its own baseline hazard; "
            f"ties after {found.ties.capitalize()}. Likelihood ratio test against no covariate: "
            f"p = {blocks.plain_number(found.likelihood_ratio_p)}."
        ),
        blocks.figure(
            plots.forest(found.terms, found.hazard_ratio, found.lower, found.upper, "hazard ratio"),
            f"Hazard ratios with {found.level:.0%} intervals.",
        ),
        blocks.table(
            ("covariate", "coefficient", "standard error", "hazard ratio", "interval", "p"),
            _ratios(found.terms, found, found.hazard_ratio),
        ),
    ]


def logistic(analysis: Analysis, found: LogisticResult) -> list[Markup]:
    """A forest of odds ratios, the intercept left out, and their table."""
    shown = slice(1, None)
    return [
        blocks.text(f"{found.n} people, {found.n_events} of them with the outcome."),
        blocks.figure(
            plots.forest(
                found.terms[shown],
                found.odds_ratio[shown],
                found.lower[shown],
                found.upper[shown],
                "odds ratio",
            ),
            f"Odds ratios with {found.level:.0%} intervals.",
        ),
        blocks.table(
            ("covariate", "coefficient", "standard error", "odds ratio", "interval", "p"),
            _ratios(found.terms, found, found.odds_ratio),
        ),
    ]


def discrimination(analysis: Analysis, found: DiscriminationResult) -> list[Markup]:
    """The ROC over all people scored and of each left-out hospital, the calibration, and both as numbers."""
    interval = f"{blocks.plain_number(found.auc_lower)} to {blocks.plain_number(found.auc_upper)}"
    slope, intercept = (
        f"{value:.2f}".replace("-", "−") for value in (found.calibration_slope, found.calibration_intercept)
    )
    drawn = [
        blocks.text(
            f"AUC {blocks.plain_number(found.auc)} (95% interval {interval}) over {found.n} people, "
            f"{found.n_events} of them with the outcome, each scored by a model that never saw them. The AUC "
            f"of unbinned scores lies within {blocks.plain_number(found.auc_bound)} of it."
        ),
        blocks.side_by_side(
            [
                _roc(found),
                blocks.figure(
                    plots.calibration(
                        found.calibration_predicted,
                        found.calibration_observed,
                        np.maximum(found.calibration_n, 0),
                    ),
                    f"Calibration: slope {slope}, intercept {intercept}; Brier score {found.brier:.3f}. "
                    "Tenths with too few people are not shown.",
                ),
            ]
        ),
    ]
    if found.by_site:
        rows = [
            (site, there.n, there.n_events, there.auc, there.mean_predicted, there.mean_observed)
            for site, there in found.by_site.items()
        ]
        columns = ("hospital left out", "people", "with the outcome", "AUC", "mean predicted", "observed")
        drawn.append(blocks.table(columns, rows))
    return drawn + withheld(found.not_judged)


def _roc(found: DiscriminationResult) -> Markup:
    """All people's curve, and each left-out hospital's as far as it may show it."""
    curves = [(f"all, AUC {found.auc:.2f}", found.false_positive_rate, found.true_positive_rate)]
    areas: dict[str, float] = {}
    for site, there in found.by_site.items():
        label = f"{site} left out, AUC {there.auc:.2f}"
        if len(there.false_positive_rate) > 2:
            curves.append((label, there.false_positive_rate, there.true_positive_rate))
        else:  # the corners alone: no point of it has enough people on either side
            areas[label] = there.auc
    caption = "Out-of-fold ROC."
    if len(curves) > 1:
        caption += " A hospital shows coarse points only."
    if areas:
        caption += (
            " Dotted: a hospital where no point has 10 people of either class on both sides; the "
            "curve is the one that normal scores would have with its AUC."
        )
    return blocks.figure(plots.roc(curves, areas), caption)


def _ratios(
    terms: tuple[str, ...], found: CoxResult | LogisticResult, ratio: Any
) -> list[tuple[object, ...]]:
    return [
        (
            term,
            float(found.coef[i]),
            float(found.se[i]),
            float(ratio[i]),
            blocks.interval(float(found.lower[i]), float(found.upper[i])),
            float(found.p[i]),
        )
        for i, term in enumerate(terms)
    ]
