"""The reference of `cox`, with all rows in one place."""

from collections.abc import Sequence

from protocols.core.table import AnalysisTable
from protocols.survival.cox_model import CoxResult, CoxSpec
from protocols.survival.cox_rows import rows
from tests.reference.pooled import time_by_time


def pooled(spec: CoxSpec, tables: Sequence[AnalysisTable]) -> CoxResult:
    """The fit of sums over risk sets one event time after another, compared with statsmodels' PHReg."""
    return time_by_time.fitted(spec, [rows(spec, table) for table in tables])
