"""The reference of `combat`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from protocols.core.axis import FromBlock, listed_in
from protocols.core.table import AnalysisTable
from protocols.preparation.batches import TOO_SMALL
from protocols.preparation.combat import CombatResult, CombatSpec, _block_people, _estimable, _in_reference


def pooled(spec: CombatSpec, tables: Sequence[AnalysisTable]) -> CombatResult:
    """The same by least squares on all rows, with an indicator for each batch."""
    if isinstance(spec.features, FromBlock):
        return _of_block(spec, spec.features, tables)
    x, y, indicators, references, left_out = [], [], [], [], 0
    for table in tables:
        batch = _estimable(spec, table, np.ones(len(table), dtype=bool))
        left_out += int((batch == TOO_SMALL).sum())
        for code in np.unique(batch[batch >= 0]):
            x.append(table.matrix(spec.covariates)[batch == code])
            y.append(table.matrix(listed_in(spec.features))[batch == code])
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
        listed_in(spec.features),
        spec.covariates,
        mean,
        coef[len(indicators) :],
        variance,
        len(design),
        len(indicators),
        left_out,
    )


def _of_block(spec: CombatSpec, named: FromBlock, tables: Sequence[AnalysisTable]) -> CombatResult:
    """Name by name on all rows: deviations from means of batches, those of the known for all of a batch."""
    x, rows, batches, left_out = [], [], [], 0
    for table in tables:
        people = _block_people(spec, table, np.ones(len(table), dtype=bool))
        left_out += int((people.batch == TOO_SMALL).sum())
        kept = people.batch >= 0
        x.append(people.x[kept])
        rows.append(table.block(named).columns(np.arange(named.size))[kept])
        batches.append([f"{table.site} {code}" for code in people.batch[kept]])
    frame = pd.DataFrame(np.concatenate(rows)).groupby(np.concatenate(batches))
    weight = 1 / frame.transform("count") * np.asarray(frame.transform("size"))[:, None]
    apart = (frame.obj - frame.transform("mean")).fillna(0.0)
    covariates = pd.DataFrame(np.concatenate(x))
    within = covariates - covariates.groupby(np.concatenate(batches)).transform("mean")
    products = within.T.to_numpy() @ (apart * weight).to_numpy()
    effects = np.linalg.lstsq(within.T.to_numpy() @ within.to_numpy(), products, rcond=None)[0]
    n = len(frame.obj)
    squares = (apart**2 * weight).sum().to_numpy() - (effects * products).sum(axis=0)
    return CombatResult(
        named.names(),
        spec.covariates,
        frame.transform("mean").mean().to_numpy() - covariates.mean().to_numpy() @ effects,
        effects,
        squares / n,
        n,
        frame.ngroups,
        left_out,
    )
