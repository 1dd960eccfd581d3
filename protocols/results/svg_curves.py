"""Curves and histograms as SVG: a frame with two axes, a legend above, numbers at risk below."""

import math
from collections.abc import Sequence
from itertools import pairwise

from protocols.core.figure import Axis, Columns, Curve, Curves
from protocols.results.numerals import shown_count, shown_tick
from protocols.results.palette import INK, MUTED, RULE, colour
from protocols.results.scales import Scale, scale_of
from protocols.results.svg_elements import LINE, MUTED_TEXT, Drawing, shortened, width_of

WIDTH, HEIGHT, SQUARE = 660.0, 250.0, 270.0
RIGHT = 18.0
MOST_MARKERS = 16
"""A curve of more points is drawn without markers."""


def draw_curves(panel: Curves) -> Drawing:
    """The curves in their frame."""
    curves = sorted(panel.curves, key=lambda curve: curve.marks == "guide")  # guides have no colour
    names = [curve.label for curve in curves if curve.label]
    left = _left(panel)
    inner = SQUARE if panel.square else WIDTH - left - RIGHT
    width = left + inner + RIGHT
    legend = _legend_rows(names if len(names) > 1 else [], width - left)
    at_risk = len(panel.at_risk.groups) + 1.6 if panel.at_risk else 0.0
    top, height = 12 + (LINE + 2) * len(legend), SQUARE if panel.square else HEIGHT
    drawing = Drawing(width, top + height + 44 + LINE * at_risk)
    x = scale_of(panel.x, _all(panel.curves, "x"), left, left + inner)
    y = scale_of(panel.y, _all(panel.curves, "y"), top + height, top)
    ticks = list(panel.at_risk.x) if panel.at_risk else x.ticks()
    _frame(drawing, panel.x, panel.y, x, y, ticks)
    _legend(drawing, legend, left, curves)
    with drawing.clipped(left, top, inner, height):
        for index, curve in enumerate(curves):
            _curve(drawing, curve, index, x, y)
    if panel.at_risk:
        _at_risk(drawing, panel, x, top + height + 44 + 0.9 * LINE)
    return drawing


def _left(panel: Curves) -> float:
    """Room for the y axis' ticks, and for the groups' names beside the numbers at risk."""
    scale = scale_of(panel.y, _all(panel.curves, "y"), 1, 0)
    ticks = max((width_of(shown_tick(tick)) for tick in scale.ticks()), default=0)
    groups = (
        max((width_of(shortened(g, 16)) for g, _ in panel.at_risk.groups), default=0) if panel.at_risk else 0
    )
    return max(34 + ticks, groups + 30 if panel.at_risk else 0)


def _all(curves: Sequence[Curve], axis: str) -> list[float]:
    return [v for c in curves for v in (c.x if axis == "x" else (*c.y, *c.low, *c.high))]


def _legend_rows(names: Sequence[str], width: float) -> list[list[tuple[int, str]]]:
    """The legend's entries by row, as many in each as the width holds."""
    rows: list[list[tuple[int, str]]] = []
    used = width
    for index, name in enumerate(names):
        needs = width_of(shortened(name, 60)) + 44
        if used + needs > width:
            rows.append([])
            used = 0.0
        rows[-1].append((index, name))
        used += needs
    return rows


def _legend(
    drawing: Drawing, rows: Sequence[Sequence[tuple[int, str]]], left: float, curves: Sequence[Curve] = ()
) -> None:
    """The names beside a sample of how each is drawn; without curves, a box of the colour."""
    for line, row in enumerate(rows):
        x, y = left, 10.0 + (LINE + 2) * line
        for index, name in row:
            if not curves:
                drawing.element("rect", x=x + 4, y=y - 6, width=12, height=12, fill=colour(index))
            else:
                _sample(drawing, curves[index], index, x, y)
            drawing.text(x + 26, y + 4, shortened(name, 60))
            x += width_of(shortened(name, 60)) + 44


def _sample(drawing: Drawing, curve: Curve, index: int, x: float, y: float) -> None:
    if curve.marks != "points":
        drawing.line(x, y, x + 20, y, stroke=colour(index), stroke_width=2, **_dashes(curve))
    if _has_markers(curve):
        drawing.mark(index, x + 10, y)


def _has_markers(curve: Curve) -> bool:
    return curve.marks == "points" or (curve.marks == "joined" and len(curve.x) <= MOST_MARKERS)


def _dashes(curve: Curve) -> dict[str, str | float]:
    return {"stroke_dasharray": "2 4"} if curve.marks == "dotted" else {}


def _frame(
    drawing: Drawing, x_axis: Axis, y_axis: Axis, x: Scale, y: Scale, x_ticks: Sequence[float]
) -> None:
    for tick in y.ticks(5):
        drawing.line(x.start, y.at(tick), x.end, y.at(tick), stroke=RULE, stroke_width=0.7)
        drawing.text(x.start - 7, y.at(tick) + 4, shown_tick(tick), text_anchor="end", **MUTED_TEXT)
    drawing.line(x.start, y.start, x.end, y.start, stroke=MUTED)
    for tick in x_ticks:
        drawing.line(x.at(tick), y.start, x.at(tick), y.start + 4, stroke=MUTED)
        drawing.text(x.at(tick), y.start + 17, shown_tick(tick), text_anchor="middle", **MUTED_TEXT)
    drawing.text((x.start + x.end) / 2, y.start + 35, x_axis.text, text_anchor="middle")
    middle = (y.start + y.end) / 2
    drawing.text(12, middle, y_axis.text, text_anchor="middle", transform=f"rotate(-90 12 {middle:.1f})")


