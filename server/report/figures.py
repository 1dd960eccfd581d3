"""A result's figure on the report's page: its panels as SVG, its caption, and its numbers as tables."""

from collections.abc import Sequence

from markupsafe import Markup

from protocols.core.figure import Figure, NoFigure, Panel
from protocols.results.number_table import numbers
from protocols.results.svg import svg
from server.report import blocks

MOST_NUMBERS, MOST_TABLES = 300, 20
"""Rows of a figure's table on the page, and tables; all numbers are in the JSON."""


def shown(figure: Figure | NoFigure) -> list[Markup]:
    """The figure with its numbers folded below it; nothing where there is none."""
    if isinstance(figure, NoFigure):
        return []
    return [drawn(figure.panels, figure.caption), *folded_numbers(figure.panels)]


def drawn(panels: Sequence[Panel], caption: str) -> Markup:
    """The panels as one figure with its caption."""
    parts = [blocks.panel(svg(panel), panel.title) for panel in panels]
    return blocks.figure(Markup("").join(parts), caption)


def folded_numbers(panels: Sequence[Panel]) -> list[Markup]:
    """The numbers of panels as tables that open on a click."""
    every = [(panel.title, table) for panel in panels for table in numbers(panel)]
    drawn = []
    for title, table in every[:MOST_TABLES]:
        if title and len(panels) > 1:
            drawn.append(blocks.heading(title))
        drawn.append(blocks.table(table.columns, table.rows[:MOST_NUMBERS]))
        if len(table.rows) > MOST_NUMBERS:
            drawn.append(blocks.text(f"The first {MOST_NUMBERS} of {len(table.rows)} rows.", "note"))
    return [blocks.opening("The numbers in this figure", drawn)]
