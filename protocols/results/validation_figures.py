"""Panels of how well a model predicts: ROC curves, calibration, performance by day and by site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from protocols.core.figure import Axis, Curve, Curves, Estimate, Estimates
from protocols.results.figures import floats

DIAGONAL = Curve("", (0.0, 1.0), (0.0, 1.0), marks="guide")


@dataclass(frozen=True)
class Roc:
    """A ROC curve: its name, rates from (0, 0) to (1, 1), and its area; its corners alone if that is all."""

    label: str
    false_positive_rate: ArrayLike
    true_positive_rate: ArrayLike
    auc: float

    @property
    def has_points(self) -> bool:
        """Whether anything between the corners is known."""
        return np.size(self.false_positive_rate) > 2


def roc_panel(curves: Sequence[Roc]) -> Curves:
    """Receiver operating characteristics; one without points is dotted, as normal scores would have it."""
    drawn = [_drawn(roc) for roc in curves]
    rates = (Axis("1 − specificity", low=0.0, high=1.0), Axis("sensitivity", low=0.0, high=1.0))
    title = f"Discrimination, AUC {curves[0].auc:.2f}"
    return Curves(title, *rates, (*drawn, DIAGONAL), square=True)


def _drawn(roc: Roc) -> Curve:
    label = f"{roc.label}, AUC {roc.auc:.2f}"
    if roc.has_points:
        points = zip(floats(roc.false_positive_rate), floats(roc.true_positive_rate), strict=True)
        x, y = zip(*dict.fromkeys(points), strict=True)  # a merged bin repeats the point before it
        return Curve(label, x, y, marks="joined")
    grid = np.linspace(0, 1, 101)
    # Two normal distributions of one spread, d' = sqrt(2) z(AUC) apart: tpr = phi(d' + z(fpr)).
    curve = ndtr(np.sqrt(2) * ndtri(roc.auc) + ndtri(grid))
    return Curve(label, floats(grid), floats(curve), marks="dotted")


def calibration_panel(predicted: ArrayLike, observed: ArrayLike, people: ArrayLike) -> Curves:
    """Observed against predicted risk by bin; a point's area grows with its people."""
    n = floats(np.maximum(np.asarray(people, dtype=float), 0))
    points = Curve("", floats(predicted), floats(observed), marks="points", size=n)
    axes = (Axis("predicted probability", low=0.0, high=1.0), Axis("observed share", low=0.0, high=1.0))
    return Curves("Calibration", *axes, (points, DIAGONAL), square=True)


def by_day_panel(title: str, days: ArrayLike, measures: Mapping[str, ArrayLike], measure: str) -> Curves:
    """Measures between 0 and 1 by day."""
    x = floats(days)
    curves = tuple(Curve(name, x, floats(values), marks="joined") for name, values in measures.items())
    return Curves(title, Axis("time since the index date", "days"), Axis(measure, low=0.0, high=1.0), curves)


def site_panel(
    title: str, measure: str, by_site: Mapping[str, tuple[float, float]], reference: float | None = None
) -> Estimates:
    """A forest of one number per site with its 95 % interval: site -> (value, standard error or NaN)."""
    z = float(ndtri(0.975))
    rows = tuple(Estimate(site, v, v - z * se, v + z * se) for site, (v, se) in sorted(by_site.items()))
    return Estimates(title, Axis(measure), rows, reference)
