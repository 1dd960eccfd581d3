"""The reference of `repeatability`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from protocols.core.table import AnalysisTable
from protocols.describe.repeatability import RepeatabilityResult, RepeatabilitySpec, result
from protocols.estimation.moments import complete_rows


def pooled(spec: RepeatabilitySpec, tables: Sequence[AnalysisTable]) -> RepeatabilityResult:
    """numpy's variances; scipy's one-way analysis of variance between people has the same ICC(1,1)."""
    rows = np.concatenate([complete_rows(table, spec.variables()) for table in tables])
    x = rows.reshape(len(rows), *spec.shape())
    n, _, k = x.shape
    people, base = n * x.mean(axis=2).var(axis=0), x[0, :, 0]
    apart = (x - base[:, None]).mean(axis=0)
    found = result(spec, n, base, apart, n * x.var(axis=0), people, ("",) * len(spec.features))
    for place, icc in enumerate(found.icc[:, 0]):
        ratio = stats.f_oneway(*x[:, place]).statistic
        np.testing.assert_allclose(icc, (ratio - 1) / (ratio + k - 1), rtol=1e-9, atol=1e-12)
    return found
