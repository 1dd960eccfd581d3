"""The reference of `survival_validation`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.protocol import Total
from protocols.core.table import AnalysisTable
from protocols.survival.survival_scores import BINS, nothing
from protocols.validation.out_of_fold import folds_of, mean_of_repeats
from protocols.validation.schemes import BySite
from protocols.validation.survival_validation import (
    MEASURES,
    SurvivalValidation,
    SurvivalValidationResult,
    SurvivalValidationSpec,
    _scored,
    result,
)
from tests.reference.pooled import pair_by_pair
from tests.reference.pooled.fitted import pooled_fitted

FLOOR = Thresholds().min_count


def pooled(spec: SurvivalValidationSpec, tables: Sequence[AnalysisTable]) -> SurvivalValidationResult:
    """The same folds and pooled fits; every pair and every person looked at by itself."""
    judged: tuple[str, ...] = ()
    if isinstance(spec.scheme, BySite):
        enough = (t.site for t in tables if SurvivalValidation.classes(spec, t)["smaller"] >= FLOOR)
        judged = tuple(sorted(enough))
    folds = folds_of(spec.scheme, judged)
    fits = [pooled_fitted(spec, rows, tables) for rows in folds.training]
    questions, found = folds.questions("scores", fits), []
    first = questions[0].arrays
    people = [
        part.on(spec.edges())
        for table in tables
        for part, _, _ in _scored(spec, table, np.asarray(first["folds"], dtype=np.int64), first)
    ]
    followed, observed = pair_by_pair.shares(people, len(spec.edges()) - 1)
    at = observed[spec.at()]
    for question in questions:
        numbers = np.asarray(question.arrays["folds"], dtype=np.int64)
        totals = nothing(len(spec.days))
        for table in tables:
            for part, score, risk in _scored(spec, table, numbers, question.arrays):
                for name, value in pair_by_pair.measures(
                    part, part.on(spec.edges()), score, risk, followed, spec.at(), BINS
                ).items():
                    totals[name] = totals[name] + value
        found.append(result(spec, folds.names, fits, Total(totals, ()), at, {}, {}))
    return mean_of_repeats(found, MEASURES)
