"""The reference of `summary`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from protocols.core.disclosure import Thresholds
from protocols.core.table import AnalysisTable
from protocols.describe.summary import SummaryResult, SummarySpec
from protocols.describe.summary_numbers import Numbers, behind_the_mean, without_few


def pooled(spec: SummarySpec, tables: Sequence[AnalysisTable]) -> SummaryResult:
    """The same by pandas on all rows; per site nothing, since what is suppressed depends on the gate."""
    frame = pd.concat([pd.DataFrame(dict(table.columns)) for table in tables])
    groups = [frame[frame[spec.by] == value] for value in (0.0, 1.0)] if spec.by else [frame]
    columns = list(spec.of)
    cross = [
        [[int(((frame[a] == i) & (frame[b] == j)).sum()) for j in (0, 1)] for i in (0, 1)]
        for a, b in spec.cross
    ]
    values = [[g[name].dropna().to_numpy() for name in columns] for g in groups]
    rarer = np.array([[behind_the_mean(x) for x in row] for row in values], dtype=np.int64)
    total = Numbers(
        np.array([len(g) for g in groups]),
        np.array([g[columns].count().to_numpy() for g in groups]),
        np.array([g[columns].isna().sum().to_numpy() for g in groups]),
        np.array([g[columns].mean().to_numpy() for g in groups]),
        np.array([g[columns].std(ddof=1).to_numpy() for g in groups]),
        np.array(cross, dtype=np.int64).reshape(-1, 2, 2),
    )
    total = without_few(total, rarer.reshape(len(groups), -1), Thresholds().min_count)
    return SummaryResult(spec.of, spec.groups(), spec.cross, total, {}, {})
