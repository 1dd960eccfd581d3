"""The sections of a report: what was asked, then each analysis as its own kind is best seen."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from markupsafe import Markup

from cdm.cohort import AtlasCohort, CohortDefinition
from protocols.attrition import AttritionResult
from protocols.combat import CombatResult
from protocols.core.disclosure import SUPPRESSED
from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.rounds import Outcome
from protocols.core.study import Analysis, Study
from protocols.cox import CoxResult
from protocols.discrimination import DiscriminationResult
from protocols.logistic import LogisticResult
from protocols.summary import Numbers, SummaryResult
from server.report import blocks, plots
from server.report.blocks import Section


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
    title = analysis.title or analysis.name.replace("_", " ").capitalize()
    if isinstance(found, Failure):
        return Section(title, [blocks.failure(str(found.code), found.text)])
    draw = DRAWN.get(analysis.spec.protocol)
    after = [blocks.text(f"On columns harmonized by {', '.join(analysis.after)}.", "note")]
    drawn = draw(analysis, found) if draw else [blocks.frame(found.summary().reset_index())]
    if isinstance(found, CombatResult):
        drawn += before_and_after(study, outcome, analysis)
    return Section(title, [*(after if analysis.after else []), *drawn])


def attrition(analysis: Analysis, found: AttritionResult) -> list[Markup]:
    """Bars of the people left after each rule, and the same by site."""
    drawn = [
        blocks.figure(
            plots.attrition(found.steps, [int(count) for count in found.total]),
            "People left after each rule of the cohort, over all hospitals.",
        )
    ]
    if found.by_site:
        last = {site: _known(counts[-1]) for site, counts in found.by_site.items()}
        rows = [
            (step, int(found.total[i]), *(_count(counts[i]) for counts in found.by_site.values()))
            for i, step in enumerate(found.steps)
        ]
        drawn += [
            blocks.figure(plots.people(last), "People in the cohort, by hospital."),
            blocks.table(("rule", "all hospitals", *found.by_site), rows),
        ]
    return drawn + _withheld(found.withheld)


def summary(analysis: Analysis, found: SummaryResult) -> list[Markup]:
    """Table 1: mean and standard deviation of each variable, over all hospitals and by hospital."""
    columns = {"all hospitals": found.total, **found.by_site}
    drawn = []
    for g, group in enumerate(found.groups):
        rows = [
            (variable, *(_mean_and_sd(numbers, g, v) for numbers in columns.values()))
            for v, variable in enumerate(found.of)
        ]
        people: tuple[object, ...] = ("people", *(_count(n.people[g]) for n in columns.values()))
        if len(found.groups) > 1:
            drawn.append(blocks.heading(group))
        drawn.append(blocks.table(("variable", *columns), [people, *rows]))
    for k, (first, second) in enumerate(found.pairs):
        cells = found.total.cross[k]
        crossed = [(f"{first} {i}", *(_count(cells[i, j]) for j in (0, 1))) for i in (0, 1)]
        drawn.append(blocks.table(("", f"{second} 0", f"{second} 1"), crossed))
    if found.of:
        drawn.append(blocks.text("Mean (standard deviation), and n of those who have the variable.", "note"))
    return drawn + _withheld(found.withheld)


def combat(analysis: Analysis, found: CombatResult) -> list[Markup]:
    """What was harmonized; each hospital keeps its scanners' location and scale."""
    left_out = f" {found.left_out} people of batches too small to be estimated are left out."
    return [
        blocks.text(
            f"{len(found.features)} features of {found.n} people over {found.batches} batches"
            + (f", keeping the effect of {', '.join(found.covariates)}." if found.covariates else ".")
            + (left_out if found.left_out else "")
            + " The location and scale of a batch were found at its hospital and stay there."
        ),
        blocks.table(
            ("feature", "grand mean", "standard deviation within batches", *found.covariates),
            [
                (
                    name,
                    float(found.grand_mean[i]),
                    float(found.variance[i] ** 0.5),
                    *map(float, found.effects[:, i]),
                )
                for i, name in enumerate(found.features)
            ],
        ),
    ]


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


