"""The reference of `pathways`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm

from protocols.core.table import AnalysisTable
from protocols.estimation.vectors import upright
from protocols.genomics.pathways import GRID, PathwaysResult, PathwaysSpec

FEW = 10


def pooled(spec: PathwaysSpec, tables: Sequence[AnalysisTable]) -> PathwaysResult:
    """The same from all rows; what hospitals round is rounded by hospital."""
    names = [name.partition(":")[2] for name in spec.features.names()]
    parts = [table.block(spec.features).columns(np.arange(len(names))) for table in tables]
    parts = [x[~np.isnan(x).all(axis=1)] for x in parts]
    whole = np.concatenate(parts)
    known = (~np.isnan(whole)).sum(axis=0)
    mean, sd = np.nanmean(whole, axis=0), np.nanstd(whole, axis=0, ddof=1)
    usable = (known >= spec.min_known * len(whole)) & (sd > 0) & ((whole != 0).sum(axis=0) >= FEW)
    of_set = np.array([[name in genes for genes in spec.sets.values()] for name in names]) & usable[:, None]
    at = np.flatnonzero(usable if spec.method in ("ssgsea", "gsva") else of_set.any(axis=1))
    z = [np.where(np.isnan(x[:, at]), 0.0, (x[:, at] - mean[at]) / sd[at]) for x in parts]
    weights, explained = of_set[at].astype(float), np.full(len(spec.sets), np.nan)
    below = np.zeros((0, 0))
    if spec.method == "zscore":
        weights /= np.sqrt(weights.sum(axis=0))
    if spec.method == "plage":
        for j, genes in enumerate(of_set[at].T):
            _, singular, vectors = np.linalg.svd(np.concatenate(z)[:, genes], full_matrices=False)
            weights[genes, j] = upright(vectors[:1].T)[:, 0] / singular[0]
            explained[j] = singular[0] ** 2 / (singular**2).sum()
    if spec.method == "gsva":
        sums = [norm.cdf(GRID[:, None, None], x, 0.25).sum(axis=1).T for x in z]
        rounded = [np.minimum(5 * np.floor(s / 5 + 0.5), len(x)) for s, x in zip(sums, z, strict=True)]
        below = np.maximum.accumulate(sum(rounded), axis=1) / len(whole)
    return PathwaysResult(
        sets=tuple(spec.sets),
        found=of_set.sum(axis=0),
        of=np.array([len(genes) for genes in spec.sets.values()]),
        genes=tuple(names[j] for j in at),
        at=at,
        mean=mean[at],
        sd=sd[at],
        weights=weights,
        explained=explained,
        below=below,
        n=len(whole),
    )
