"""The reference of `multinomial`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from statsmodels.discrete.discrete_model import MNLogit

from protocols.core.table import AnalysisTable
from protocols.estimation.standards import original_scale
from protocols.regression.levels import people_of_levels
from protocols.regression.multinomial import MultinomialResult, MultinomialSpec, _each_level, result


def pooled(spec: MultinomialSpec, tables: Sequence[AnalysisTable]) -> MultinomialResult:
    """The fit of statsmodels' MNLogit on all rows, its derivatives iterated to machine precision."""
    complete = [table.complete(spec.variables()) for table in tables]
    x = np.concatenate([t.matrix(spec.covariates) for t in complete])
    chosen = np.concatenate([people_of_levels(t, spec.outcome, spec.levels) for t in complete], axis=1)
    basis = original_scale(x.mean(axis=0), x.std(axis=0))
    model = MNLogit(chosen.argmax(axis=0), np.column_stack([np.ones(len(x)), x]) @ basis)
    coef = model.fit(disp=0, maxiter=100).params.T.ravel()
    for _ in range(5):
        coef = coef - np.linalg.solve(model.hessian(coef), model.score(coef))
    basis = _each_level(spec, basis)
    covariance = basis @ np.linalg.inv(-model.hessian(coef)) @ basis.T
    loglik = float(model.loglike(coef.reshape(len(spec.levels) - 1, -1).T))
    return result(spec, basis @ coef, covariance, loglik, chosen.sum(axis=1), 0)
