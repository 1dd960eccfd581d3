"""Forests, bars and heat maps as SVG: a name at the left, the drawing, and its number at the right."""

import math

from protocols.core.figure import Axis, Bar, Bars, Estimate, Estimates, HeatMap
from protocols.results.numerals import shown, shown_interval, shown_tick
from protocols.results.palette import INK, MUTED, RULE, cell_colour, colour, dark
from protocols.results.scales import Scale, scale_of
from protocols.results.svg_elements import LINE, MUTED_TEXT, Drawing, shortened, width_of

WIDTH = 660.0
ROW = 26.0
MOST_LETTERS = 38
KEY_STEPS = 21


def draw_estimates(panel: Estimates) -> Drawing:
    """The forest, its numbers at the right."""
    left = _names_width([row.label for row in panel.rows])
    words = [_number(row) for row in panel.rows]
    right = max(width_of(text) for text in words) + 22
    bottom = 8 + ROW * len(panel.rows)
    drawing = Drawing(WIDTH, bottom + 42)
    ends = [v for row in panel.rows for v in (row.value, row.low, row.high)]
    reference = [] if panel.reference is None else [panel.reference]
    x = scale_of(panel.axis, ends + reference, left, WIDTH - right)
    if panel.reference is not None:
        at = x.at(panel.reference)
        drawing.line(at, 4, at, bottom, stroke=MUTED, stroke_dasharray="4 4")
    for index, (row, text) in enumerate(zip(panel.rows, words, strict=True)):
        y = 8 + ROW * (index + 0.5)
        drawing.text(left - 12, y + 4, shortened(row.label, MOST_LETTERS), text_anchor="end")
        _estimate(drawing, row, x, y)
        drawing.text(WIDTH - right + 16, y + 4, text)
    _axis(drawing, panel.axis, x, bottom)
    return drawing


def _names_width(names: list[str]) -> float:
    return max((width_of(shortened(name, MOST_LETTERS)) for name in names), default=0.0) + 20


def _number(row: Estimate) -> str:
    if math.isnan(row.low) or math.isnan(row.high):
        return shown(row.value)
    return f"{shown(row.value)} ({shown_interval(row.low, row.high)})"


def _estimate(drawing: Drawing, row: Estimate, x: Scale, y: float) -> None:
    if not math.isfinite(row.value):
        return
    if math.isfinite(row.low) and math.isfinite(row.high):
        low, high = x.at(row.low), x.at(row.high)
        drawing.line(low, y, high, y, stroke=colour(0), stroke_width=1.6)
        for end in (low, high):
            drawing.line(end, y - 4, end, y + 4, stroke=colour(0), stroke_width=1.6)
    drawing.mark(1, x.at(row.value), y, 4.2, fill=colour(0))  # a square, as forests have it


def _axis(drawing: Drawing, axis: Axis, x: Scale, y: float) -> None:
    drawing.line(x.start, y, x.end, y, stroke=MUTED)
    for tick in x.ticks(6):
        drawing.line(x.at(tick), y, x.at(tick), y + 4, stroke=MUTED)
        drawing.text(x.at(tick), y + 17, shown_tick(tick), text_anchor="middle", **MUTED_TEXT)
    drawing.text((x.start + x.end) / 2, y + 35, axis.text, text_anchor="middle")


def draw_bars(panel: Bars) -> Drawing:
    """Bars from 0; one that is not shown is a dashed box with the reason beside it."""
    series = list(dict.fromkeys(bar.series for bar in panel.rows))
    legend = LINE + 6 if len(series) > 1 else 0
    left = _names_width([bar.label for bar in panel.rows])
    right = max((width_of(bar.words) for bar in panel.rows), default=0.0) + 16
    bottom = legend + 8 + ROW * len(panel.rows)
    drawing = Drawing(WIDTH, bottom + 24)
    x = scale_of(_from_zero(panel), [0.0, *(bar.value or 0.0 for bar in panel.rows)], left, WIDTH - right)
    if legend:
        _series(drawing, series, left)
    previous = ""
    for index, bar in enumerate(panel.rows):
        y = legend + 8 + ROW * (index + 0.5)
        if bar.label != previous:
            drawing.text(left - 12, y + 4, shortened(bar.label, MOST_LETTERS), text_anchor="end")
        _bar(drawing, bar, series.index(bar.series), x, y)
        previous = bar.label
    drawing.line(x.at(0), legend + 4, x.at(0), bottom, stroke=MUTED)
    drawing.text((x.start + x.end) / 2, bottom + 18, panel.axis.text, text_anchor="middle")
    return drawing


