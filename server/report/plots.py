"""The report's figures, each as one inline SVG: text stays text, and nothing is loaded from elsewhere."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import ArrayLike
from scipy.stats import norm

INK, MUTED, RULE = "#1d2733", "#66717e", "#d7dde4"
# Okabe and Ito's palette: told apart by colour-blind readers; every series has its own marker too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F6000", "#4D4D4D")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": RULE,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "shadowgraph",
    "figure.constrained_layout.use": True,
}


@contextmanager
def _figure(width: float, height: float, columns: int = 1) -> Iterator[tuple[list[Axes], list[str]]]:
    """A figure's axes and a list into which its SVG is put when the block ends."""
    svg: list[str] = []
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        yield list(np.atleast_1d(figure.subplots(1, columns))), svg
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg.append(text.getvalue()[text.getvalue().index("<svg") :])


def attrition(rules: Sequence[str], people: Sequence[int]) -> str:
    """Bars of the people who are left after each rule of the cohort."""
    with _figure(7, 0.6 + 0.38 * len(rules)) as ((axes,), svg):
        at = np.arange(len(rules))[::-1]
        axes.barh(at, people, color=COLOURS[0], alpha=0.85, height=0.62)
        for y, count in zip(at, people, strict=True):
            _beside(axes, count, y, str(count))
        axes.set_yticks(at, rules)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xticks([])
        axes.set_xlim(0, max(people) * 1.12 if len(people) else 1)
    return svg[0]


def people(counts: Mapping[str, int | None]) -> str:
    """Bars of people by site; a suppressed count is an outlined bar that says so."""
    known = [count for count in counts.values() if count is not None]
    with _figure(7, 0.6 + 0.38 * len(counts)) as ((axes,), svg):
        at = np.arange(len(counts))[::-1]
        for y, count in zip(at, counts.values(), strict=True):
            if count is None:
                axes.barh(y, 10, height=0.62, fill=False, edgecolor=MUTED, linestyle="--")
                _beside(axes, 10, y, "fewer than 10", MUTED)
            else:
                axes.barh(y, count, height=0.62, color=COLOURS[0], alpha=0.85)
                _beside(axes, count, y, str(count))
        axes.set_yticks(at, list(counts))
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_xticks([])
        axes.set_xlim(0, max([10, *known]) * 1.15)
    return svg[0]


def _beside(axes: Axes, x: float, y: float, words: str, colour: str = INK) -> None:
    """Writes to the right of a bar's end; the gap is in points, since a browser's blanks are narrow."""
    axes.annotate(words, (x, y), (6, 0), textcoords="offset points", va="center", color=colour)


def spread(feature: str, panels: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """Mean and one standard deviation of a feature by site, a panel each (before, after)."""
    with _figure(7, 2.3, len(panels)) as (all_axes, svg):
        for axes, (title, sites) in zip(all_axes, panels.items(), strict=True):
            for index, (mean, sd) in enumerate(sites.values()):
                colour, marker = COLOURS[index % 8], MARKERS[index % 8]
                axes.errorbar(mean, -index, xerr=sd, fmt=marker, color=colour, capsize=3, markersize=6)
            axes.set_yticks([-i for i in range(len(sites))], list(sites))
            axes.set_ylim(-len(sites) + 0.4, 0.6)
            axes.set_title(title)
            axes.set_xlabel(feature)
            axes.tick_params(axis="y", length=0, labelcolor=INK)
        low = min(axes.get_xlim()[0] for axes in all_axes)
        high = max(axes.get_xlim()[1] for axes in all_axes)
        for axes in all_axes:
            axes.set_xlim(low, high)
    return svg[0]


def forest(terms: Sequence[str], estimates: ArrayLike, low: ArrayLike, high: ArrayLike, label: str) -> str:
    """Ratios with their 95% intervals on a logarithmic axis, the line of no effect at 1."""
    with _figure(7, 0.9 + 0.36 * len(terms)) as ((axes,), svg):
        at = -np.arange(len(terms))
        middle, lower, upper = (np.asarray(values, dtype=float) for values in (estimates, low, high))
        axes.axvline(1, color=MUTED, linewidth=0.8, linestyle="--")
        axes.errorbar(
            middle,
            at,
            xerr=[middle - lower, upper - middle],
            fmt="s",
            color=COLOURS[0],
            capsize=3,
            markersize=6,
        )
        axes.set_xscale("log")
        ticks = _ratio_ticks(float(lower.min()), float(upper.max()))
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_yticks(at, terms)
        axes.set_ylim(-len(terms) + 0.4, 0.6)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(label)
    return svg[0]


def areas(labels: Sequence[str], estimates: ArrayLike, low: ArrayLike, high: ArrayLike) -> str:
    """Areas under the ROC with their 95% intervals, the line of chance at 0.5."""
    with _figure(7, 0.9 + 0.36 * len(labels)) as ((axes,), svg):
        at = -np.arange(len(labels))
        middle, lower, upper = (np.asarray(values, dtype=float) for values in (estimates, low, high))
        axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle="--")
        axes.errorbar(middle, at, xerr=[middle - lower, upper - middle], fmt="o", color=COLOURS[0], capsize=3)
        for y, area, end in zip(at, middle, upper, strict=True):
            _beside(axes, float(end), float(y), f"{area:.2f}")
        axes.set_yticks(at, labels)
        axes.set(xlim=(min(0.3, float(lower.min())), 1.05), ylim=(-len(labels) + 0.4, 0.6))
        axes.set_xticks([0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("area under the ROC; 0.5 is chance")
    return svg[0]


def _ratio_ticks(low: float, high: float) -> list[float]:
    """Round ratios that span the intervals and 1: 1, 2 and 5 times powers of ten, thinned when many."""
    low, high = max(min(low, 1.0), 1e-6), min(max(high, 1.0), 1e6)
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1, 1.1, 1.25, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,)):
        ticks = sorted(step * power for power in powers for step in steps)
        inside = [tick for tick in ticks if low * 0.8 <= tick <= high * 1.25]
        if len(inside) <= 9:
            break
    return [round(tick, 8) for tick in inside]


