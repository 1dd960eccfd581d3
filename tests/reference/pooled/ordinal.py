"""The reference of `ordinal`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from protocols.core.table import AnalysisTable, Floats
from protocols.regression.ordinal import OrdinalResult, OrdinalSpec, result


def pooled(spec: OrdinalSpec, tables: Sequence[AnalysisTable]) -> OrdinalResult:
    """The maximum by scipy's BFGS, then Newton to machine precision, in the densities of McCullagh 1980."""
    complete = [table.complete(spec.variables()) for table in tables]
    x = np.concatenate([t.matrix(spec.covariates) for t in complete])
    outcome = np.concatenate([t.column(spec.outcome) for t in complete])
    place = (outcome[:, None] == np.array(spec.levels)).argmax(axis=1)
    counts = np.bincount(place, minlength=len(spec.levels))
    centre, scale = x.mean(axis=0), x.std(axis=0)
    below = [_design(spec, (x - centre) / scale, cut) for cut in range(len(spec.levels) - 1)]

    def likelihood(coef: Floats) -> tuple[float, Floats, Floats]:
        """The log-likelihood, score and minus the second derivatives."""
        n, q = below[0].shape
        total, score, second = 0.0, np.zeros(q), np.zeros((q, q))
        for level in range(len(spec.levels)):
            here = place == level
            chance, slope, curve = np.zeros(n), np.zeros((n, q)), np.zeros((n, q, q))
            for cut, sign in ((level, 1), (level - 1, -1)):
                if not 0 <= cut < len(below):
                    chance += (cut >= len(below)) * 1.0
                    continue
                share = expit(below[cut] @ coef)
                density = share * (1 - share)
                chance += sign * share
                slope += sign * density[:, None] * below[cut]
                bent = sign * density * (1 - 2 * share)
                curve += bent[:, None, None] * below[cut][:, :, None] * below[cut][:, None, :]
            p, g = chance[here], slope[here]
            if (p <= 0).any():
                return -np.inf, score, second
            total += float(np.log(p).sum())
            score += (g / p[:, None]).sum(axis=0)
            second += np.einsum("ni,nj->ij", g / p[:, None], g / p[:, None])
            second -= (curve[here] / p[:, None, None]).sum(axis=0)
        return total, score, second

    cumulative = np.cumsum(counts)[:-1] / counts.sum()
    start = np.zeros(below[0].shape[1])
    start[: len(below)] = np.log(cumulative / (1 - cumulative))
    found = minimize(lambda b: -likelihood(b)[0], start, jac=lambda b: -likelihood(b)[1], method="BFGS")
    coef = found.x
    for _ in range(8):
        _, score, second = likelihood(coef)
        coef = coef + np.linalg.solve(second, score)
    loglik, _, second = likelihood(coef)
    basis = _basis(spec, centre, scale)
    order = _order(spec)
    covariance = (basis @ np.linalg.inv(second) @ basis.T)[np.ix_(order, order)]
    return result(spec, (basis @ coef)[order], covariance, loglik, counts, 0)


def _design(spec: OrdinalSpec, x: Floats, cut: int) -> Floats:
    """(n, q) of the log odds of lying below a cut: all thresholds, the common covariates, then cut by cut."""
    cuts = len(spec.levels) - 1
    common = [-x[:, spec.covariates.index(name)] for name in spec.common()]
    varying = [-x[:, spec.covariates.index(name)] * (cut == j) for j in range(cuts) for name in spec.varying]
    thresholds = [np.full(len(x), float(cut == j)) for j in range(cuts)]
    return np.column_stack([*thresholds, *common, *varying])


def _basis(spec: OrdinalSpec, centre: Floats, scale: Floats) -> Floats:
    """(q, q) that takes coefficients of standardized covariates to those of the covariates."""
    cuts, at = len(spec.levels) - 1, spec.covariates.index
    names = [*spec.common(), *spec.varying * cuts]
    basis = np.diag([1.0] * cuts + [1 / scale[at(name)] for name in names])
    for i, name in enumerate(names):
        cut = (i - len(spec.common())) // max(len(spec.varying), 1) if i >= len(spec.common()) else None
        for j in range(cuts) if cut is None else (cut,):
            basis[j, cuts + i] = centre[at(name)] / scale[at(name)]
    return basis


def _order(spec: OrdinalSpec) -> list[int]:
    """Where each of the result's terms stands in that design."""
    cuts, common, varying = len(spec.levels) - 1, len(spec.common()), len(spec.varying)
    of_cuts = [[j, *(cuts + common + j * varying + i for i in range(varying))] for j in range(cuts)]
    return [*(place for one in of_cuts for place in one), *range(cuts, cuts + common)]
