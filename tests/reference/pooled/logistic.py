"""The reference of `logistic`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from statsmodels.discrete.discrete_model import Logit

from protocols.core.table import AnalysisTable
from protocols.estimation.standards import original_scale
from protocols.regression.logistic import LogisticResult, LogisticSpec, result


def pooled(spec: LogisticSpec, tables: Sequence[AnalysisTable]) -> LogisticResult:
    """The fit of statsmodels' Logit on all rows."""
    complete = [table.complete(spec.variables()) for table in tables]
    x = np.concatenate([t.matrix(spec.covariates) for t in complete])
    y = np.concatenate([t.column(spec.outcome) for t in complete])
    basis = original_scale(x.mean(axis=0), x.std(axis=0))
    z = np.column_stack([np.ones(len(x)), x]) @ basis
    model = Logit(y, z)
    coef = model.fit(disp=0, tol=1e-12, maxiter=100).params
    return result(
        spec,
        basis @ coef,
        basis @ np.linalg.inv(-model.hessian(coef)) @ basis.T,
        loglik=float(model.loglike(coef)),
        people=(len(y), int(y.sum())),
        evaluations=0,
    )
