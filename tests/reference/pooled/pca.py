"""The reference of `pca`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA

from protocols.components.pca import PcaResult, PcaSpec
from protocols.core.table import AnalysisTable
from protocols.estimation.moments import complete_rows
from protocols.estimation.vectors import upright


def pooled(spec: PcaSpec, tables: Sequence[AnalysisTable]) -> PcaResult:
    """The same by scikit-learn's PCA, a singular value decomposition of all rows."""
    parts = [complete_rows(table, spec.features) for table in tables]
    x = np.concatenate(parts)
    scale = x.std(axis=0, ddof=1) if spec.scale else np.ones(x.shape[1])
    fit = PCA(svd_solver="full").fit((x - x.mean(axis=0)) / scale)
    k = spec.components
    return PcaResult(
        features=spec.features,
        components=spec.makes(),
        loadings=upright(fit.components_[:k].T),
        variance=fit.explained_variance_[:k],
        explained=fit.explained_variance_ratio_[:k],
        total_variance=float(fit.explained_variance_.sum()),
        mean=x.mean(axis=0),
        scale=scale,
        n=len(x),
        sites=sum(len(part) > 0 for part in parts),
    )
