"""The reference of `impute`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.core.table import AnalysisTable
from protocols.preparation.impute import Impute, ImputeResult, ImputeSpec, _Grid, _medians, _numbers
from tests.reference.pooled.rows import joined, on_one_table


def pooled(spec: ImputeSpec, tables: Sequence[AnalysisTable]) -> ImputeResult:
    """numpy's mean and, within the bound, numpy's median of all rows."""
    table = joined(tables)
    x = _numbers(spec, table)
    k, n = len(spec.mean), (~np.isnan(x)).sum(axis=0)
    values, bound = np.nanmean(x, axis=0), np.zeros(x.shape[1])
    if spec.median:
        grid = _Grid.around(values[k:], np.nanstd(x[:, k:], axis=0))
        values[k:], bound[k:] = on_one_table(Impute(), spec, table, _medians(grid))
        assert (np.abs(values - np.nanmedian(x, axis=0)) <= bound)[k:].all()
    return ImputeResult(spec.filled(), spec.kinds(), values, bound, n, len(x) - n)
