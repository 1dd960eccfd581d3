"""The elastic net from correlations alone: ridge, lasso and between, exact to rounding.

    minimise  1/2 b'Rb - r'b + lam * ((1 - a)/2 |b|² + a |b|_1)

Coordinate descent finds which coefficients are not 0 and their signs; a linear system then gives them to
rounding, and the conditions of Karush, Kuhn and Tucker are checked (Friedman, Hastie & Tibshirani, J Stat
Softw 33 (2010), eq. 5).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from protocols.core.errors import Code, SpecError, StudyError
from protocols.core.table import Floats

_MAX_SWEEPS = 10_000
_KKT = 1e-11  # of the largest gradient
_ROUNDING = 1e-13
SMALLEST = 1e-3
"""The share of the largest penalty at which an automatic path ends."""


@dataclass(frozen=True)
class Path:
    """Coefficients of L penalties on p standardized columns.

    Attributes:
        lambdas: (L,) descending.
        coef: (L, p).
        violation: the largest departure from the optimality conditions, as a share of the largest gradient;
            0 where it is rounding.
    """

    lambdas: Floats
    coef: Floats
    violation: float


def penalties(gradient: Floats, l1_ratio: float, number: int) -> Floats:
    """The (number,) penalties from the one that leaves every coefficient 0, evenly in logarithm.

    For ridge, where there is none, from that of an l1 ratio of 0.001, as glmnet does.
    """
    largest = np.abs(gradient).max(initial=0.0) / max(l1_ratio, 1e-3)
    grid: Floats = largest * np.geomspace(1.0, SMALLEST, number)
    return grid


def path(R: Floats, gradient: Floats, lambdas: Sequence[float] | Floats, l1_ratio: float) -> Path:
    """The solutions for each penalty, from the largest down, each starting at the one before.

    Args:
        R: (p, p) correlations of the columns.
        gradient: (p,) r above, covariances of the standardized columns with the outcome.
        lambdas: penalties, each above 0.
        l1_ratio: a above; 0 is ridge, 1 the lasso.

    Raises:
        StudyError: not-converged.
    """
    descending = np.sort(np.asarray(lambdas, dtype=np.float64))[::-1]
    coef = np.zeros(len(gradient))
    found, worst = [], 0.0
    for lam in descending:
        if l1_ratio == 0:
            coef = np.linalg.solve(R + lam * np.eye(len(R)), gradient)
        else:
            coef = _solution(R, gradient, lam * l1_ratio, lam * (1 - l1_ratio), coef)
        worst = max(worst, _violation(R, gradient, lam * l1_ratio, lam * (1 - l1_ratio), coef))
        found.append(coef)
    share = worst / np.abs(gradient).max(initial=np.finfo(float).tiny)
    return Path(descending, np.array(found), float(share) if share > _ROUNDING else 0.0)


def degrees_of_freedom(R: Floats, coef: Floats, l2: Floats) -> Floats:
    """The (L,) effective degrees of freedom of (L, p) coefficients: the trace of their hat matrices.

    Tibshirani & Taylor, Ann Stat 40 (2012) 1198, eq. 7: of the active columns, R (R + l2)^-1.
    """
    found = []
    for row, ridge in zip(coef, l2, strict=True):
        active = np.flatnonzero(row)
        values = np.linalg.eigvalsh(R[np.ix_(active, active)])
        found.append(float((values / (values + ridge)).sum()))
    return np.array(found)


def _solution(R: Floats, gradient: Floats, l1: float, l2: float, start: Floats) -> Floats:
    coef = start.copy()
    residual = gradient - R @ coef  # X'(y - Xb)
    tolerance = _KKT * np.abs(gradient).max()
    for _ in range(_MAX_SWEEPS):
        signs = np.sign(coef)
        _sweep(R, residual, l1, l2, coef, range(len(coef)))
        if (np.sign(coef) != signs).any():
            for _ in range(5):  # the active ones alone, until their signs settle
                _sweep(R, residual, l1, l2, coef, np.flatnonzero(coef).tolist())
            continue
        exact = _polished(R, gradient, l1, l2, coef)
        if exact is not None and _violation(R, gradient, l1, l2, exact) <= tolerance:
            return exact
        if _violation(R, gradient, l1, l2, coef) <= tolerance:
            return coef
    raise StudyError(
        Code.NOT_CONVERGED, f"no elastic net after {_MAX_SWEEPS} sweeps", "choose a larger penalty"
    )


def _sweep(
    R: Floats, residual: Floats, l1: float, l2: float, coef: Floats, which: Sequence[int] | range
) -> None:
    for j in which:
        old = coef[j]
        rho = residual[j] + R[j, j] * old
        new = np.sign(rho) * max(abs(rho) - l1, 0.0) / (R[j, j] + l2)
        if new != old:
            residual -= R[j] * (new - old)
            coef[j] = new


def _polished(R: Floats, gradient: Floats, l1: float, l2: float, coef: Floats) -> Floats | None:
    """The exact solution with these signs, None where it has others or no single one."""
    active = np.flatnonzero(coef)
    exact = np.zeros_like(coef)
    system = R[np.ix_(active, active)] + l2 * np.eye(len(active))
    try:
        exact[active] = np.linalg.solve(system, gradient[active] - l1 * np.sign(coef[active]))
    except np.linalg.LinAlgError:
        return None
    return exact if (np.sign(exact) == np.sign(coef)).all() else None


def _violation(R: Floats, gradient: Floats, l1: float, l2: float, coef: Floats) -> float:
    """How far coefficients are from optimal: the largest distance of the gradient from where it must lie."""
    slope = gradient - R @ coef - l2 * coef
    apart = np.where(coef != 0, np.abs(slope - l1 * np.sign(coef)), np.maximum(np.abs(slope) - l1, 0.0))
    return float(apart.max(initial=0.0))


def at_penalty(lambdas: Floats, penalty: float) -> int:
    """The position of a penalty on a path of (L,) penalties.

    Raises:
        SpecError: invalid-study; the path does not have it.
    """
    (found,) = np.nonzero(np.isclose(lambdas, penalty, rtol=1e-6, atol=0))
    if not found.size:
        raise SpecError(
            Code.INVALID_STUDY, f"the path has no penalty {penalty:g}", "choose one of the result's `lambdas`"
        )
    return int(found[0])
