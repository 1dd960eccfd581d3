"""The reference of `cox`, with all rows in one place."""

from collections.abc import Sequence

from protocols.core.table import AnalysisTable
from protocols.survival.cox import _design
from protocols.survival.cox_model import CoxResult, CoxSpec
from tests.reference.pooled import time_by_time


def pooled(spec: CoxSpec, tables: Sequence[AnalysisTable]) -> CoxResult:
    """The fit of sums over risk sets one event time after another, compared with statsmodels' PHReg."""
    return time_by_time.fitted(spec, [_design(spec, table) for table in tables])
