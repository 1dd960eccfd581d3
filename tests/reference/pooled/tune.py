"""The reference of `tune`, with all rows in one place."""

from collections.abc import Mapping, Sequence

import numpy as np
from statsmodels.duration.hazard_regression import PHReg

from protocols.core.disclosure import Array
from protocols.core.table import EVERYBODY, AnalysisTable, Floats
from protocols.survival.cox import CoxSpec
from protocols.survival.survival_design import design
from protocols.validation.inner_folds import named, stacked, training_rows
from protocols.validation.tune import TuneResult, TuneSpec, _at_risk, _complete, _judged, _result
from tests.reference.pooled import reference


def pooled(spec: TuneSpec, tables: Sequence[AnalysisTable]) -> TuneResult:
    """Pooled fits in the same folds; statsmodels' partial likelihood for Cox models."""
    fits = []
    for rows in (*training_rows(spec.folds), EVERYBODY):
        train = [table.select(rows.mask(table)) for table in tables]
        arrays: dict[str, Array] = {}
        for name in spec.names():
            model = spec.candidates[name]
            arrays |= named(name, reference(model, train).transform_arrays())
        fits.append(arrays)
    if spec.is_survival():
        n, loglik = _survival(spec, tables, fits[:-1])
        return _result(spec, n, loglik, fits[-1])
    n, loglik = 0, np.zeros(len(spec.candidates))
    for table in tables:
        people, part = _judged(spec, table, stacked(fits[:-1]))
        n, loglik = n + people, loglik + part
    return _result(spec, n, loglik, fits[-1])


def _survival(
    spec: TuneSpec, tables: Sequence[AnalysisTable], fits: Sequence[Mapping[str, Array]]
) -> tuple[int, Floats]:
    def loglik(model: CoxSpec, coef: Floats, table: AnalysisTable) -> float:
        rows = design(table, model.outcome, model.covariates, entry=model.entry, strata=model.strata)
        follow = rows.follow
        if not follow.event.any():
            return 0.0
        status, ties = follow.event.astype(int), model.ties
        theirs = PHReg(follow.time, rows.x, status, entry=follow.entry, strata=rows.strata, ties=ties)
        return float(theirs.loglike(coef))

    n, found = 0, np.zeros(len(spec.candidates))
    for table in (_complete(spec, table) for table in tables):
        n += _at_risk(spec, table)
        for fit, training in zip(fits, training_rows(spec.folds), strict=True):
            for k, name in enumerate(spec.names()):
                model, coef = spec.candidates[name], np.asarray(fit[f"{name}.coef"], dtype=np.float64)
                assert isinstance(model, CoxSpec)
                found[k] += loglik(model, coef, table)
                found[k] -= loglik(model, coef, table.select(training.mask(table)))
    return n, found
