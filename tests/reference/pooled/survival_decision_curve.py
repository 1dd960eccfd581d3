"""The reference of `survival_decision_curve`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from statsmodels.duration.survfunc import SurvfuncRight

from protocols.core.disclosure import Thresholds
from protocols.core.table import AnalysisTable
from protocols.validation.out_of_fold import folds_of, mean_of_repeats
from protocols.validation.schemes import BySite
from protocols.validation.survival_decision_curve import (
    MEASURES,
    SurvivalDecisionCurve,
    SurvivalDecisionCurveResult,
    SurvivalDecisionCurveSpec,
    _predicted,
    result,
)
from tests.reference.pooled.fitted import pooled_fitted

FLOOR = Thresholds().min_count


def pooled(spec: SurvivalDecisionCurveSpec, tables: Sequence[AnalysisTable]) -> SurvivalDecisionCurveResult:
    """The same folds, pooled fits, and statsmodels' Kaplan-Meier of those above each threshold."""
    judged: tuple[str, ...] = ()
    if isinstance(spec.scheme, BySite):
        enough = (t.site for t in tables if SurvivalDecisionCurve.classes(spec, t)["smaller"] >= FLOOR)
        judged = tuple(sorted(enough))
    folds = folds_of(spec.scheme, judged)
    fits = [pooled_fitted(spec, rows, tables) for rows in folds.training]
    floor, found, last = Thresholds().min_count, [], len(spec.until_day()) - 1
    for question in folds.questions("life_tables", fits):
        numbers = np.asarray(question.arrays["folds"], dtype=np.int64)
        steps = [SurvivalDecisionCurve.life_tables(spec, t, **question.arrays) for t in tables]
        total = {name: np.sum([s[name] for s in steps], axis=0) for name in steps[0]}
        found.append(result(spec, total, floor))
        people = [p for table in tables for p in _predicted(spec, table, numbers, question.arrays)]
        on = [follow.on(spec.until_day()) for follow, _ in people]
        time, event = (np.concatenate([getattr(f, name) for f in on]) for name in ("time", "event"))
        entry = np.concatenate([np.zeros(len(f.time)) if f.entry is None else f.entry for f in on])
        risk = np.concatenate([risk for _, risk in people], axis=1)
        for t, cut in enumerate(spec.thresholds):
            for m, above in enumerate((risk >= cut) & (time > entry)):
                share = found[-1].event_share[m, t]
                if above.any() and np.isfinite(share):
                    theirs = SurvfuncRight(time[above], event[above], entry=entry[above])
                    at = theirs.surv_times <= last
                    np.testing.assert_allclose(1 - share, np.append(1.0, theirs.surv_prob[at])[-1])
    return mean_of_repeats(found, MEASURES)
