"""The reference of `composition`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import gmean

from protocols.core.table import AnalysisTable
from protocols.preparation.composition import CompositionResult, CompositionSpec


def pooled(spec: CompositionSpec, tables: Sequence[AnalysisTable]) -> CompositionResult:
    """The same person by person, and each log-ratio's variance from its own column."""
    parts = [np.array([row for row in table.matrix(spec.parts) if _is_whole(row)]) for table in tables]
    parts = [x.reshape(-1, len(spec.parts)) for x in parts]
    x = np.concatenate(parts)
    shares = np.array([_replaced(row / row.sum(), spec.zeros) for row in x])
    logs = np.log(shares)
    centre = gmean(shares, axis=0)
    between = np.array([[np.var(a - b, ddof=1) for a in logs.T] for b in logs.T])
    return CompositionResult(
        parts=spec.parts,
        columns=spec.makes(),
        centre=centre / centre.sum(),
        log_ratio_variance=between,
        total_variance=float(between.sum() / (2 * len(spec.parts))),
        zeros=(x == 0).sum(axis=0),
        replaced_by=spec.zeros,
        sites_without=np.array([(len(part) > 0) & (part == 0).all(axis=0) for part in parts]).sum(axis=0),
        n=len(x),
        sites=sum(len(part) > 0 for part in parts),
    )


def _is_whole(row: np.ndarray) -> bool:
    return bool(np.isfinite(row).all() and (row >= 0).all() and row.sum() > 0)


def _replaced(share: np.ndarray, delta: float) -> np.ndarray:
    zero = share == 0
    return np.where(zero, delta, share * (1 - delta * zero.sum()))
