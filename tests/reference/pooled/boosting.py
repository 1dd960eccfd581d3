"""The reference of `boosting`, with all rows in one place."""

from collections.abc import Sequence

from protocols.core.table import AnalysisTable
from protocols.learning.boosting import Boosting, BoostingResult, BoostingSpec
from tests.reference.pooled.rows import joined, on_one_table


def pooled(spec: BoostingSpec, tables: Sequence[AnalysisTable]) -> BoostingResult:
    """The same algorithm on all rows in one table."""
    return on_one_table(Boosting(), spec, joined(tables), Boosting().coordinate(spec))
