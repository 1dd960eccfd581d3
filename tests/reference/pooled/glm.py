"""The reference of `glm`, with all rows in one place."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import block_diag
from statsmodels.discrete.discrete_model import NegativeBinomial
from statsmodels.genmod import families as sm
from statsmodels.genmod.generalized_linear_model import GLM

from protocols.core.protocol import Arrays
from protocols.core.table import AnalysisTable, Floats
from protocols.estimation.climb import Top
from protocols.estimation.newton import Point
from protocols.estimation.standards import original_scale
from protocols.regression.glm import GlmResult, GlmSpec, _offset, result


def pooled(spec: GlmSpec, tables: Sequence[AnalysisTable]) -> GlmResult:
    """The fit of statsmodels on all rows, its derivatives iterated to machine precision."""
    complete = [table.complete(spec.columns()) for table in tables]
    x = np.concatenate([t.matrix(spec.covariates) for t in complete])
    y = np.concatenate([t.column(spec.outcome) for t in complete])
    offset = np.concatenate([_offset(spec, t) for t in complete])
    basis = original_scale(x.mean(axis=0), x.std(axis=0))
    z = np.column_stack([np.ones(len(x)), x]) @ basis
    return result(spec, _maximum(spec, y, z, offset, basis), _null(spec, y, offset), len(y))


def _null(spec: GlmSpec, y: Floats, offset: Floats) -> float:
    if spec.family == "negative_binomial" or (spec.family == "probit" and offset.any()):
        return float("nan")
    family = sm.Poisson() if spec.family == "poisson" else sm.Binomial(sm.links.Probit())
    return float(GLM(y, np.ones((len(y), 1)), family, offset=offset).fit(tol=1e-14).deviance)


def _maximum(spec: GlmSpec, y: Floats, z: Floats, offset: Floats, basis: Floats) -> Top:
    """Where statsmodels' score vanishes, and its expected information there."""
    if spec.family == "negative_binomial":
        model: Any = NegativeBinomial(y, z, offset=offset)
        at = model.fit(disp=0, method="bfgs", maxiter=2000, gtol=1e-8).params
    else:
        family = sm.Poisson() if spec.family == "poisson" else sm.Binomial(sm.links.Probit())
        model = GLM(y, z, family, offset=offset)
        at = model.fit(tol=1e-12, maxiter=100).params
    for _ in range(10):
        at = at - np.linalg.solve(model.hessian(at), model.score(at))
    coef = at[: z.shape[1]]
    if spec.family == "negative_binomial":
        family = sm.NegativeBinomial(alpha=at[-1])
        coef_and_shape = np.append(coef, -np.log(at[-1]))
    else:
        coef_and_shape = coef
    glm = GLM(y, z, family, offset=offset)
    k = len(coef_and_shape)
    expected = np.zeros((k, k))
    expected[: len(coef), : len(coef)] = -glm.hessian(coef, observed=False)
    if k > len(coef):  # by log theta: alpha² times that by alpha, where the score vanishes
        expected[-1, -1] = -model.hessian(at)[-1, -1] * at[-1] ** 2
    deviance = glm.family.deviance(y, glm.predict(coef, offset=offset))
    last: Arrays = {"deviance": np.array(deviance), "loglik": np.array(float(model.loglike(at)))}
    basis = block_diag(basis, np.eye(k - len(coef)))
    inverse = Point(coef_and_shape, 0.0, np.zeros(k), expected).covariance()
    return Top(basis @ coef_and_shape, basis @ inverse @ basis.T, last, last, 0)
