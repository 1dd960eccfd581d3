"""How descriptions look in a report: attrition, Table 1, harmonization before and after."""

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from protocols.core.disclosure import SUPPRESSED
from protocols.core.errors import Code
from protocols.core.study import Analysis, Study
from protocols.describe.attrition import AttritionResult
from protocols.describe.summary import Numbers, SummaryResult
from protocols.exchange.rounds import Outcome
from protocols.preparation.combat import CombatResult
from server.report import blocks, plots


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
    return drawn + withheld(found.withheld)


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
        drawn.append(
            blocks.text(
                "Mean (standard deviation); of a variable that is 0 or 1, the people with 1 and their share. "
                "n: those who have the variable, where some lack it.",
                "note",
            )
        )
    return drawn + withheld(found.withheld)


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
    n, mean, sd = int(numbers.n[g, v]), float(numbers.mean[g, v]), float(numbers.sd[g, v])
    if n == SUPPRESSED or math.isnan(mean):
        return blocks.SUPPRESSED
    known = Markup("") if n == numbers.people[g] else Markup(" <small>n&#8239;{}</small>").format(n)
    if _is_zero_or_one(n, mean, sd):
        return Markup("{} ({:.0%}){}").format(round(n * mean), mean, known)
    return Markup("{} ({}){}").format(Markup(blocks.number(mean)), Markup(blocks.number(sd)), known)


def _is_zero_or_one(n: int, mean: float, sd: float) -> bool:
    """Whether the values' squares have the values' own mean, as those of 0 and 1 do."""
    return 0 < mean < 1 and math.isclose(sd**2 * (n - 1), n * mean * (1 - mean), rel_tol=1e-9)


def _known(count: Any) -> int | None:
    return None if count == SUPPRESSED else int(count)


def _count(count: Any) -> object:
    return blocks.SUPPRESSED if count == SUPPRESSED else int(count)


def withheld(codes: Mapping[str, Code]) -> list[Markup]:
    """A line on the hospitals that gave no numbers of their own."""
    if not codes:
        return []
    return [
        blocks.text(f"No numbers of their own: {', '.join(f'{s} ({c})' for s, c in codes.items())}.", "note")
    ]
