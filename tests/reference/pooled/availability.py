"""The reference of `availability`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from protocols.core.table import AnalysisTable
from protocols.describe.availability import AvailabilityResult, AvailabilitySpec


def pooled(spec: AvailabilitySpec, tables: Sequence[AnalysisTable]) -> AvailabilityResult:
    """The bands of numbers that a data frame counts, found by comparing them with each end."""
    frame = pd.concat([pd.DataFrame({**table.columns, **table.labels}) for table in tables])
    ends = sorted(step * 10**power for power in range(1, 8) for step in (1, 2, 5))
    found = []
    for name in spec.of:
        columns = [column for column in frame if column == name or str(column).startswith(f"{name}.")]
        known = len(frame[columns].dropna())
        found.append(max([end for end in ends if end <= known], default=-1))
    return AvailabilityResult(spec.of, np.array(found), {}, {})
