"""The reference of `fusion`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from statsmodels.discrete.discrete_model import Logit

from protocols.core.disclosure import Array
from protocols.core.protocol import Total
from protocols.core.table import EVERYBODY, AnalysisTable
from protocols.estimation.standards import original_scale
from protocols.validation.fusion import FusionResult, FusionSpec, _kept, _out_of_fold, result
from protocols.validation.inner_folds import named, stacked, training_rows
from tests.reference.pooled import reference


def pooled(spec: FusionSpec, tables: Sequence[AnalysisTable]) -> FusionResult:
    """The experts' pooled fits in the same folds, and statsmodels' Logit on their out-of-fold scores."""
    fits = []
    for rows in (*training_rows(spec.folds), EVERYBODY):
        train = [table.select(rows.mask(table)) for table in tables]
        arrays: dict[str, Array] = {}
        for name in spec.names():
            expert = spec.experts[name]
            arrays |= named(name, reference(expert, train).transform_arrays())
        fits.append(arrays)
    folds = stacked(fits[:-1])
    parts = [_out_of_fold(spec, table, folds) for table in tables]
    x, y = np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    missing = (x[:, len(spec.experts) :] == 1).sum(axis=0)
    kept = _kept(spec, Total({"missing": missing, "n": np.array(len(y))}, ()))
    columns = [j - 1 for j in kept[1:]]
    basis = original_scale(x[:, columns].mean(axis=0), x[:, columns].std(axis=0))
    model = Logit(y, np.column_stack([np.ones(len(y)), x[:, columns]]) @ basis)
    coef = model.fit(disp=0, tol=1e-12, maxiter=100).params
    covariance = basis @ np.linalg.inv(-model.hessian(coef)) @ basis.T
    people = (len(y), int(y.sum()))
    return result(
        spec,
        kept,
        basis @ coef,
        covariance,
        float(model.loglike(coef)),
        people,
        len(y) - missing,
        fits[-1],
    )
