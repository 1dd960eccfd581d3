"""The reference of `correlation`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from protocols.core.table import AnalysisTable
from protocols.describe.correlation import CorrelationResult, CorrelationSpec, result
from protocols.estimation.moments import complete_rows


def pooled(spec: CorrelationSpec, tables: Sequence[AnalysisTable]) -> CorrelationResult:
    """numpy's `corrcoef`, and scipy's test of each pair."""
    x = np.concatenate([complete_rows(table, spec.of) for table in tables])
    found = result(spec, np.corrcoef(x, rowvar=False), len(x))
    test = stats.pearsonr(x[:, 0], x[:, 1])
    np.testing.assert_allclose(found.p[0, 1], test.pvalue, rtol=1e-7, atol=1e-300)
    return found
