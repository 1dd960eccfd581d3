"""The reference of `penalized_logistic`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from protocols.core.table import AnalysisTable, Floats
from protocols.estimation.standards import original_scale
from protocols.regression.penalized_logistic import (
    PenalizedLogisticResult,
    PenalizedLogisticSpec,
    _lambdas,
    path_found,
    result,
)
from protocols.regression.proximal_newton import Quadratic


def pooled(spec: PenalizedLogisticSpec, tables: Sequence[AnalysisTable]) -> PenalizedLogisticResult:
    """The fits of scikit-learn's LogisticRegression on all rows, those not 0 iterated to rounding."""
    complete = [table.complete(spec.variables()) for table in tables]
    x = np.concatenate([t.matrix(spec.covariates) for t in complete])
    y = np.concatenate([t.column(spec.outcome) for t in complete])
    n, scale = len(x), x.std(axis=0) if spec.standardize else np.ones(x.shape[1])
    z = (x - x.mean(axis=0)) / scale
    lambdas = _lambdas(spec, z.T @ (y - y.mean()) / n)
    design = np.column_stack([np.ones(n), z])
    found = []
    for lam in lambdas:
        model = LogisticRegression(
            C=1 / (n * lam),
            l1_ratio=spec.l1_ratio,
            solver="saga",
            tol=1e-7,
            max_iter=10_000,
            random_state=0,
        ).fit(z, y)
        near = np.append(model.intercept_, model.coef_[0])
        if spec.l1_ratio:  # what the solver's tolerance leaves of 0; a ridge has none
            near = np.where(abs(near) < 1e-5, 0.0, near)
        found.append(_stationary(design, y, near, lam, spec.l1_ratio))
    basis = original_scale(x.mean(axis=0), scale)
    people = {"n": np.array(n), "n_events": np.array(int(y.sum()))}
    return result(spec, people | path_found(spec, lambdas, found, n, 0), basis)


def _stationary(design: Floats, y: Floats, coef: Floats, lam: float, l1_ratio: float) -> Quadratic:
    """Where the objective of those coefficients that are not 0, their signs kept, is stationary."""
    n, active = len(y), np.flatnonzero(coef)
    sign = np.append(0.0, np.sign(coef[1:]))
    ridge = np.diag(np.append(0.0, np.full(len(coef) - 1, lam * (1 - l1_ratio))))
    for _ in range(20):
        mean = 1 / (1 + np.exp(-design @ coef))
        gradient = design.T @ (y - mean) / n
        curvature = (design.T * (mean * (1 - mean))) @ design / n
        slope = (gradient - ridge @ coef - lam * l1_ratio * sign)[active]
        coef = coef.copy()
        coef[active] += np.linalg.solve((curvature + ridge)[np.ix_(active, active)], slope)
    return Quadratic(coef, float(np.mean(np.log(np.where(y == 1, mean, 1 - mean)))), gradient, curvature)
