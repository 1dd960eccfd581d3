"""The reference of `survival_validation`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.protocol import Total
from protocols.core.table import AnalysisTable
from protocols.survival.life_table import follow_up, known_follow_up
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
    known = [known_follow_up(t, spec.model.outcome_name(), spec.model.entry_name()) for t in tables]
    people = [
        follow_up(t, spec.model.outcome_name(), spec.model.entry_name()).on(spec.edges()) for t in known
    ]
    followed, observed = pair_by_pair.shares(people, len(spec.edges()) - 1)
    at, found = observed[spec.at()], []
    for question in folds.questions("scores", fits):
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
