"""The reference of `quantiles`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.core.table import AnalysisTable
from protocols.describe.quantiles import QuantilesResult, QuantilesSpec


def pooled(spec: QuantilesSpec, tables: Sequence[AnalysisTable]) -> QuantilesResult:
    """numpy's `quantile` of the values rounded up to the grid."""
    n, quantiles = [], []
    for scale in spec.of:
        x = np.concatenate([table.column(scale.variable) for table in tables])
        x = x[~np.isnan(x)]
        rounded = np.ceil((x - scale.low) / scale.resolution - 1e-9) * scale.resolution + scale.low
        n.append(len(x))
        quantiles.append(np.quantile(rounded, spec.shares, method="linear"))
    resolution = np.array([scale.resolution for scale in spec.of])
    return QuantilesResult(spec.variables(), spec.shares, np.array(n), np.array(quantiles), resolution)
