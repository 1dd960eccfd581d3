"""The reference of `local_models`: each table's own fit from its equations, then their mean."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from protocols.core.table import AnalysisTable, Floats
from protocols.learning.local_models import (
    DiscriminantClassifier,
    LocalModelsResult,
    LocalModelsSpec,
    LogisticClassifier,
)


def pooled(spec: LocalModelsSpec, tables: Sequence[AnalysisTable]) -> LocalModelsResult:
    """Newton's method, or the solution of the normal equations, on the rows of each table in turn."""
    complete = [table.complete(spec.variables()) for table in tables]
    everybody = np.concatenate([t.matrix(spec.covariates) for t in complete])
    shift, scale = everybody.mean(axis=0), everybody.std(axis=0)
    total, people, models = np.zeros(len(spec.covariates) + 1), 0, 0
    for table in complete:
        x, y = (table.matrix(spec.covariates) - shift) / scale, table.column(spec.outcome)
        # the floor of a sum, and at most a third of a coefficient for each person
        if min(y.sum(), len(y) - y.sum()) < 5 or (x.shape[1] + 1) / len(y) > 0.33:
            continue
        if isinstance(spec.classifier, DiscriminantClassifier):
            coef = _discriminant(spec.classifier, x, y)
        else:
            coef = _logistic(spec.classifier, x, y)
        total, people, models = total + len(y) * coef, people + len(y), models + 1
    mean = total / people
    slopes = mean[1:] / scale
    return LocalModelsResult(spec.terms(), np.append(mean[0] - slopes @ shift, slopes), people, models)


def _logistic(classifier: LogisticClassifier, x: Floats, y: Floats) -> Floats:
    """(1 + p,) where the derivatives of the penalized log-likelihood vanish."""
    design = np.column_stack([np.ones(len(y)), x])
    weight = np.ones(len(y))
    if classifier.class_weight == "balanced":
        weight = len(y) / 2 / np.where(y == 1, y.sum(), len(y) - y.sum())
    ridge = np.diag(np.append(0.0, np.full(x.shape[1], 1 / classifier.C)))
    coef = np.zeros(design.shape[1])
    for _ in range(50):
        p = expit(design @ coef)
        slope = design.T @ (weight * (y - p)) - ridge @ coef
        coef = coef + np.linalg.solve((design.T * (weight * p * (1 - p))) @ design + ridge, slope)
    return coef


def _discriminant(classifier: DiscriminantClassifier, x: Floats, y: Floats) -> Floats:
    """(1 + p,) the difference of Fisher's discriminant functions (Hastie et al. 2009, eq. 4.9)."""
    share = y.mean()
    low, high = x[y == 0], x[y == 1]
    covariance = (1 - share) * np.cov(low.T, ddof=0) + share * np.cov(high.T, ddof=0)
    covariance = np.atleast_2d(covariance)
    p, s = x.shape[1], classifier.shrinkage
    # scikit-learn shrinks each class; shrinking is linear, so the mean of both is shrunk
    covariance = (1 - s) * covariance + s * np.trace(covariance) / p * np.eye(p)
    slopes = np.linalg.solve(covariance, high.mean(axis=0) - low.mean(axis=0))
    middle = (high.mean(axis=0) + low.mean(axis=0)) / 2
    return np.append(np.log(share / (1 - share)) - middle @ slopes, slopes)
