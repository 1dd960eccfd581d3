"""A figure's panel as one SVG element, for the report and for web pages."""

from protocols.core.figure import Bars, Columns, Curves, Estimates, Panel
from protocols.results.number_table import described
from protocols.results.svg_curves import draw_columns, draw_curves
from protocols.results.svg_elements import Drawing
from protocols.results.svg_rows import draw_bars, draw_estimates, draw_heat_map


def svg(panel: Panel) -> str:
    """The panel as an SVG element with a title and a description, and no script."""
    return _drawn(panel).svg(panel.title or _untitled(panel), described(panel))


def _drawn(panel: Panel) -> Drawing:
    if isinstance(panel, Curves):
        return draw_curves(panel)
    if isinstance(panel, Columns):
        return draw_columns(panel)
    if isinstance(panel, Estimates):
        return draw_estimates(panel)
    if isinstance(panel, Bars):
        return draw_bars(panel)
    return draw_heat_map(panel)


def _untitled(panel: Panel) -> str:
    if isinstance(panel, Estimates | Bars):
        return panel.axis.text
    return panel.y.text if isinstance(panel, Curves | Columns) else panel.measure
