"""The reference of `decision_curve`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.table import AnalysisTable
from protocols.validation.decision_curve import (
    MEASURES,
    DecisionCurve,
    DecisionCurveResult,
    DecisionCurveSpec,
    result,
)
from protocols.validation.left_out import smaller_class
from protocols.validation.out_of_fold import folds_of, mean_of_repeats
from protocols.validation.schemes import BySite
from tests.reference.pooled.fitted import pooled_fitted, scored_by

FLOOR = Thresholds().min_count


def pooled(spec: DecisionCurveSpec, tables: Sequence[AnalysisTable]) -> DecisionCurveResult:
    """The same folds, pooled fits, and net benefit from each person's score."""
    judged: tuple[str, ...] = ()
    if isinstance(spec.scheme, BySite):
        judged = tuple(sorted(t.site for t in tables if smaller_class(spec, t)["smaller"] >= FLOOR))
    folds = folds_of(spec.scheme, judged)
    fits = [pooled_fitted(spec, rows, tables) for rows in folds.training]
    found = []
    for question in folds.questions("counts", fits):
        counts = [DecisionCurve.counts(spec, table, **question.arrays) for table in tables]
        total = {name: np.sum([c[name] for c in counts], axis=0) for name in counts[0]}
        found.append(result(spec, total))
        people = [scored_by(spec, table, question) for table in tables]
        y, p = np.concatenate([y for y, _ in people]), np.concatenate([p for _, p in people], axis=1)
        for t, cut in enumerate(spec.thresholds):
            worth = np.where(p >= cut, np.where(y == 1, 1.0, -cut / (1 - cut)), 0.0).mean(axis=1)
            assert np.allclose(worth, found[-1].net_benefit[:, t], rtol=0, atol=1e-12)
    return mean_of_repeats(found, MEASURES)
