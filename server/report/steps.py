"""Per how much of a covariate a study's ratios are shown: what it names, or offered, a standard deviation."""

from collections.abc import Mapping

import numpy as np

from protocols.core.study import Analysis, Study
from protocols.describe.summary import SummaryResult
from protocols.exchange.rounds import Outcome
from protocols.results.numerals import shown, shown_tick
from protocols.results.per_unit import Step
from protocols.survival.cox_model import CoxResult

MANY = frozenset(
    {"age", "measurement", "copy_number", "expression", "methylation", "mutational_burden"}
    | {"ctdna", "purity", "cancer_cell_fraction", "image_feature", "radiomic", "polygenic_score"}
)
"""Kinds of variables that have many values, so that their unit is often too small or too large to read."""


def named_steps(study: Study, outcome: Outcome, analysis: Analysis) -> dict[str, Step]:
    """Covariate -> the step that the study names; a standard deviation only where one is known."""
    sds = standard_deviations(study, outcome, analysis)
    steps = {}
    for name, per in study.shown_per.items():
        if per != "sd":
            years = " years" if name in study.variables and study.variables[name].kind == "age" else ""
            steps[name] = Step(float(per), f"per {shown_tick(float(per))}{years}")
        elif name in sds:
            steps[name] = _per_sd(sds[name])
    return steps


def offered_steps(study: Study, outcome: Outcome, analysis: Analysis) -> dict[str, Step]:
    """Covariate -> a standard deviation, of variables with many values for which the study names nothing."""
    return {
        name: _per_sd(sd)
        for name, sd in standard_deviations(study, outcome, analysis).items()
        if name not in study.shown_per and name in study.variables and study.variables[name].kind in MANY
    }


def without_step(study: Study, outcome: Outcome, analysis: Analysis) -> list[str]:
    """The covariates with many values that are shown per unit, for no standard deviation of them is known."""
    known = {**named_steps(study, outcome, analysis), **offered_steps(study, outcome, analysis)}
    read = [name for name in analysis.spec.variables() if name in study.variables]
    return [name for name in read if name not in known and study.variables[name].kind in MANY]


def standard_deviations(study: Study, outcome: Outcome, analysis: Analysis) -> Mapping[str, float]:
    """Variable -> its standard deviation over all people, by this analysis or a summary of these columns."""
    found: dict[str, float] = {}
    for other in study.analyses:
        result = outcome.results.get(other.name)
        if isinstance(result, SummaryResult) and result.groups == ("all",) and other.after == analysis.after:
            found |= dict(zip(result.of, map(float, result.total.sd[0]), strict=True))
    own = outcome.results.get(analysis.name)
    if isinstance(own, CoxResult):
        found |= dict(zip(own.terms, map(float, own.scale), strict=True))
    return {name: sd for name, sd in found.items() if np.isfinite(sd) and sd > 0}


def _per_sd(sd: float) -> Step:
    return Step(sd, f"per SD ({shown(sd)})")
