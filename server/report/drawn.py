"""How a result of any kind looks in a report: what is said of it, its figure, its table."""

from collections.abc import Mapping
from functools import singledispatch

from markupsafe import Markup

from protocols.core.errors import Code
from protocols.core.figure import Estimates, Figure, NoFigure
from protocols.core.protocol import Result
from protocols.core.roles import JudgesSites
from protocols.core.study import Analysis, Study
from protocols.exchange.rounds import Outcome
from protocols.results.per_unit import figure_per
from server.report import blocks, figures
from server.report.models import said
from server.report.steps import named_steps, offered_steps, without_step
from server.report.tables import summary_table


@singledispatch
def drawn(found: Result, study: Study, outcome: Outcome, analysis: Analysis) -> list[Markup]:
    """What is said of a result, its figure, and its table: all that most kinds of result need.

    A kind of result that a page shows otherwise registers its own function (see `describe`).
    """
    steps = {**offered_steps(study, outcome, analysis), **named_steps(study, outcome, analysis)}
    figure = found.figure()
    words = said(found, analysis.spec)
    parts = [blocks.text(words)] if words else []
    parts += figures.shown(figure if isinstance(figure, NoFigure) else figure_per(figure, steps))
    parts += summary_table(found, steps)
    if unread := [name for name in without_step(study, outcome, analysis) if name in _terms(figure)]:
        parts.append(blocks.text(_unread(unread), "note"))
    if isinstance(found, JudgesSites):
        parts += withheld(found.not_judged)
    return parts


def _terms(figure: Figure | NoFigure) -> set[str]:
    """The covariates whose estimates a figure draws."""
    panels = () if isinstance(figure, NoFigure) else figure.panels
    return {row.term for panel in panels if isinstance(panel, Estimates) for row in panel.rows}


def _unread(names: list[str]) -> str:
    return (
        f"Per unit of {', '.join(names)}, since the study names no step under `shown_per` and has no "
        "`summary` analysis that gives a standard deviation."
    )


def withheld(codes: Mapping[str, Code]) -> list[Markup]:
    """A line on the hospitals that reported no numbers separately."""
    if not codes:
        return []
    named = ", ".join(f"{site} ({code})" for site, code in codes.items())
    return [blocks.text(f"Hospitals that do not report their own numbers: {named}.", "note")]