def _from_zero(panel: Bars) -> Axis:
    """The axis, ending at 0 on the side where there are no bars."""
    signs = {math.copysign(1, bar.value) for bar in panel.rows if bar.value}
    low = 0.0 if panel.axis.low is None and -1 not in signs else panel.axis.low
    high = 0.0 if panel.axis.high is None and signs == {-1.0} else panel.axis.high
    return Axis(panel.axis.label, low=low, high=high)


def _series(drawing: Drawing, names: list[str], left: float) -> None:
    x = left
    for index, name in enumerate(names):
        drawing.element("rect", x=x, y=4, width=12, height=12, fill=colour(index), fill_opacity=0.85)
        drawing.text(x + 18, 14, name)
        x += width_of(name) + 44


def _bar(drawing: Drawing, bar: Bar, index: int, x: Scale, y: float) -> None:
    top, height = y - 8, 16
    if bar.value is None:
        drawing.element(
            "rect",
            x=x.at(0),
            y=top,
            width=28,
            height=height,
            fill="none",
            stroke=MUTED,
            stroke_dasharray="3 3",
        )
        drawing.text(x.at(0) + 36, y + 4, bar.words or "not shown", **MUTED_TEXT)
        return
    ends = sorted((x.at(0), x.at(bar.value)))
    drawing.element(
        "rect",
        x=ends[0],
        y=top,
        width=ends[1] - ends[0],
        height=height,
        fill=colour(index),
        fill_opacity=0.85,
    )
    drawing.text(ends[1] + 7, y + 4, bar.words)


def draw_heat_map(panel: HeatMap) -> Drawing:
    """The matrix, a number in each cell where there is room for it."""
    left = _names_width(list(panel.rows))
    side = min(max((WIDTH - left - 10) / max(len(panel.columns), 1), 12.0), 84.0)
    slanted = any(width_of(shortened(name, 18)) > side - 4 for name in panel.columns)
    tall = max(width_of(shortened(name, 18)) for name in panel.columns) if slanted else 8
    top, height = 14 + tall * (0.75 if slanted else 1), min(side, 26.0)
    width = left + side * len(panel.columns) + (0.75 * tall if slanted else 10)
    key = left + 6 * KEY_STEPS + 18 + width_of(panel.measure)
    drawing = Drawing(max(width, key), top + height * len(panel.rows) + 46)
    for j, name in enumerate(panel.columns):
        x = left + side * (j + 0.5)
        if slanted:
            turn = f"rotate(-45 {x:.1f} {top - 6:.1f})"
            drawing.text(x, top - 6, shortened(name, 18), transform=turn, font_size=11)
        else:
            drawing.text(x, top - 6, name, text_anchor="middle", font_size=11)
    for i, (name, cells) in enumerate(zip(panel.rows, panel.values, strict=True)):
        y = top + height * i
        drawing.text(left - 10, y + height / 2 + 4, shortened(name, MOST_LETTERS), text_anchor="end")
        for j, value in enumerate(cells):
            _cell(drawing, panel, value, left + side * j, y, side, height)
    _key(drawing, panel, left, top + height * len(panel.rows) + 16)
    return drawing


def _cell(
    drawing: Drawing, panel: HeatMap, value: float | None, x: float, y: float, width: float, height: float
) -> None:
    known = value is not None and math.isfinite(value)
    fill = cell_colour(value, panel.low, panel.high) if known and value is not None else "none"
    drawing.element(
        "rect", x=x, y=y, width=width - 1, height=height - 1, fill=fill, stroke=RULE, stroke_width=0.5
    )
    words = f"{value:z.2f}".replace("-", "−") if known else "–"
    if width_of(words) + 4 <= width and height >= 14:
        ink = "#fff" if known and dark(fill) else INK
        drawing.text(
            x + (width - 1) / 2, y + height / 2 + 4, words, text_anchor="middle", fill=ink, font_size=11
        )


def _key(drawing: Drawing, panel: HeatMap, left: float, top: float) -> None:
    """The colours' meaning: a strip from the lowest to the highest."""
    steps = KEY_STEPS
    for i in range(steps):
        value = panel.low + (panel.high - panel.low) * i / (steps - 1)
        drawing.element(
            "rect", x=left + 6 * i, y=top, width=6.2, height=9, fill=cell_colour(value, panel.low, panel.high)
        )
    drawing.text(left, top + 22, shown_tick(float(f"{panel.low:.3g}")), **MUTED_TEXT)
    drawing.text(
        left + 6 * steps, top + 22, shown_tick(float(f"{panel.high:.3g}")), text_anchor="end", **MUTED_TEXT
    )
    drawing.text(left + 6 * steps + 10, top + 9, panel.measure, font_size=11)
