"""The reference of `cca`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.components.cca import CcaResult, CcaSpec, _result
from protocols.core.table import AnalysisTable
from protocols.estimation.moments import complete_rows


def pooled(spec: CcaSpec, tables: Sequence[AnalysisTable]) -> CcaResult:
    """The same from the QR decompositions of all rows (Björck & Golub 1973), ridge as rows below them."""
    parts = [complete_rows(table, spec.variables()) for table in tables]
    rows = np.concatenate(parts)
    mean, sd, p = rows.mean(axis=0), rows.std(axis=0, ddof=1), len(spec.x)
    z = (rows - mean) / sd / np.sqrt(len(rows) - 1)
    triangles = []
    for block, ridge in ((z[:, :p], spec.ridge_x), (z[:, p:], spec.ridge_y)):
        below = np.sqrt(ridge) * np.eye(block.shape[1])
        triangles.append(np.linalg.qr(np.vstack([block, below]))[1])
    a, b = (np.linalg.solve(t.T, block.T) for t, block in zip(triangles, (z[:, :p], z[:, p:]), strict=True))
    u, s, vt = np.linalg.svd(a @ b.T, full_matrices=False)
    weights = np.linalg.solve(triangles[0], u), np.linalg.solve(triangles[1], vt.T)
    people = len(rows), sum(len(part) > 0 for part in parts)
    return _result(spec, z.T @ z, (s, *weights), mean, sd, people)
