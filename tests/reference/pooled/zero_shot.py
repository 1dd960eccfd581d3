"""The reference of `zero_shot`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from protocols.applications.zero_shot import ZeroShotSpec
from protocols.applications.zero_shot_result import ZeroShotResult
from protocols.core.table import AnalysisTable
from tests.reference.pooled.rows import joined


def pooled(spec: ZeroShotSpec, tables: Sequence[AnalysisTable]) -> ZeroShotResult:
    """The map of people's own rows, each as often as its class has people for one with all features."""
    model = spec.model
    rows = pd.DataFrame(joined(tables).columns)[list(model.variables())]
    rows = rows[rows[model.outcome].isin(model.classes)]
    n = rows[model.outcome].value_counts().reindex(list(model.classes)).to_numpy()
    whole = rows.dropna()
    y = whole[model.outcome].to_numpy()[:, None] == np.array(model.classes)
    times = y @ (n / y.sum(axis=0))
    x = whole[list(model.measured)].to_numpy()
    center, spread = np.zeros(x.shape[1]), np.ones(x.shape[1])
    if spec.standardized:
        center = np.average(x, axis=0, weights=times)
        spread = np.sqrt(np.average((x - center) ** 2, axis=0, weights=times))
    z = (x - center) / spread
    coded = np.where(y, 1.0, 0.0 if spec.coding == "0_1" else -1.0)
    diseases = [next(d for d, code in spec.seen.items() if code == c) for c in model.classes]
    s = np.array([spec.descriptions[disease] for disease in diseases])
    left = np.linalg.inv(z.T @ (z * times[:, None]) + spec.ridge * np.eye(z.shape[1]))
    right = np.linalg.inv(s.T @ s + spec.ridge_of_descriptions * np.eye(s.shape[1]))
    return ZeroShotResult(
        outcome=model.outcome,
        features=model.measured,
        n=n,
        diseases=tuple(spec.descriptions),
        seen=np.array([disease in spec.seen for disease in spec.descriptions]),
        descriptions=np.array(list(spec.descriptions.values())),
        center=center,
        spread=spread,
        weights=left @ (z * times[:, None]).T @ coded @ s @ right,
        allowance=spec.allowance,
    )
