"""The reference of `crosstab`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from protocols.core.disclosure import Thresholds
from protocols.core.table import AnalysisTable
from protocols.describe.crosstab import CrosstabResult, CrosstabSpec, result


def pooled(spec: CrosstabSpec, tables: Sequence[AnalysisTable]) -> CrosstabResult:
    """pandas' `crosstab` of all rows."""
    first, second = (np.concatenate([t.column(v) for t in tables]) for v in spec.variables())
    counts = pd.crosstab(first, second)
    full = counts.reindex(index=spec.row_levels, columns=spec.column_levels, fill_value=0)
    return result(spec, int(full.to_numpy().sum()), full.to_numpy(), Thresholds().min_count)
