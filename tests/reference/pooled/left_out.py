"""The reference of `left_out`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from protocols.core.table import AnalysisTable
from protocols.describe.left_out import LeftOutResult, LeftOutSpec


def pooled(spec: LeftOutSpec, tables: Sequence[AnalysisTable]) -> LeftOutResult:
    """The same by pandas on all rows, of studies where every site has every variable."""
    frame = pd.concat([pd.DataFrame({**table.columns, **table.labels}) for table in tables])
    columns = {v: [c for c in frame if c.split(".")[0] == v] for v in frame.columns.str.split(".").str[0]}

    def people(*variables: str) -> int:
        return len(frame[[c for v in variables for c in columns[v]]].dropna())

    counted = [people(*spec.sets.get(name, ()), *needed) for name, needed in spec.needed.items()]
    return LeftOutResult(
        tuple(spec.needed),
        spec.variables(),
        len(frame),
        np.array(counted, dtype=np.int64),
        np.array([people(v) for v in spec.variables()], dtype=np.int64),
        {},
        {},
    )
