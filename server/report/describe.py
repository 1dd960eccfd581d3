"""How descriptions look in a report: attrition, Table 1, harmonization before and after."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from protocols.core.disclosure import SUPPRESSED
from protocols.core.figure import Axis, Bar, Bars, Estimate, Estimates
from protocols.core.study import Analysis, Study
from protocols.describe.attrition import AttritionResult
from protocols.describe.left_out import LeftOutResult
from protocols.describe.quantiles import QuantilesResult
from protocols.describe.summary import SummaryResult
from protocols.describe.summary_numbers import Numbers
from protocols.exchange.rounds import Outcome
from protocols.preparation.combat import CombatResult
from protocols.results.numerals import shown, shown_count
from server.report import blocks, figures
from server.report.drawn import drawn, withheld
from server.report.tables import MOST_ROWS, rows_left_out, summary_table

QUARTILES = (0.25, 0.5, 0.75)


@drawn.register
def attrition(found: AttritionResult, study: Study, outcome: Outcome, analysis: Analysis) -> list[Markup]:
    """Bars of the people left after each rule, and the same by site."""
    parts = figures.shown(found.figure())
    if found.by_site:
        bars = tuple(_site_bar(site, counts[-1]) for site, counts in found.by_site.items())
        panel = Bars("", Axis("people", low=0.0), bars)
        rows = [
            (step, _count(found.total[i]), *(_count(counts[i]) for counts in found.by_site.values()))
            for i, step in enumerate(found.steps)
        ]
        parts += [
            figures.drawn([panel], "People in the cohort, by hospital."),
            blocks.table(("rule", "all hospitals", *found.by_site), rows),
        ]
    return parts + _explained(parts, study) + withheld(found.withheld)


def _site_bar(site: str, count: Any) -> Bar:
    if count == SUPPRESSED:
        return Bar(site, None, "withheld")
    return Bar(site, float(count), shown_count(int(count)))


@drawn.register
def who_is_left_out(found: LeftOutResult, study: Study, outcome: Outcome, analysis: Analysis) -> list[Markup]:
    """People without a value, then the share of each variable that rests on doubt, with the way out."""
    return [
        *figures.shown(found.figure()),
        *summary_table(found, {}),
        blocks.heading("What rests on doubt"),
        *_doubts(found, study.thresholds.min_count),
        *withheld(found.withheld),
    ]


def _doubts(found: LeftOutResult, floor: int) -> list[Markup]:
    """People for whom a record of a variable was not wholly understood, by kind of doubt."""
    hidden = f"Kinds of doubt that fewer than {floor} people have are not told."
    rows = [
        (variable, str(means), f"{people} ({share:.1%})", str(way_out))
        for (variable, _), people, share, means, way_out in found.doubts().itertuples()
    ]
    if not rows:
        return [blocks.text(f"No value of a variable rests on doubt for {floor} people or more.", "note")]
    columns = ("variable", "what is in doubt", "people", "a hospital's way out")
    return [blocks.table(columns, rows), blocks.text(f"Shares of the cohort. {hidden}", "note")]


@drawn.register
def summary(found: SummaryResult, study: Study, outcome: Outcome, analysis: Analysis) -> list[Markup]:
    """Table 1: mean and standard deviation, medians where the study asked for them; the sites compared."""
    medians = quartiles(study, outcome, analysis) if found.groups == ("all",) else {}
    parts = []
    for g, group in enumerate(found.groups):
        if len(found.groups) > 1:
            parts.append(blocks.heading(group))
        parts.append(_table_one(found, g, medians))
    parts += [_crossed(found, k) for k in range(len(found.pairs))]
    if found.of:
        parts.append(blocks.text(_legend(found, medians), "note"))
    parts += _explained(parts, study)
    return parts + withheld(found.withheld) + figures.shown(found.figure())


def _table_one(found: SummaryResult, g: int, medians: Mapping[str, tuple[float, ...]]) -> Markup:
    columns = {"all hospitals": found.total, **found.by_site}
    people = ("people", *([Markup("")] if medians else []), *(_count(n.people[g]) for n in columns.values()))
    rows = [
        (variable, *([_median(medians, variable)] if medians else []), *cells)
        for v, variable in enumerate(found.of)
        for cells in [tuple(_mean_and_sd(numbers, g, v) for numbers in columns.values())]
    ]
    median = ["median (quartiles), all hospitals"] if medians else []
    return blocks.table(("variable", *median, *columns), [people, *rows])


def _median(medians: Mapping[str, tuple[float, ...]], variable: str) -> Markup:
    if variable not in medians:
        return Markup("–")
    low, middle, high = (shown(value) for value in medians[variable])
    return Markup("{} ({} to {})").format(middle, low, high)


def _legend(found: SummaryResult, medians: Mapping[str, tuple[float, ...]]) -> str:
    words = (
        "Mean (standard deviation); for a variable that is 0 or 1, the people with 1 and their share. n: "
        "people with a value, where some have none."
    )
    many = [v for v in range(len(found.of)) if not found.total.is_zero_or_one(0, v)]
    if many and not medians:
        words += (
            " Medians and quartiles are not shown: the study has no `quantiles` analysis of these variables."
        )
    if medians and set(found.of) - medians.keys():
        words += " A dash: the study has no `quantiles` analysis of the variable, or it could not be shown."
    return words


def _crossed(found: SummaryResult, k: int) -> Markup:
    first, second = found.pairs[k]
    cells = found.total.cross[k]
    rows = [(f"{first} {i}", *(_count(cells[i, j]) for j in (0, 1))) for i in (0, 1)]
    return blocks.table(("", f"{second} 0", f"{second} 1"), rows)


def quartiles(study: Study, outcome: Outcome, analysis: Analysis) -> dict[str, tuple[float, ...]]:
    """Variable -> its quartiles, from the study's `quantiles` analyses of the same columns."""
    found: dict[str, tuple[float, ...]] = {}
    for other in study.analyses:
        result = outcome.results.get(other.name)
        if not isinstance(result, QuantilesResult) or other.after != analysis.after:
            continue
        if set(QUARTILES) <= set(result.shares):
            at = [result.shares.index(share) for share in QUARTILES]
            found |= {name: tuple(map(float, result.quantiles[v, at])) for v, name in enumerate(result.of)}
    return {name: numbers for name, numbers in found.items() if not any(map(math.isnan, numbers))}


