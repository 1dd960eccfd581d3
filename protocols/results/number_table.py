"""The numbers of a figure's panel as a table, for readers who do not see it and for those who check it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from protocols.core.figure import Bars, Columns, Curve, Curves, Estimates, HeatMap, Panel
from protocols.results.numerals import shown_tick

Cell = str | float | int | None


@dataclass(frozen=True)
class NumberTable:
    """A table: the names of its columns, and its rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def numbers(panel: Panel) -> tuple[NumberTable, ...]:
    """The tables that hold what a panel draws; curves over different x have one each."""
    if isinstance(panel, Curves):
        return _curves(panel)
    if isinstance(panel, Estimates):
        forest = tuple((e.label, e.value, e.low, e.high) for e in panel.rows)
        return (NumberTable(("", panel.axis.text, "lower limit", "upper limit"), forest),)
    if isinstance(panel, Bars):
        return (_bars(panel),)
    if isinstance(panel, Columns):
        return (_columns(panel),)
    rows = tuple((name, *cells) for name, cells in zip(panel.rows, panel.values, strict=True))
    return (NumberTable((panel.measure, *panel.columns), rows),)


def _bars(panel: Bars) -> NumberTable:
    series = any(bar.series for bar in panel.rows)
    rows = tuple(
        (bar.label, *((bar.series,) if series else ()), bar.words if bar.value is None else bar.value)
        for bar in panel.rows
    )
    return NumberTable(("", *(("",) if series else ()), panel.axis.text), rows)


def _columns(panel: Columns) -> NumberTable:
    bins = [f"{shown_tick(a)} to {shown_tick(b)}" for a, b in zip(panel.edges, panel.edges[1:], strict=False)]
    rows = tuple(
        (name, *(panel.hidden if counts[i] is None else counts[i] for _, counts in panel.groups))
        for i, name in enumerate(bins)
    )
    return NumberTable((panel.x.text, *(name for name, _ in panel.groups)), rows)


def _curves(panel: Curves) -> tuple[NumberTable, ...]:
    drawn = [curve for curve in panel.curves if curve.marks != "guide"]
    tables = []
    while drawn:
        together = [curve for curve in drawn if curve.x == drawn[0].x]
        drawn = [curve for curve in drawn if curve.x != together[0].x]
        tables.append(_one_table(panel, together))
    if panel.at_risk:
        at_risk = zip_longest(_whole(panel.at_risk.x), *(counts for _, counts in panel.at_risk.groups))
        columns = (panel.x.text, *(f"{name}, at risk" for name, _ in panel.at_risk.groups))
        tables.append(NumberTable(columns, tuple(at_risk)))
    return tuple(tables)


def _one_table(panel: Curves, curves: Sequence[Curve]) -> NumberTable:
    columns, parts = [panel.x.text], [curves[0].x]
    for curve in curves:
        name = curve.label or panel.y.text
        named = (("", curve.y), (", lower limit", curve.low), (", upper limit", curve.high))
        columns += [name + word for word, part in named if part]
        parts += [part for _, part in named if part]
    return NumberTable(tuple(columns), tuple(zip(*(_whole(part) for part in parts), strict=True)))


def _whole(values: Sequence[float]) -> Sequence[float | int]:
    """Days and rounds as whole numbers; what has a fraction anywhere, or no number above 1, stays."""
    if all(value.is_integer() for value in values) and max(values, default=0.0) > 1:
        return [int(value) for value in values]
    return values


def described(panel: Panel) -> str:
    """What a panel shows in one sentence, for a screen reader; its numbers are in the table."""
    if isinstance(panel, Curves):
        names = ", ".join(curve.label for curve in panel.curves if curve.label)
        return f"{panel.y.text} against {panel.x.text}" + (f": {names}." if names else ".")
    if isinstance(panel, Estimates):
        return f"{panel.axis.text} with intervals: {', '.join(row.label for row in panel.rows)}."
    if isinstance(panel, Bars):
        return f"Bars of {panel.axis.text}: {', '.join(dict.fromkeys(bar.label for bar in panel.rows))}."
    if isinstance(panel, Columns):
        groups = ", ".join(name for name, _ in panel.groups)
        return f"Histogram of {panel.x.text}" + (f": {groups}." if len(panel.groups) > 1 else ".")
    assert isinstance(panel, HeatMap)
    return f"Matrix of {panel.measure}: {', '.join(panel.rows)} by {', '.join(panel.columns)}."