def discrimination(analysis: Analysis, found: DiscriminationResult) -> list[Markup]:
    """The ROC over all people scored and of each left-out hospital, the calibration, and both as numbers."""
    interval = f"{blocks.plain_number(found.auc_lower)} to {blocks.plain_number(found.auc_upper)}"
    curves = [(f"all, AUC {found.auc:.2f}", found.false_positive_rate, found.true_positive_rate)]
    for site, there in found.by_site.items():
        label = f"{site} left out, AUC {there.auc:.2f}"
        curves.append((label, there.false_positive_rate, there.true_positive_rate))
    seen = found.calibration_n > 0
    drawn = [
        blocks.text(
            f"AUC {blocks.plain_number(found.auc)} (95% interval {interval}) over {found.n} people, "
            f"{found.n_events} of them with the outcome, each scored by a model that never saw them. The AUC "
            f"of unbinned scores lies within {blocks.plain_number(found.auc_bound)} of it."
        ),
        blocks.side_by_side(
            [
                blocks.figure(plots.roc(curves), "Out-of-fold ROC; a hospital shows coarse points only."),
                blocks.figure(
                    plots.calibration(
                        found.calibration_predicted[seen],
                        found.calibration_observed[seen],
                        found.calibration_n[seen],
                    ),
                    f"Calibration: slope {found.calibration_slope:.2f}, "
                    f"intercept {found.calibration_intercept:.2f}; Brier score {found.brier:.3f}.",
                ),
            ]
        ),
    ]
    if found.by_site:
        rows = [
            (site, there.n, there.n_events, there.auc, there.mean_predicted, there.mean_observed)
            for site, there in found.by_site.items()
        ]
        columns = ("hospital left out", "people", "with the outcome", "AUC", "mean predicted", "observed")
        drawn.append(blocks.table(columns, rows))
    return drawn + _withheld(found.not_judged)


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


def before_and_after(study: Study, outcome: Outcome, harmonization: Analysis) -> list[Markup]:
    """A feature's mean and spread by hospital before and after, where the study summarizes both."""
    tables: dict[str, SummaryResult] = {}
    for analysis in study.analyses:
        found = outcome.results[analysis.name]
        if isinstance(found, SummaryResult) and found.by_site and found.groups == ("all",):
            if not analysis.after:
                tables["before"] = found
            elif analysis.after == (harmonization.name,):
                tables["after"] = found
    if tables.keys() != {"before", "after"}:
        return []
    features = [name for name in tables["after"].of if name in tables["before"].of]
    return [
        blocks.figure(
            plots.spread(feature, {when: _by_site(tables[when], feature) for when in ("before", "after")}),
            f"{feature}: mean and one standard deviation at each hospital, before and after.",
        )
        for feature in features[:4]
    ]


def _by_site(table: SummaryResult, variable: str) -> dict[str, tuple[float, float]]:
    v = table.of.index(variable)
    return {
        site: (float(numbers.mean[0, v]), float(numbers.sd[0, v])) for site, numbers in table.by_site.items()
    }


def _mean_and_sd(numbers: Numbers, g: int, v: int) -> Markup:
    """A cell of Table 1; suppressed is shown as suppressed."""
    if numbers.n[g, v] == SUPPRESSED or math.isnan(numbers.mean[g, v]):
        return blocks.SUPPRESSED
    mean, sd = (Markup(blocks.number(float(value))) for value in (numbers.mean[g, v], numbers.sd[g, v]))
    return Markup("{} ({}) <small>n&#8239;{}</small>").format(mean, sd, int(numbers.n[g, v]))


def _known(count: Any) -> int | None:
    return None if count == SUPPRESSED else int(count)


def _count(count: Any) -> object:
    return blocks.SUPPRESSED if count == SUPPRESSED else int(count)


def _withheld(codes: Mapping[str, Code]) -> list[Markup]:
    """A line on the hospitals that gave no numbers of their own."""
    if not codes:
        return []
    return [
        blocks.text(f"No numbers of their own: {', '.join(f'{s} ({c})' for s, c in codes.items())}.", "note")
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


DRAWN: dict[str, Callable[[Analysis, Any], list[Markup]]] = {
    "attrition": attrition,
    "combat": combat,
    "cox": cox,
    "discrimination": discrimination,
    "logistic": logistic,
    "summary": summary,
}
