"""The reference of `histogram`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from protocols.core.disclosure import Thresholds
from protocols.core.table import AnalysisTable
from protocols.describe.histogram import HistogramResult, HistogramSpec, result


def pooled(spec: HistogramSpec, tables: Sequence[AnalysisTable]) -> HistogramResult:
    """The same by pandas' `cut` on all rows."""
    frame = pd.concat([pd.DataFrame({v: t.column(v) for v in spec.variables()}) for t in tables]).dropna()
    groups = [frame[frame[spec.by] == level] for level in spec.levels] if spec.by else [frame]
    top = np.nextafter(spec.edges[-1], np.inf)
    bins = [-np.inf, *spec.edges[:-1], top, np.inf]
    counts = [pd.cut(g[spec.of], bins, right=False).value_counts(sort=False).to_numpy() for g in groups]
    n = np.array([len(group) for group in groups])
    return result(spec, n, np.array(counts), Thresholds().min_count)
