"""The reference of `multiple_imputation`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.core.table import AnalysisTable
from protocols.preparation.multiple_imputation import (
    MultipleImputation,
    MultipleImputationResult,
    MultipleImputationSpec,
    _chain,
    _start,
    result,
)
from tests.reference.pooled import reference
from tests.reference.pooled.rows import joined, on_one_table


def pooled(spec: MultipleImputationSpec, tables: Sequence[AnalysisTable]) -> MultipleImputationResult:
    """The same draws on all rows in one table, and the pooled fits of a library on the completed ones."""
    table = joined(tables)
    total = MultipleImputation.known(spec, table)
    start = _start(spec, total, 0)
    chains = [
        on_one_table(MultipleImputation(), spec, table, _chain(spec, start, m))
        for m in range(spec.imputations)
    ]
    sites = [
        [MultipleImputation().transform(spec, t, np.ones(len(t), bool), **chain) for t in tables]
        for chain in chains
    ]
    return result(spec, total, chains, [reference(spec.model, completed) for completed in sites])
