"""The reference of `mixed`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq

from protocols.core.errors import Code, StudyError
from protocols.core.table import AnalysisTable, Floats
from protocols.regression.mixed import _FEWEST_SITES, MixedResult, MixedSpec, result


def pooled(spec: MixedSpec, tables: Sequence[AnalysisTable]) -> MixedResult:
    """The same likelihood on all rows, its covariance written out, its score by dense matrices."""
    complete = [table.complete(spec.variables()) for table in tables]
    complete = [t for t in complete if len(t) >= max(10, len(spec.variables()) / 0.33)]
    if len(complete) < _FEWEST_SITES:
        raise StudyError(Code.TOO_FEW_SITES, f"{len(complete)} sites")
    x = np.concatenate([t.matrix(spec.covariates) for t in complete])
    y = np.concatenate([t.column(spec.outcome) for t in complete])
    people = [len(t) for t in complete]
    groups = np.repeat(np.eye(len(complete)), people, axis=0)
    mean, sd = x.mean(axis=0), x.std(axis=0)
    design = np.column_stack([np.ones(len(x)), (x - mean) / sd])
    J = groups @ groups.T
    df = len(y) - (design.shape[1] if spec.method == "reml" else 0)

    def parts(ratio: float) -> tuple[Floats, Floats, Floats]:
        inverse = np.linalg.inv(np.eye(len(y)) + ratio * J)
        info = design.T @ inverse @ design
        P = inverse - inverse @ design @ np.linalg.solve(info, design.T @ inverse)
        return np.asarray(inverse), np.asarray(info), np.asarray(P)

    def score(ratio: float) -> float:
        inverse, _, P = parts(ratio)
        trace = np.sum((P if spec.method == "reml" else inverse) * J)
        return float(-trace + y @ P @ J @ P @ y / (y @ P @ y / df))

    ratio = 0.0 if score(0.0) <= 0 else brentq(score, 0.0, 1e4, xtol=1e-15, rtol=1e-14)
    inverse, info, P = parts(ratio)
    sigma2 = float(y @ P @ y / df)
    coef = np.linalg.solve(info, design.T @ inverse @ y)
    loglik = -0.5 * (df * np.log(2 * np.pi * sigma2) + df + np.linalg.slogdet(np.eye(len(y)) + ratio * J)[1])
    if spec.method == "reml":
        loglik += -0.5 * np.linalg.slogdet(info)[1] - np.log(sd).sum()
    effects = ratio * groups.T @ inverse @ (y - design @ coef)
    basis = np.diag(np.append(1.0, 1 / sd))
    basis[0, 1:] = -mean / sd
    return result(
        spec,
        basis @ coef,
        basis @ np.linalg.inv(info) @ basis.T * sigma2,
        variances=(sigma2, ratio * sigma2),
        loglik=float(loglik),
        effects={t.site: float(e) for t, e in zip(complete, effects, strict=True)},
        n=len(y),
        withheld={},
    )
