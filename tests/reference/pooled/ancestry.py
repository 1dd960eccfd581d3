"""The reference of `ancestry`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.core.table import AnalysisTable
from protocols.estimation.vectors import upright
from protocols.genomics.ancestry import AncestryResult, AncestrySpec
from protocols.genomics.gwas_spec import variant_names
from tests.reference.pooled.rows import are_enough


def pooled(spec: AncestrySpec, tables: Sequence[AnalysisTable]) -> AncestryResult:
    """The same by a singular value decomposition of all rows; what hospitals round is rounded by hospital."""
    names = variant_names(spec.variants)
    parts = [table.block(spec.variants).columns(np.arange(spec.variants.size)) for table in tables]
    parts = [x[~np.isnan(x).all(axis=1)] for x in parts]
    whole = np.concatenate(parts)
    n = len(whole)
    carry = [[(x >= 0.5).sum(axis=0) for x in parts], [(x < 1.5).sum(axis=0) for x in parts]]
    carried = are_enough(carry[0]) & are_enough(carry[1])
    known = ~np.isnan(whole)
    mean = np.nansum(whole, axis=0) / np.maximum(known.sum(axis=0), 1)
    on_autosome = np.array([not name.startswith("X") for name in names])
    usable = carried & on_autosome & (np.minimum(mean, 2 - mean) / 2 >= spec.min_frequency)
    usable &= known.mean(axis=0) >= spec.min_call_rate
    at = np.flatnonzero(usable)
    centred = [np.where(np.isnan(x[:, at]), 0.0, x[:, at] - mean[at]) for x in parts]
    together = sum(5 * np.round(z.T @ z / 5) for z in centred)
    square = np.diag(sum(z.T @ z for z in centred))
    places = [(name.split(":")[0], int(name.split(":")[1])) for name in (names[j] for j in at)]
    kept: list[int] = []
    for j, (chromosome, position) in enumerate(places):
        near = (i for i in kept if places[i][0] == chromosome and position - places[i][1] <= 500_000)
        if all(together[i, j] ** 2 / (square[i] * square[j]) <= spec.max_r2 for i in near):
            kept.append(j)
    scale = np.sqrt(mean[at][kept] * (1 - mean[at][kept] / 2))
    z = np.concatenate(centred)[:, kept] / scale
    _, singular, vectors = np.linalg.svd(z, full_matrices=False)
    values, k = singular**2, spec.components
    return AncestryResult(
        variants=tuple(names[at[j]] for j in kept),
        components=spec.makes(),
        loadings=upright(vectors[:k].T),
        eigenvalues=values[:k] / len(kept),
        explained=values[:k] / values.sum(),
        residual=np.zeros(k),
        at=at[kept],
        mean=mean[at][kept],
        scale=scale,
        in_linkage=len(at) - len(kept),
        unusable=int(on_autosome.sum()) - len(at),
        n=n,
    )
