"""The reference of `model_risk`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

from protocols.core.disclosure import Thresholds
from protocols.core.table import AnalysisTable
from protocols.validation.inner_folds import stacked
from protocols.validation.model_risk import (
    ATTACKS,
    FALSE_POSITIVES,
    ModelRisk,
    ModelRiskResult,
    ModelRiskSpec,
    result,
)
from protocols.validation.out_of_fold import folds_of
from tests.reference.pooled.fitted import pooled_fitted


def pooled(spec: ModelRiskSpec, tables: Sequence[AnalysisTable]) -> ModelRiskResult:
    """The same attacks on fits of all rows in one place; curves and areas as scikit-learn has them."""
    folds = folds_of(spec.scheme, ())
    floor = Thresholds().min_count_in_sum  # a site with fewer people in a training set adds nothing to it
    fits = stacked(
        [
            pooled_fitted(spec, rows, [table for table in tables if rows.mask(table).sum() >= floor])
            for rows in folds.training
        ]
    )
    said = [ModelRisk.attacked(spec, table, folds=folds.numbers, **fits) for table in tables]
    total = {name: np.sum([one[name] for one in said], axis=0) for name in said[0]}
    found = result(spec, len(folds.numbers), total)
    for a, name in enumerate(ATTACKS):
        members, others = total["scores"][a]
        is_member = np.repeat([1, 0], len(members))
        score, weight = np.tile(np.arange(len(members)), 2), np.concatenate([members, others])
        assert abs(found.auc[name] - roc_auc_score(is_member, score, sample_weight=weight)) < 1e-9
        fpr, tpr, _ = roc_curve(is_member, score, sample_weight=weight, drop_intermediate=False)
        assert abs(found.found[name] - tpr[fpr <= FALSE_POSITIVES].max()) < 1e-12
    return found
