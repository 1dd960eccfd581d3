"""The reference of `left_out`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from protocols.core.table import AnalysisTable
from protocols.describe.left_out import KINDS, LeftOutResult, LeftOutSpec


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
        _doubtful(spec, tables),
        {},
        {},
    )


def _doubtful(spec: LeftOutSpec, tables: Sequence[AnalysisTable]) -> np.ndarray:
    found = pd.DataFrame(0, index=list(spec.variables()), columns=list(KINDS))
    for table in tables:
        counted = pd.DataFrame(dict(table.doubtful)).T.reindex_like(found)
        found = found.add(counted, fill_value=0)
    return found.to_numpy(dtype=np.int64)
