"""The reference of `discrimination`, with all rows in one place."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.metrics import brier_score_loss, roc_auc_score

from protocols.core.protocol import Ask
from protocols.core.table import AnalysisTable, Floats
from protocols.estimation.roc import bin_of, histogram_of
from protocols.validation.discrimination import (
    MEASURES,
    Discrimination,
    DiscriminationResult,
    DiscriminationSpec,
    result,
)
from protocols.validation.out_of_fold import folds_of, mean_of_repeats
from protocols.validation.schemes import BySite
from tests.reference.pooled.fitted import pooled_fitted, scored_by


def pooled(spec: DiscriminationSpec, tables: Sequence[AnalysisTable]) -> DiscriminationResult:
    """The same folds, pooled fits and histogram on all rows in one place."""
    judged: tuple[str, ...] = ()
    if isinstance(spec.scheme, BySite):
        enough = (t.site for t in tables if Discrimination.classes(spec, t)["smaller"] >= spec.min_cell)
        judged = tuple(sorted(enough))
    folds = folds_of(spec.scheme, judged)
    fits = [pooled_fitted(spec, rows, tables) for rows in folds.training]
    found = []
    for question in folds.questions("scores", fits):
        people = [scored_by(spec, table, question) for table in tables]
        y, p = np.concatenate([y for y, _ in people]), np.concatenate([p[0] for _, p in people])
        total = {
            "n": np.array(len(y)),
            "histogram": histogram_of(y, bin_of(p, spec.bins), spec.bins),
            "predicted": np.histogram(p, np.linspace(0, 1, spec.bins + 1), weights=p)[0],
            "squares": np.array(brier_score_loss(y, p) * len(y)),
            "pairs": _pairs(spec, tables, question),
        }
        found.append(result(spec, folds.names, fits, total, {}, {}))
        assert abs(found[-1].auc - roc_auc_score(y, bin_of(p, spec.bins))) < 1e-12
        assert abs(found[-1].auc - roc_auc_score(y, p)) <= found[-1].auc_bound
    return mean_of_repeats(found, MEASURES)


def _pairs(spec: DiscriminationSpec, tables: Sequence[AnalysisTable], question: Ask) -> Floats:
    """(2,) pairs of one fold and one table with different outcomes, and those in the right order."""
    counts = np.zeros(2)
    for fold in range(len(question.arrays["folds"])):
        arrays = {name: np.asarray(array)[fold : fold + 1] for name, array in question.arrays.items()}
        one = replace(question, arrays=arrays)
        for y, p in (scored_by(spec, table, one) for table in tables):
            pairs = int((y == 1).sum() * (y == 0).sum())
            counts += [pairs, pairs * roc_auc_score(y, p[0]) if pairs else 0.0]
    return counts
