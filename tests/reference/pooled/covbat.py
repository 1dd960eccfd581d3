"""The reference of `covbat`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.core.table import AnalysisTable
from protocols.preparation.batches import about_batch_means
from protocols.preparation.covbat import CovbatResult, CovbatSpec, _residuals, _result
from tests.reference.pooled import reference


def pooled(spec: CovbatSpec, tables: Sequence[AnalysisTable]) -> CovbatResult:
    """The same from the rows of all sites: a decomposition of the residuals, batch by batch."""
    combat = reference(spec.combat, tables)
    parts, batches = [], []
    for number, table in enumerate(tables):
        z, batch = _residuals(spec, table, np.ones(len(table), dtype=bool), combat.transform_arrays())
        parts.append(z[batch >= 0])
        batches.append(batch[batch >= 0] + 1000 * number)
    rows, batch = np.concatenate(parts), np.concatenate(batches)
    centred = about_batch_means(rows, batch)
    covariance = np.cov(rows.T, ddof=0)
    within_batches = centred.T @ centred / len(rows)
    return _result(spec, combat, rows.mean(axis=0), covariance, within_batches, len(rows))
