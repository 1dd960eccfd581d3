"""The reference of `attrition`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.core.table import AnalysisTable
from protocols.describe.attrition import AttritionResult, AttritionSpec


def pooled(spec: AttritionSpec, tables: Sequence[AnalysisTable]) -> AttritionResult:
    """The sum of the tables' own counts."""
    total = np.array([sum(table.attrition[step] for table in tables) for step in spec.steps])
    return AttritionResult(spec.steps, total, {}, {})
