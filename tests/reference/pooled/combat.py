"""The reference of `combat`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np

from protocols.core.table import AnalysisTable
from protocols.preparation.batches import TOO_SMALL
from protocols.preparation.combat import CombatResult, CombatSpec, _estimable, _in_reference


def pooled(spec: CombatSpec, tables: Sequence[AnalysisTable]) -> CombatResult:
    """The same by least squares on all rows, with an indicator for each batch."""
    x, y, indicators, references, left_out = [], [], [], [], 0
    for table in tables:
        batch = _estimable(spec, table, np.ones(len(table), dtype=bool))
        left_out += int((batch == TOO_SMALL).sum())
        for code in np.unique(batch[batch >= 0]):
            x.append(table.matrix(spec.covariates)[batch == code])
            y.append(table.matrix(spec.features)[batch == code])
            indicators.append((batch == code).sum())
            references.append(bool(_in_reference(spec, table)[batch == code].any()))
    design = np.zeros((sum(indicators), len(indicators)))
    design[np.arange(len(design)), np.repeat(np.arange(len(indicators)), indicators)] = 1
    everything = np.hstack([design, np.concatenate(x)])
    coef, *_ = np.linalg.lstsq(everything, np.concatenate(y), rcond=None)
    residuals = np.concatenate(y) - everything @ coef
    weights = np.array(indicators) / len(design)
    mean, variance = weights @ coef[: len(indicators)], (residuals**2).mean(axis=0)
    if spec.reference_site is not None:
        owners = np.repeat(np.arange(len(indicators)), indicators)
        (at,) = (b for b, own in enumerate(references) if own)
        mean, variance = coef[at], (residuals[owners == at] ** 2).mean(axis=0)
    return CombatResult(
        spec.features,
        spec.covariates,
        mean,
        coef[len(indicators) :],
        variance,
        len(design),
        len(indicators),
        left_out,
    )
