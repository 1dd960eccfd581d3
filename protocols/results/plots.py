"""A figure on matplotlib's axes, for a notebook. matplotlib loads with the first."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from protocols.core.figure import (
    Axis,
    Bars,
    Columns,
    Curve,
    Curves,
    Estimates,
    Figure,
    HeatMap,
    Panel,
)
from protocols.results.numerals import shown_tick
from protocols.results.palette import MUTED, RULE, colour
from protocols.results.scales import scale_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "^", "D")


def draw(figure: Figure, axes: "Axes | None" = None) -> "Axes":
    """The axes with the figure's first panel; without axes all panels are drawn, side by side.

    The other panels' axes are then in `axes.figure.axes`.
    """
    if axes is not None:
        _panel(figure.panels[0], axes)
        return axes
    from matplotlib.figure import Figure as Canvas  # not for sites, which draw nothing

    count = len(figure.panels)
    canvas = Canvas(figsize=(6.4 * min(count, 3), 4.2 * math.ceil(count / 3)), layout="constrained")
    every = canvas.subplots(math.ceil(count / 3), min(count, 3), squeeze=False).ravel()
    for panel, ax in zip(figure.panels, every, strict=False):
        _panel(panel, ax)
    for ax in every[count:]:
        ax.set_axis_off()
    first: Axes = every[0]
    return first


def _panel(panel: Panel, axes: "Axes") -> None:
    if isinstance(panel, Curves):
        _curves(panel, axes)
    elif isinstance(panel, Estimates):
        _estimates(panel, axes)
    elif isinstance(panel, Bars):
        _bars(panel, axes)
    elif isinstance(panel, Columns):
        _columns(panel, axes)
    else:
        _heat_map(panel, axes)
    axes.set_title(panel.title)


def _curves(panel: Curves, axes: "Axes") -> None:
    drawn = [curve for curve in panel.curves if curve.marks != "guide"]
    for index, curve in enumerate(drawn):
        _curve(curve, index, axes)
    for curve in panel.curves:
        if curve.marks == "guide":
            axes.plot(curve.x, curve.y, linewidth=0.8, linestyle="--", color=MUTED)
    _named(axes, panel.x, panel.y)
    if panel.square:
        axes.set_aspect("equal")
    if sum(bool(curve.label) for curve in drawn) > 1:
        axes.legend(frameon=False)
    if panel.at_risk:
        groups = "\n".join(f"{name}: {_joined(counts)}" for name, counts in panel.at_risk.groups)
        days = _joined([round(day) for day in panel.at_risk.x])
        axes.set_xlabel(f"{panel.x.text}\nnumber at risk at {days}\n{groups}")


def _joined(counts: Sequence[int | None]) -> str:
    return ", ".join("–" if count is None else str(count) for count in counts)


def _curve(curve: Curve, index: int, axes: "Axes") -> None:
    look: dict[str, Any] = {"color": colour(index), "label": curve.label}
    if curve.marks == "points":
        size = 12 + 110 * np.asarray(curve.size) / max(curve.size) if curve.size else 14
        axes.scatter(curve.x, curve.y, s=size, marker=MARKERS[index % 4], alpha=0.8, **look)
        return
    step: Literal["post"] | None = "post" if curve.marks == "steps" else None
    if curve.low:
        axes.fill_between(
            curve.x, curve.low, curve.high, step=step, color=colour(index), alpha=0.14, linewidth=0
        )
    if step:
        axes.step(curve.x, curve.y, where="post", **look)
    else:
        joined = curve.marks == "joined"
        axes.plot(
            curve.x,
            curve.y,
            linestyle=":" if curve.marks == "dotted" else "-",
            marker=MARKERS[index % 4] if joined else None,
            **look,
        )


def _named(axes: "Axes", x: Axis, y: Axis | None) -> None:
    for axis, name in ((x, "x"), (y, "y")):
        if axis is None:
            continue
        if axis.log:
            axes.set(**{f"{name}scale": "log"})
        axes.set(**{f"{name}label": axis.text})
        if axis.low is not None or axis.high is not None:
            axes.set(**{f"{name}lim": (axis.low, axis.high)})


def _estimates(panel: Estimates, axes: "Axes") -> None:
    at = -np.arange(len(panel.rows))
    value, low, high = np.array([(row.value, row.low, row.high) for row in panel.rows]).reshape(-1, 3).T
    with np.errstate(invalid="ignore"):
        spread = np.nan_to_num(np.abs([value - low, high - value]))
    known = np.isfinite(value)
    axes.errorbar(value[known], at[known], xerr=spread[:, known], fmt="s", color=colour(0), capsize=3)
    if panel.reference is not None:
        axes.axvline(panel.reference, linewidth=0.8, linestyle="--", color=MUTED)
    axes.set_yticks(at, [row.label for row in panel.rows])
    axes.set_ylim(-len(at) + 0.4, 0.6)
    _named(axes, panel.axis, None)
    if panel.axis.log:
        low_end, high_end = axes.get_xlim()
        ticks = scale_of(Axis("", low=low_end, high=high_end, log=True), [], 0, 1).ticks()
        axes.set_xticks(ticks, [shown_tick(tick) for tick in ticks])
        axes.xaxis.minorticks_off()


def _bars(panel: Bars, axes: "Axes") -> None:
    series = list(dict.fromkeys(bar.series for bar in panel.rows))
    for index, bar in enumerate(panel.rows):
        value = bar.value or 0.0
        axes.barh(-index, value, color=colour(series.index(bar.series)), alpha=0.85, height=0.7)
        gap = (5 if value >= 0 else -5, 0)
        side = "left" if value >= 0 else "right"
        axes.annotate(bar.words, (value, -index), gap, textcoords="offset points", va="center", ha=side)
    names = [f"{bar.label} {bar.series}".strip() for bar in panel.rows]
    axes.set_yticks([-i for i in range(len(names))], names)
    axes.margins(x=0.18)
    _named(axes, panel.axis, None)


def _columns(panel: Columns, axes: "Axes") -> None:
    edges, groups = np.asarray(panel.edges), len(panel.groups)
    width = np.diff(edges) / groups
    tallest = max((count or 0.0 for _, counts in panel.groups for count in counts), default=0.0) or 1.0
    for index, (name, counts) in enumerate(panel.groups):
        left = edges[:-1] + index * width
        heights = [0.0 if count is None else count for count in counts]
        axes.bar(left, heights, width, align="edge", color=colour(index), label=name, alpha=0.85)
        hidden = [i for i, count in enumerate(counts) if count is None]
        look: dict[str, Any] = {"fill": False, "linestyle": "--", "edgecolor": MUTED}
        axes.bar(left[hidden], 0.08 * tallest, width[hidden], align="edge", **look)
        for i in hidden:
            at = (left[i] + width[i] / 2, 0.04 * tallest)
            axes.annotate(panel.hidden, at, ha="center", va="center", color=MUTED, fontsize=8)
    _named(axes, panel.x, panel.y)
    if groups > 1:
        axes.legend(frameon=False)


def _heat_map(panel: HeatMap, axes: "Axes") -> None:
    values = np.array([[np.nan if v is None else v for v in row] for row in panel.values], dtype=float)
    image = axes.imshow(values, cmap="RdBu_r", vmin=panel.low, vmax=panel.high, aspect="auto")
    axes.set_xticks(range(len(panel.columns)), panel.columns, rotation=45, ha="right")
    axes.set_yticks(range(len(panel.rows)), panel.rows)
    axes.spines[:].set_color(RULE)
    axes.figure.colorbar(image, ax=axes, label=panel.measure)