@drawn.register
def combat(found: CombatResult, study: Study, outcome: Outcome, analysis: Analysis) -> list[Markup]:
    """What was harmonized; each hospital keeps its scanners' location and scale."""
    kept = f", keeping the effect of {', '.join(found.covariates)}" if found.covariates else ""
    left_out = f" {found.left_out} people in batches too small to be estimated are left out."
    rows = [
        (name, float(found.grand_mean[i]), float(found.variance[i] ** 0.5), *map(float, found.effects[:, i]))
        for i, name in enumerate(found.features)
    ]
    unadjusted = int(np.isnan(found.variance).sum())
    effects = (f"effect of {name}" for name in found.covariates)
    return [
        blocks.text(
            f"{len(found.features)} features of {found.n} people over {found.batches} batches{kept}."
            + (left_out if found.left_out else "")
            + (
                f" Not harmonized, since a batch hardly has them or they do not vary: {unadjusted}."
                * (unadjusted > 0)
            )
            + " The location and scale of a batch were estimated at its hospital and stay there."
        ),
        *figures.shown(found.figure()),
        blocks.table(
            ("feature", "grand mean", "standard deviation within batches", *effects), rows[:MOST_ROWS]
        ),
        *rows_left_out(len(rows)),
        *before_and_after(study, outcome, analysis),
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
        figures.drawn(
            _spread(feature, {when: tables[when] for when in ("before", "after")}),
            f"{feature}: mean and one standard deviation at each hospital, before and after.",
        )
        for feature in features[:4]
    ]


def _spread(feature: str, tables: Mapping[str, SummaryResult]) -> list[Estimates]:
    """Mean and one standard deviation by site, a panel each, over one range."""
    rows = {when: _by_site(table, feature) for when, table in tables.items()}
    ends = [end for of in rows.values() for row in of for end in (row.low, row.high) if math.isfinite(end)]
    axis = Axis(feature, low=min(ends), high=max(ends)) if ends else Axis(feature)
    return [Estimates(when.capitalize(), axis, tuple(of)) for when, of in rows.items()]


def _by_site(table: SummaryResult, variable: str) -> list[Estimate]:
    v = table.of.index(variable)
    found = [(site, float(n.mean[0, v]), float(n.sd[0, v])) for site, n in table.by_site.items()]
    return [Estimate(site, mean, mean - sd, mean + sd) for site, mean, sd in found]


def _mean_and_sd(numbers: Numbers, g: int, v: int) -> Markup:
    """A cell of Table 1; what is withheld is shown as withheld."""
    n, mean, sd = int(numbers.n[g, v]), float(numbers.mean[g, v]), float(numbers.sd[g, v])
    if n == SUPPRESSED or math.isnan(mean):
        return blocks.WITHHELD
    known = Markup("") if n == numbers.people[g] else Markup(" <small>n\u202f{}</small>").format(n)
    if numbers.is_zero_or_one(g, v):
        return Markup("{} ({:.0%}){}").format(round(n * mean), mean, known)
    return Markup("{} ({}){}").format(shown(mean), shown(sd), known)


def _count(count: Any) -> object:
    return blocks.WITHHELD if count == SUPPRESSED else int(count)


def _explained(parts: list[Markup], study: Study) -> list[Markup]:
    """What "withheld" means, if it stands in any of the blocks."""
    said = any(blocks.WITHHELD in block for block in parts)
    return [blocks.why_withheld(study.thresholds.min_count)] if said else []
