"""The sections of a report: what was asked, then each analysis as its own kind is best seen."""

from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from protocols.core.lockstep import Failure
from protocols.core.rounds import Outcome
from protocols.core.study import Analysis, Study
from protocols.cox import CoxResult
from protocols.logistic import LogisticResult
from server.report import blocks, plots
from server.report.blocks import Section


def question(study: Study) -> Section:
    """Whom the study counts, and the variables that it reads."""
    rules = [
        (rule.name, _words(rule.model_dump(mode="json", exclude={"name"}))) for rule in study.cohort.rules
    ]
    index = _words(study.cohort.index.model_dump(mode="json"))
    variables = [
        (name, variable.kind, _words(variable.model_dump(mode="json", by_alias=True, exclude={"kind"})))
        for name, variable in study.variables.items()
    ]
    return Section(
        "The question",
        [
            blocks.heading("Cohort"),
            blocks.table(("rule", "means"), [("index event", index), *rules]),
            blocks.heading("Variables"),
            blocks.table(("variable", "kind", "picked by"), variables),
        ],
    )


def results(study: Study, outcome: Outcome) -> list[Section]:
    """A section for each analysis of the study, in its order."""
    return [_result(study, outcome, analysis) for analysis in study.analyses]


def _result(study: Study, outcome: Outcome, analysis: Analysis) -> Section:
    found = outcome.results[analysis.name]
    title = analysis.title or analysis.name.replace("_", " ").capitalize()
    if isinstance(found, Failure):
        return Section(title, [blocks.failure(str(found.code), found.text)])
    draw = DRAWN.get(analysis.spec.protocol)
    after = [blocks.text(f"On columns harmonized by {', '.join(analysis.after)}.", "note")]
    drawn = draw(analysis, found) if draw else [blocks.frame(found.summary().reset_index())]
    return Section(title, [*(after if analysis.after else []), *drawn])


def cox(analysis: Analysis, found: CoxResult) -> list[Markup]:
    """A forest of hazard ratios and their table."""
    return [
        blocks.text(
            f"{found.n} people, {found.n_events} events; every hospital keeps its own baseline hazard; "
            f"ties after {found.ties.capitalize()}. Likelihood ratio test against no covariate: "
            f"p = {blocks.plain_number(found.likelihood_ratio_p)}."
        ),
        blocks.figure(
            plots.forest(found.terms, found.hazard_ratio, found.lower, found.upper, "hazard ratio"),
            f"Hazard ratios with {found.level:.0%} intervals.",
        ),
        blocks.table(
            ("covariate", "coefficient", "standard error", "hazard ratio", "interval", "p"),
            _ratios(found.terms, found, found.hazard_ratio),
        ),
    ]


def logistic(analysis: Analysis, found: LogisticResult) -> list[Markup]:
    """A forest of odds ratios, the intercept left out, and their table."""
    shown = slice(1, None)
    return [
        blocks.text(f"{found.n} people, {found.n_events} of them with the outcome."),
        blocks.figure(
            plots.forest(
                found.terms[shown],
                found.odds_ratio[shown],
                found.lower[shown],
                found.upper[shown],
                "odds ratio",
            ),
            f"Odds ratios with {found.level:.0%} intervals.",
        ),
        blocks.table(
            ("covariate", "coefficient", "standard error", "odds ratio", "interval", "p"),
            _ratios(found.terms, found, found.odds_ratio),
        ),
    ]


def _ratios(
    terms: tuple[str, ...], found: CoxResult | LogisticResult, ratio: Any
) -> list[tuple[object, ...]]:
    return [
        (
            term,
            float(found.coef[i]),
            float(found.se[i]),
            float(ratio[i]),
            f"{blocks.plain_number(found.lower[i])} to {blocks.plain_number(found.upper[i])}",
            float(found.p[i]),
        )
        for i, term in enumerate(terms)
    ]


def _words(fields: Mapping[str, Any]) -> str:
    """A definition's fields in words, without those that say nothing."""
    said = {name: value for name, value in fields.items() if value not in (None, False, [], {}, "none")}
    return ", ".join(f"{name.replace('_', ' ')}: {_value(value)}" for name, value in said.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _words(value) or "any time"
    if isinstance(value, list):
        return " + ".join(str(item) for item in value)
    return str(value)


DRAWN: dict[str, Callable[[Analysis, Any], list[Markup]]] = {"cox": cox, "logistic": logistic}
