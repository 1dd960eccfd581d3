"""Sites that are left out in turn: which of them can be, and what each shows of itself in the clear.

A protocol that validates has a step `classes`, by which each site says whether it can be left out; one that
shows single sites has a step `left_out` beside its `scores`. Their coordination is the same and stands here.

What one site would not show is what the others leave of the total. So each says first, in a sum, what it has
too few people to show (a step `hidden`), and no site shows that.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from protocols.core.cells import last_of_runs
from protocols.core.disclosure import SUPPRESSED, Array, Thresholds
from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Arrays, Coordination, PerSite, Total, ask
from protocols.core.table import AnalysisTable
from protocols.validation.out_of_fold import (
    Folds,
    Validated,
    ValidatedProbability,
    folds_of,
    smallest_inner_fold,
)
from protocols.validation.schemes import BySite, External

T = TypeVar("T")


def sites_are_left_out(spec: Validated) -> bool:
    """Whether sites are left out: each of them is then judged by itself, and shows its part in the clear."""
    return isinstance(spec.scheme, BySite | External)


def chosen_folds(spec: Validated) -> Coordination[tuple[Folds, Mapping[str, Code]]]:
    """The folds of the scheme, and why a site is not left out.

    Raises:
        StudyError: too-few-sites; fewer than two can be left out, or than three train or judge.
    """
    if not isinstance(spec.scheme, BySite | External):
        return folds_of(spec.scheme, ()), {}
    judged, not_judged = sites_to_leave_out(spec.scheme, (yield ask("classes", per_site=True)))
    return folds_of(spec.scheme, judged), not_judged


def scored_sites(
    folds: Folds,
    fits: Sequence[Mapping[str, Array]],
    may_show: Callable[[Total], Arrays | None],
    read: Callable[[Arrays], T | None],
    **others: Array,
) -> Coordination[tuple[list[Total], dict[str, T], dict[str, Code]]]:
    """The joined `scores` of each repeat, what each site that is left out shows, and why one shows nothing.

    Args:
        may_show: by the joined answer about `hidden`, what the question about `left_out` holds beside folds
            and fits; None where there is something that one site would not show at all.
        read: what a site's `left_out` says; None where its gate removed a part of it.
        others: what the question about scores holds beside folds and fits.
    """
    questions = folds.questions("scores", fits, **others)
    if not folds.judged:
        return list((yield questions)), {}, {}
    *totals, hidden = yield (*questions, *folds.questions("hidden", fits))
    asked = may_show(hidden)
    if asked is None:
        return totals, {}, dict.fromkeys(folds.judged, Code.WITHHELD)
    (alone,) = folds.questions("left_out", fits, **asked)
    shown = yield replace(alone, per_site=True)
    found = {site: read(shown.answers[site]) for site in folds.judged if site in shown.answers}
    by_site = {site: there for site, there in found.items() if there is not None}
    silent = [site for site in folds.judged if site not in by_site]
    return totals, by_site, {site: shown.withheld.get(site, Code.WITHHELD) for site in silent}


def runs_of_all(hidden: Total) -> Arrays | None:
    """What `may_show` asks of a protocol whose sites show cells along an axis.

    Returns:
        `last`, the (cell,) last ones of runs in which no site has too few people, by the (class, part) `few`
        sites that have; None where one has too few altogether.
    """
    few = hidden["few"].any(axis=0)
    return None if few[0] else {"last": last_of_runs(np.where(few, 0, hidden.over_all), hidden.over_all)}


def sites_to_leave_out(
    scheme: BySite | External, classes: PerSite
) -> tuple[tuple[str, ...], dict[str, Code]]:
    """The sites that are judged by themselves, and why others are not, from each one's `smaller` class.

    Raises:
        StudyError: too-few-sites; fewer than two can be left out, or than three train or judge.
    """
    judged = [site for site, arrays in classes.answers.items() if arrays["smaller"] != SUPPRESSED]
    if isinstance(scheme, External):
        everywhere, own = {*classes.answers, *classes.withheld}, set(scheme.sites)
        if unknown := own - everywhere:
            raise StudyError(
                Code.INVALID_STUDY,
                f"no site of this run is named {', '.join(sorted(unknown))}",
                "name sites of the run",
            )
        if len(everywhere - own) < Thresholds().min_sites_in_sum:
            raise StudyError(
                Code.TOO_FEW_SITES,
                "fewer than three sites are left to train",
                "name fewer `sites`, or leave out one site after another: `scheme: {kind: sites}`",
            )
        hidden = own - set(judged)
        return tuple(sorted(own & set(judged))), dict.fromkeys(sorted(hidden), Code.WITHHELD)
    if len(judged) < 2:
        raise StudyError(
            Code.TOO_FEW_SITES,
            "fewer than two sites have enough people to be left out in turn",
            "use folds of people: `scheme: {kind: folds}`",
        )
    withheld = dict.fromkeys(set(classes.answers) - set(judged), Code.WITHHELD)
    return tuple(sorted(judged)), {**classes.withheld, **withheld}


def smaller_class(spec: ValidatedProbability, table: AnalysisTable) -> Arrays:
    """How many people are in the smaller class here: whether this site can be left out and judged."""
    changed = {name for before in spec.preparations().values() for name in before.variables()}
    used = {name for model in spec.fitted_models().values() for name in model.variables()}
    y = table.complete((used - changed) & table.columns.keys()).column(spec.outcome())
    return {"smaller": np.array(min((y == 0).sum(), (y == 1).sum(), smallest_inner_fold(spec, table)))}


def clear_notes(spec: Validated) -> Sequence[str]:
    """What a site that is left out should know."""
    if not sites_are_left_out(spec):
        return []
    return ["With few people of either class nothing leaves in the clear, and this site is not left out."]
