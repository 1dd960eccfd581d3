"""The figures that several protocols share, as plain data: forests, importances, net benefit, matrices."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from protocols.core.figure import (
    Axis,
    Bar,
    Bars,
    Curve,
    Curves,
    Estimate,
    Estimates,
    Figure,
    HeatMap,
    NoFigure,
)
from protocols.results.numerals import shown

INTERCEPT = "(Intercept)"
MOST_ROWS, MOST_ESTIMATES, MOST_PANELS, MOST_POINTS, MOST_OUTCOMES = 30, 60, 6, 2000, 8
"""What a figure shows at most: rows of bars or a matrix, of a forest, panels, points, outcomes."""


def floats(values: ArrayLike) -> tuple[float, ...]:
    """The values of an array, flat, as Python's floats."""
    return tuple(float(value) for value in np.ravel(np.asarray(values, dtype=np.float64)))


def whole(values: ArrayLike) -> tuple[int | None, ...]:
    """The counts of an array, flat; a count that is not shown (-1) is None."""
    return tuple(None if value < 0 else int(value) for value in np.ravel(np.asarray(values)))


def forest(
    terms: Sequence[str],
    value: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    measure: str,
    ratio: bool = False,
    title: str = "",
    caption: str = "",
) -> Figure | NoFigure:
    """A forest of coefficients, or of ratios on a logarithmic axis; the intercept is left out.

    Args:
        terms: (p,) names; value, low, high: (p,), NaN where not known.
        measure: what the numbers are, in words.
    """
    rows = term_rows(terms, terms, value, low, high)
    if not rows:
        return NoFigure("the model has no covariates")
    if len(rows) > MOST_ESTIMATES:
        caption = f"{caption} The first {MOST_ESTIMATES} of {len(rows)} covariates.".strip()
    return Figure((estimates(rows[:MOST_ESTIMATES], measure, ratio=ratio, title=title),), caption)


def term_rows(
    labels: Sequence[str], terms: Sequence[str], value: ArrayLike, low: ArrayLike, high: ArrayLike
) -> list[Estimate]:
    """An estimate for each term but the intercept; all arguments are (p,)."""
    numbers = zip(labels, terms, floats(value), floats(low), floats(high), strict=True)
    return [Estimate(label, v, a, b, term) for label, term, v, a, b in numbers if term != INTERCEPT]


def estimates(rows: Sequence[Estimate], measure: str, *, ratio: bool = False, title: str = "") -> Estimates:
    """A panel of estimates whose line of no effect is 0, or 1 for ratios."""
    return Estimates(title, Axis(measure, log=ratio), tuple(rows), 1.0 if ratio else 0.0)


def estimate(label: str, numbers: ArrayLike, term: str = "") -> Estimate:
    """A row of a panel of estimates from its (3,) value, lower and upper end."""
    value, low, high = floats(numbers)
    return Estimate(label, value, low, high, term)


def interval_caption(what: str, level: float, low: ArrayLike) -> str:
    """What a forest shows, and whether it has intervals."""
    if not np.isfinite(np.asarray(low, dtype=float)).any():
        return f"{what}. A model with this penalty has no confidence intervals."
    return f"{what} with {level:.0%} confidence intervals."


def importance(names: Sequence[str], gain: ArrayLike, splits: ArrayLike, *, measure: str) -> Figure:
    """Bars of how much each covariate helped the trees, the most useful first."""
    gains, counts = floats(gain), floats(splits)
    order = sorted(range(len(names)), key=lambda i: -gains[i])
    rows = tuple(
        Bar(names[i], gains[i], f"{shown(gains[i])}, {counts[i]:.0f} split{'s' * (counts[i] != 1)}")
        for i in order[:MOST_ROWS]
    )
    return Figure((Bars("", Axis(measure), rows),), left_out("covariates", len(names)))


def left_out(what: str, count: int) -> str:
    """A sentence on the rows beyond MOST_ROWS, or nothing."""
    return f"The first {MOST_ROWS} of {count} {what}." if count > MOST_ROWS else ""


def net_benefit(
    models: Sequence[str], thresholds: ArrayLike, benefit: ArrayLike, treat_all: ArrayLike
) -> Curves:
    """Decision curves: (m, t) net benefit of models, beside acting on everybody and on nobody."""
    x, rows = floats(thresholds), np.asarray(benefit, dtype=np.float64)
    curves = [Curve(name, x, floats(row), marks="joined") for name, row in zip(models, rows, strict=True)]
    curves.append(Curve("act on everybody", x, floats(treat_all), marks="dotted"))
    curves.append(Curve("", (x[0], x[-1]), (0.0, 0.0), marks="guide"))
    floor = min(0.0, float(np.nanmin(rows, initial=0.0))) - 0.02
    return Curves("", Axis("threshold probability"), Axis("net benefit", low=floor), tuple(curves))


def matrix(
    rows: Sequence[str], columns: Sequence[str], values: ArrayLike, *, measure: str, title: str = ""
) -> HeatMap:
    """A heat map of a (rows, columns) matrix whose colours reach as far as its largest number, at least 1."""
    cells = np.asarray(values, dtype=np.float64).reshape(len(rows), len(columns))
    reach = max(1.0, float(np.nanmax(np.abs(cells), initial=0.0)))
    shown_rows = tuple(
        tuple(float(v) if np.isfinite(v) else None for v in row) for row in cells[:MOST_ROWS, :MOST_ROWS]
    )
    return HeatMap(
        title, tuple(rows[:MOST_ROWS]), tuple(columns[:MOST_ROWS]), shown_rows, measure, -reach, reach
    )


def shares(names: Iterable[str], values: ArrayLike, *, measure: str, title: str = "") -> Bars:
    """Bars of shares of a whole, as percentages."""
    rows = tuple(Bar(name, 100 * v, f"{v:.1%}") for name, v in zip(names, floats(values), strict=True))
    return Bars(title, Axis(measure, "%"), rows[:MOST_ROWS])
