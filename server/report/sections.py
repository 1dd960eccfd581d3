"""The sections of a report: what was asked, then each analysis as its own kind is best seen."""

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from cdm.cohorts.cohort import AtlasCohort, CohortDefinition
from protocols.core.figure import Estimates, Figure, NoFigure
from protocols.core.lockstep import Failure
from protocols.core.protocol import Result
from protocols.core.study import Analysis, Study
from protocols.exchange.rounds import Outcome
from protocols.results.per_unit import figure_per
from protocols.validation.discrimination import DiscriminationResult
from protocols.validation.survival_validation import SurvivalValidationResult
from server.report import blocks, figures
from server.report.blocks import Section
from server.report.describe import attrition, combat, summary, withheld
from server.report.models import said
from server.report.steps import named_steps, offered_steps, without_step
from server.report.tables import summary_table


def question(study: Study) -> Section:
    """Whom the study counts, and the variables that it reads."""
    variables = [
        (
            name,
            variable.kind.replace("_", " "),
            _words(variable.model_dump(mode="json", by_alias=True, exclude={"kind"})) or "–",
        )
        for name, variable in study.variables.items()
    ]
    return Section(
        "The question",
        [
            blocks.heading("Cohort"),
            blocks.table(("rule", "means"), _cohort(study.cohort)),
            blocks.heading("Variables"),
            blocks.table(("variable", "kind", "picked by"), variables),
            *_blocks(study),
        ],
    )


def _blocks(study: Study) -> list[Markup]:
    """The blocks of a study: their rules, and the public lists of names, by hash."""
    rows = [
        (
            name,
            block.kind.replace("_", " "),
            _words(block.model_dump(mode="json", exclude={"kind", "axis"})),
            block.on.size,
            block.on.sha256[:16],
        )
        for name, block in study.blocks.items()
    ]
    columns = ("block", "kind", "picked by", "names", "SHA-256 of the list")
    return [blocks.heading("Blocks"), blocks.table(columns, rows)] if rows else []


def _cohort(cohort: CohortDefinition | AtlasCohort) -> list[tuple[str, str]]:
    if isinstance(cohort, AtlasCohort):
        return cohort.described()
    index = _words(cohort.index.model_dump(mode="json"))
    rules = ((rule.name, _words(rule.model_dump(mode="json", exclude={"name"}))) for rule in cohort.rules)
    return [("index event", index), *rules]


def results(study: Study, outcome: Outcome) -> list[Section]:
    """A section for each analysis of the study, in its order."""
    return [_result(study, outcome, analysis) for analysis in study.analyses]


def _result(study: Study, outcome: Outcome, analysis: Analysis) -> Section:
    found = outcome.results[analysis.name]
    title = shown_title(analysis)
    if isinstance(found, Failure):
        return Section(title, [blocks.failure(str(found.code), found.text)])
    before = ", ".join(f"“{shown_title(study.analysis(name))}”" for name in analysis.after)
    after = [blocks.text(f"On the columns as changed by {before}.", "note")] if analysis.after else []
    draw = DRAWN.get(analysis.spec.protocol, any_result)
    return Section(title, [*after, *draw(study, outcome, analysis, found)])


def any_result(study: Study, outcome: Outcome, analysis: Analysis, found: Result) -> list[Markup]:
    """What is said of a result, its figure, and its table."""
    steps = {**offered_steps(study, outcome, analysis), **named_steps(study, outcome, analysis)}
    figure = found.figure()
    words = said(analysis.spec, found)
    drawn = [blocks.text(words)] if words else []
    drawn += figures.shown(figure if isinstance(figure, NoFigure) else figure_per(figure, steps))
    drawn += summary_table(found, steps)
    if unread := [name for name in without_step(study, outcome, analysis) if name in _terms(figure)]:
        drawn.append(blocks.text(_unread(unread), "note"))
    if isinstance(found, DiscriminationResult | SurvivalValidationResult):
        drawn += withheld(found.not_judged)
    return drawn


def _terms(figure: Figure | NoFigure) -> set[str]:
    """The covariates whose estimates a figure draws."""
    panels = () if isinstance(figure, NoFigure) else figure.panels
    return {row.term for panel in panels if isinstance(panel, Estimates) for row in panel.rows}


def _unread(names: list[str]) -> str:
    return (
        f"Per unit of {', '.join(names)}, since the study names no step under `shown_per` and has no "
        "`summary` analysis that gives a standard deviation."
    )


def shown_title(analysis: Analysis) -> str:
    """An analysis' title, made of its name where it has none."""
    return analysis.title or analysis.name.replace("_", " ").capitalize()


def _words(fields: Mapping[str, Any]) -> str:
    """A definition's fields in words, without those that say nothing."""
    said = {name: value for name, value in fields.items() if value not in (None, False, [], {}, "none")}
    return ", ".join(f"{name.replace('_', ' ')}: {_value(value)}" for name, value in said.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _words(value) or "any time"
    if isinstance(value, list):
        return " + ".join(str(item) for item in value)
    return "yes" if value is True else str(value)


Draw = Callable[[Study, Outcome, Analysis, Any], list[Markup]]
DRAWN: dict[str, Draw] = {"attrition": attrition, "combat": combat, "summary": summary}
"""By protocol, where a page needs more than what is said of a result, its figure and its table."""
