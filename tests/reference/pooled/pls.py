"""The reference of `pls`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.components.pls import PlsResult, PlsSpec, _About, _regression_result, _svd
from protocols.core.table import AnalysisTable
from protocols.estimation.moments import complete_rows


def pooled(spec: PlsSpec, tables: Sequence[AnalysisTable]) -> PlsResult:
    """The same from all rows: NIPALS that deflates rows, or the decomposition of their product."""
    parts = [complete_rows(table, spec.variables()) for table in tables]
    rows = np.concatenate(parts)
    mean, sd, p = rows.mean(axis=0), rows.std(axis=0, ddof=1), len(spec.x)
    z = (rows - mean) / sd / np.sqrt(len(rows) - 1)
    about = _About(mean, sd, len(rows), sum(len(part) > 0 for part in parts))
    if spec.method == "svd":
        return _svd(spec, z[:, :p].T @ z[:, p:], about)
    x, y = z[:, :p].copy(), z[:, p:].copy()
    weights, loadings, y_loadings = [], [], []
    for _ in range(spec.components):
        w = np.linalg.svd(x.T @ y, full_matrices=False)[0][:, 0]
        t = x @ w
        loadings.append(x.T @ t / (t @ t))
        y_loadings.append(y.T @ t / (t @ t))
        x, y = x - np.outer(t, loadings[-1]), y - np.outer(t, y_loadings[-1])
        weights.append(w)
    W, P, Q = np.array(weights).T, np.array(loadings).T, np.array(y_loadings).T
    return _regression_result(spec, W @ np.linalg.inv(P.T @ W), P, Q, z[:, :p].T @ z, about)
