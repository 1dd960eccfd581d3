"""What decision curves share, whatever their models predict: thresholds and the table of net benefits."""

from collections.abc import Sequence
from typing import Annotated

import pandas as pd
from pydantic import Field

from protocols.core.table import Floats

Threshold = Annotated[float, Field(gt=0, lt=1)]

THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))
"""What a study that names none is asked at."""


def ascend(**cuts: Sequence[float]) -> None:
    """Raises unless each of these lists ascends.

    Raises:
        ValueError: one does not; says which.
    """
    for name, values in cuts.items():
        if list(values) != sorted(set(values)):
            raise ValueError(f"{name} ascend")


def net_benefit_table(
    models: Sequence[str], thresholds: Floats, benefit: Floats, treat_all: Floats
) -> pd.DataFrame:
    """One row per threshold, one column per model, and those of acting on everybody and on nobody.

    Args:
        models: (m,) names; thresholds: (t,).
        benefit: (m, t); treat_all: (t,).
    """
    rows = pd.Index(thresholds, name="threshold")
    frame = pd.DataFrame(benefit.T, index=rows, columns=list(models))
    return frame.assign(treat_all=treat_all, treat_none=0.0)
