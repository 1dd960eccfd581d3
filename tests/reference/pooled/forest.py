"""The reference of `forest`, with all rows in one place."""

from collections.abc import Sequence

from protocols.core.table import AnalysisTable
from protocols.learning.forest import Forest, ForestResult, ForestSpec
from tests.reference.pooled.rows import joined, on_one_table


def pooled(spec: ForestSpec, tables: Sequence[AnalysisTable]) -> ForestResult:
    """The same algorithm on all rows in one table."""
    return on_one_table(Forest(), spec, joined(tables), Forest().coordinate(spec))