Curve = tuple[str, ArrayLike, ArrayLike]


def roc(curves: Sequence[Curve], areas_alone: Mapping[str, float]) -> str:
    """Receiver operating characteristics.

    Args:
        curves: (label, false positive rate, true positive rate) each.
        areas_alone: label -> area, of those that have no point of their own: drawn dotted, as the curve
            that two normal distributions of equal spread have with this area.
    """
    with _figure(4.2, 4.0) as ((axes,), svg):
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1, linestyle="--")
        for index, (label, fpr, tpr) in enumerate(curves):
            axes.plot(
                fpr,
                tpr,
                color=COLOURS[index % 8],
                label=label,
                linewidth=2.2 if index == 0 else 1.1,
                marker=None if np.size(fpr) > 12 else MARKERS[index % 8],
                markersize=4,
            )
        grid = np.linspace(0, 1, 101)
        for index, (label, area) in enumerate(areas_alone.items(), start=len(curves)):
            # Two normal distributions, d' = sqrt(2) z(AUC) apart: tpr = phi(d' + z(fpr)).
            curve = norm.cdf(np.sqrt(2) * norm.ppf(area) + norm.ppf(grid))
            axes.plot(grid, curve, color=COLOURS[index % 8], label=label, linewidth=1.5, linestyle=":")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.set(xlabel="1 − specificity", ylabel="sensitivity")
        axes.legend(loc="lower right", fontsize=8)
    return svg[0]


def survival(
    groups: Sequence[str], days: ArrayLike, survival: ArrayLike, lower: ArrayLike, upper: ArrayLike
) -> str:
    """Step curves of survival by group with their intervals; a curve ends where too few are at risk.

    Args:
        days: (K,); survival, lower, upper: (G, K), NaN beyond a curve's end.
    """
    at = np.append(0.0, np.asarray(days, dtype=float))
    with _figure(7, 3.6) as ((axes,), svg):
        for index, (group, *curves) in enumerate(
            zip(groups, *(np.asarray(curve, dtype=float) for curve in (survival, lower, upper)), strict=True)
        ):
            middle, low, high = (np.append(1.0, curve) for curve in curves)
            seen = ~np.isnan(middle)
            colour = COLOURS[index % 8]
            axes.step(at[seen], middle[seen], where="post", color=colour, label=group, linewidth=1.8)
            axes.fill_between(
                at[seen], low[seen], high[seen], step="post", color=colour, alpha=0.14, linewidth=0
            )
        axes.set(ylim=(-0.02, 1.02), xlabel="days since the index date", ylabel="survival")
        axes.set_xlim(left=0)
        if len(groups) > 1:
            axes.legend(loc="upper right", fontsize=8)
    return svg[0]


def calibration(predicted: ArrayLike, observed: ArrayLike, people: ArrayLike) -> str:
    """Observed against predicted risk by bin; the area of a point grows with its people."""
    with _figure(4.2, 4.0) as ((axes,), svg):
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1, linestyle="--")
        size = 14 + 120 * np.asarray(people, dtype=float) / np.max(people, initial=1.0)
        axes.scatter(predicted, observed, s=size, color=COLOURS[0], alpha=0.8, edgecolor="white")
        axes.plot(predicted, observed, color=COLOURS[0], linewidth=1, alpha=0.6)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
        axes.set(xlabel="predicted probability", ylabel="observed share")
    return svg[0]