def _curve(drawing: Drawing, curve: Curve, index: int, x: Scale, y: Scale) -> None:
    if curve.marks == "guide":
        drawing.path(_runs(curve, x, y), fill="none", stroke=MUTED, stroke_dasharray="4 4")
        return
    if curve.low:
        _band(drawing, curve, index, x, y)
    if curve.marks != "points":
        look: dict[str, str | float] = {"stroke": colour(index), "stroke_width": 2, **_dashes(curve)}
        drawing.path(_runs(curve, x, y), fill="none", **look)
    if _has_markers(curve):
        most = max(curve.size, default=1.0) or 1.0
        for i, (a, b) in enumerate(zip(curve.x, curve.y, strict=True)):
            if math.isfinite(a) and math.isfinite(b):
                radius = 2.5 + 6 * math.sqrt(max(curve.size[i], 0.0) / most) if curve.size else 3.4
                drawing.mark(index, x.beyond(a), y.beyond(b), radius, fill_opacity=0.8)


def _runs(curve: Curve, x: Scale, y: Scale) -> list[list[tuple[float, float]]]:
    """The curve's points in pixels, cut where a number is not known; steps get their corners."""
    runs: list[list[tuple[float, float]]] = [[]]
    for a, b in zip(curve.x, curve.y, strict=True):
        if not (math.isfinite(a) and math.isfinite(b)):
            runs.append([])
            continue
        if curve.marks == "steps" and runs[-1]:
            runs[-1].append((x.beyond(a), runs[-1][-1][1]))
        runs[-1].append((x.beyond(a), y.beyond(b)))
    return runs


def _band(drawing: Drawing, curve: Curve, index: int, x: Scale, y: Scale) -> None:
    """The area between a curve's limits, once for each run where all is known."""
    known = [
        all(math.isfinite(v) for v in point) for point in zip(curve.x, curve.low, curve.high, strict=True)
    ]
    edges = [i for i, (a, b) in enumerate(pairwise([False, *known, False])) if a != b]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        part = slice(start, end)
        low, high = (
            _runs(Curve("", curve.x[part], limit[part], marks=curve.marks), x, y)[0]
            for limit in (curve.low, curve.high)
        )
        drawing.path([high + low[::-1]], fill=colour(index), fill_opacity=0.14, stroke="none")


def _at_risk(drawing: Drawing, panel: Curves, x: Scale, top: float) -> None:
    """The rows of numbers at risk below the axis, each in its group's colour."""
    assert panel.at_risk is not None
    drawing.text(8, top, "Number at risk", font_weight=600, font_size=11)
    for row, (group, counts) in enumerate(panel.at_risk.groups):
        y = top + LINE * (row + 1)
        fill = colour(row) if len(panel.at_risk.groups) > 1 else INK
        drawing.text(8, y, shortened(group, 16), fill=fill, font_size=11)
        for day, count in zip(panel.at_risk.x, counts, strict=True):
            words = "–" if count is None else shown_count(count)
            drawing.text(x.at(day), y, words, text_anchor="middle", font_size=11)


def draw_columns(panel: Columns) -> Drawing:
    """The histogram in its frame; a count that is not shown is an empty dashed column."""
    names = [name for name, _ in panel.groups]
    counts = [count or 0.0 for _, found in panel.groups for count in found]
    y = scale_of(Axis("", low=0.0), [0.0, *counts], 1, 0)
    left = 34 + max(width_of(shown_tick(tick)) for tick in y.ticks())
    legend = _legend_rows(names if len(names) > 1 else [], WIDTH - left)
    top = 12 + (LINE + 2) * len(legend)
    drawing = Drawing(WIDTH, top + HEIGHT + 44)
    x = scale_of(Axis("", low=panel.edges[0], high=panel.edges[-1]), panel.edges, left, WIDTH - RIGHT)
    y = scale_of(Axis("", low=0.0), [0.0, *counts], top + HEIGHT, top)
    _frame(drawing, panel.x, panel.y, x, y, x.ticks())
    _legend(drawing, legend, left)
    for i, (low, high) in enumerate(pairwise(panel.edges)):
        width = (x.at(high) - x.at(low)) / len(panel.groups)
        for g, (_, found) in enumerate(panel.groups):
            _column(drawing, g, x.at(low) + g * width, width, found[i], y, panel.hidden)
    return drawing


def _column(
    drawing: Drawing, g: int, left: float, width: float, count: float | None, y: Scale, hidden: str
) -> None:
    inside = max(width - 2, 1.0)
    if count is None:
        drawing.element(
            "rect",
            x=left + 1,
            y=y.start - 26,
            width=inside,
            height=26,
            fill="none",
            stroke=MUTED,
            stroke_dasharray="3 3",
        )
        if inside >= width_of(hidden):
            drawing.text(left + width / 2, y.start - 9, hidden, text_anchor="middle", **MUTED_TEXT)
    elif count:
        height = y.start - y.at(count)
        drawing.element(
            "rect", x=left + 1, y=y.at(count), width=inside, height=height, fill=colour(g), fill_opacity=0.85
        )
