"""The sections of a report: what was asked, then each analysis as its own kind is best seen."""

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from cdm.cohorts.cohort import AtlasCohort, CohortDefinition
from protocols.core.lockstep import Failure
from protocols.core.study import Analysis, Study
from protocols.exchange.rounds import Outcome
from protocols.preparation.combat import CombatResult
from server.report import blocks
from server.report.blocks import Section
from server.report.curves import kaplan_meier
from server.report.describe import attrition, before_and_after, combat, summary
from server.report.models import cox, discrimination, logistic


def question(study: Study) -> Section:
    """Whom the study counts, and the variables that it reads."""
    variables = [
        (name, variable.kind, _words(variable.model_dump(mode="json", by_alias=True, exclude={"kind"})))
        for name, variable in study.variables.items()
    ]
    return Section(
        "The question",
        [
            blocks.heading("Cohort"),
            blocks.table(("rule", "means"), _cohort(study.cohort)),
            blocks.heading("Variables"),
            blocks.table(("variable", "kind", "picked by"), variables),
        ],
    )


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
    draw = DRAWN.get(analysis.spec.protocol)
    before = ", ".join(f"“{shown_title(study.analysis(name))}”" for name in analysis.after)
    after = [blocks.text(f"On the columns as changed by {before}.", "note")]
    drawn = draw(analysis, found) if draw else [blocks.frame(found.summary().reset_index())]
    if isinstance(found, CombatResult):
        drawn += before_and_after(study, outcome, analysis)
    return Section(title, [*(after if analysis.after else []), *drawn])


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


DRAWN: dict[str, Callable[[Analysis, Any], list[Markup]]] = {
    "attrition": attrition,
    "combat": combat,
    "cox": cox,
    "discrimination": discrimination,
    "kaplan_meier": kaplan_meier,
    "logistic": logistic,
    "summary": summary,
}
"""By protocol; what has no drawing of its own is shown as its summary's table."""
