"""The reference of `evidence`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS

from protocols.core.table import EVERYBODY, AnalysisTable, Floats
from protocols.estimation.rounded import to_unit
from protocols.evidence.evidence import EvidenceResult, EvidenceSpec, result
from protocols.evidence.evidence_spec import ALONE, HARMONIZED, SCANNERS
from protocols.preparation.combat import Combat
from tests.reference.pooled import combat


def pooled(spec: EvidenceSpec, tables: Sequence[AnalysisTable]) -> EvidenceResult:
    """The same correlations from t statistics of least squares, hospital by hospital, one pair at a time."""
    fit = combat.pooled(spec.harmonize, tables).transform_arrays() if spec.harmonize else {}
    people, z, weight = {}, {}, {}
    for table in tables:
        frame = _frame(spec, table)
        if len(frame) < max(10, len(spec.numbers()) / 0.33):
            continue
        after = frame
        if spec.harmonize:
            everybody = EVERYBODY.mask(table)
            after = _frame(spec, Combat().transform(spec.harmonize, table, everybody, **fit))
        models = spec.models()
        z[table.site] = np.full((len(spec.pairs()), len(models)), np.nan)
        weight[table.site] = np.ones(len(models))
        for m, model in enumerate(models):
            for p, pair in enumerate(spec.pairs()):
                found = _fisher(spec, after if model == HARMONIZED else frame, pair, model)
                z[table.site][p, m], weight[table.site][m] = found
        if np.isfinite(z[table.site]).all(axis=1).any():
            people[table.site] = len(frame)
    return result(spec, people, z, weight, {})


def _frame(spec: EvidenceSpec, table: AnalysisTable) -> pd.DataFrame:
    """The people who have everything, of scanners with five of them at least."""
    frame = pd.DataFrame({name: table.column(name) for name in spec.numbers()})
    if spec.scanner is None:
        return frame.dropna()
    frame[spec.scanner] = table.label(spec.scanner)
    frame = frame.dropna()
    return frame[frame.groupby(spec.scanner)[spec.scanner].transform("count") >= 5]


def _fisher(
    spec: EvidenceSpec, frame: pd.DataFrame, pair: tuple[str, str], model: str
) -> tuple[float, float]:
    """Fisher's z of a pair, to a hundredth of its standard error, and 1 / se^2."""
    feature, outcome = pair
    given = np.ones((len(frame), 1))
    if model != ALONE:
        varying = [name for name in spec.confounders if not _still(frame[name])]
        given = np.column_stack([given, frame[varying]])
    if model == SCANNERS:
        given = np.column_stack([given, pd.get_dummies(frame[spec.scanner], drop_first=True, dtype=float)])
    rank = int(np.linalg.matrix_rank(given))
    if _still(frame[feature]) or _still(frame[outcome]) or len(frame) - rank - 2 < 10:
        return np.nan, float(len(frame) - rank - 2)
    x, y = frame[feature].to_numpy(float), frame[outcome].to_numpy(float)
    fit = OLS((y - y.mean()) / y.std(), np.column_stack([given, (x - x.mean()) / x.std()])).fit()
    t, df = fit.tvalues[-1], len(frame) - rank - 1
    r = t / np.sqrt(t**2 + df)
    unit = np.array([0.01 / np.sqrt(df - 1)])
    return float(to_unit(np.array([np.arctanh(r)]), unit)[0]), float(df - 1)


def _still(x: "pd.Series[float] | Floats") -> bool:
    return bool(np.ptp(np.asarray(x, dtype=float)) == 0)
