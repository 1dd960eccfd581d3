"""The sections of a report: what was asked, then each analysis as its own kind is best seen."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from cdm.cohorts.cohort import AtlasCohort, CohortDefinition
from protocols.core.lockstep import Failure
from protocols.core.study import Analysis, Study
from protocols.core.study_words import index_words, rule_words, variable_words, window_words
from protocols.exchange.rounds import Outcome
from server.report import blocks, describe  # noqa: F401 describe says how descriptions are drawn
from server.report.blocks import Section
from server.report.drawn import drawn


def question(study: Study) -> Section:
    """Whom the study counts, and the variables that it reads."""
    contents = {name: one.model_dump(mode="json", by_alias=True) for name, one in study.variables.items()}
    variables = [
        (name, _meaning(content), _words({**content, "kind": None}) or "–")
        for name, content in contents.items()
    ]
    return Section(
        "The question",
        [
            blocks.heading("Cohort"),
            blocks.table(("rule", "means"), _cohort(study.cohort)),
            blocks.heading("Variables"),
            blocks.table(("variable", "means", "picked by"), variables),
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
    content = cohort.model_dump(mode="json", by_alias=True)
    rules = ((rule["name"], str(rule_words(rule))) for rule in content["rules"])
    return [("index event", str(index_words(content["index"]))), *rules]


def _meaning(variable: Mapping[str, Any]) -> str:
    """What a variable is, in words, and from which days."""
    days = window_words(variable)
    return str(variable_words(variable)) + ("" if days is None else f", {days}")


def results(study: Study, outcome: Outcome) -> list[Section]:
    """A section for each analysis of the study, in its order."""
    return [_result(study, outcome, analysis) for analysis in study.analyses]


def _result(study: Study, outcome: Outcome, analysis: Analysis) -> Section:
    found = outcome.results[analysis.name]
    title = shown_title(analysis)
    if isinstance(found, Failure):
        return Section(title, [blocks.failure(str(found.code), found.text, found.fix)])
    before = ", ".join(f"“{shown_title(study.analysis(name))}”" for name in analysis.after)
    after = [blocks.text(f"On the columns as changed by {before}.", "note")] if analysis.after else []
    return Section(title, [*after, *drawn(found, study, outcome, analysis)])


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
