"""References of every protocol with all rows in one place, by trusted libraries; one module per protocol.

They share the protocol's spec and result and, where these are not what is compared, its preparation of rows:
the estimate itself comes from numpy, scipy, pandas, statsmodels or scikit-learn, or from plain sums.
"""

import importlib
from collections.abc import Sequence
from typing import Any

from protocols.core.protocol import Spec
from protocols.core.table import AnalysisTable


def reference(spec: Spec, tables: Sequence[AnalysisTable]) -> Any:
    """The result of the protocol that the spec names, on the rows of all tables together."""
    return importlib.import_module(f"{__name__}.{spec.protocol}").pooled(spec, tables)
