"""Survival curves in a report."""

from markupsafe import Markup

from protocols.core.study import Analysis
from protocols.survival.kaplan_meier import KaplanMeierResult
from server.report import blocks, plots


def kaplan_meier(analysis: Analysis, found: KaplanMeierResult) -> list[Markup]:
    """The curves of all groups, and the days by which given shares of people had the event."""
    quantiles = tuple(f"{share:.0%} had it by day" for share in found.quantiles)
    rows = [
        (group, int(found.n[g]), *(float(day) for day in found.quantile_days[g]))
        for g, group in enumerate(found.groups)
    ]
    return [
        blocks.figure(
            plots.survival(found.groups, found.days, found.survival, found.lower, found.upper),
            f"Kaplan-Meier curves with {found.level:.0%} intervals, in steps of the study's grid of days; a "
            "curve ends where too few people are at risk.",
        ),
        blocks.table(("group", "people", *quantiles), rows),
    ]
