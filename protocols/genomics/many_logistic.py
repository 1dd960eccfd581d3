"""Many small logistic models at once: each of f features, with c confounders, on each of o outcomes.

All likelihoods are evaluated in one message per round, and each model takes its own Newton step, half of it
where its likelihood fell. The start costs no round: one step from the model of the intercept alone, whose
derivatives are the linear moments. Models that are done are not evaluated again (their coefficients are asked
as missing).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from protocols.core.protocol import Arrays, Coordination
from protocols.core.table import Floats, Mask
from protocols.estimation.newton import TOLERANCE

_BLOCK = 2_000_000  # numbers in a temporary array at a site
_SINGULAR = 1e-10  # least eigenvalue of an equilibrated information matrix
_FLAT = 1e6  # the variance of a coefficient, per standard deviation, about which nothing is known
_FELL = 1e-10  # share of the log-likelihood that rounding may take


def derivatives(c: Floats, x: Floats, y: Floats, coef: Floats) -> Arrays:
    """The log-likelihood (f, o), score (f, o, t) and information (f, o, t, t) of each model.

    Args:
        c: (n, t - 1) a column of ones and the confounders.
        x: (n, f) features; y: (n, o) outcomes, 0 or 1.
        coef: (f, o, t), the feature's last; a model whose coefficients are missing is left out, as zeros.
    """
    f, o, t = coef.shape
    assert x.shape[1] == f
    assert y.shape[1] == o
    loglik, score, information = np.zeros((f, o)), np.zeros((f, o, t)), np.zeros((f, o, t, t))
    pairs = (c[:, :, None] * c[:, None, :]).reshape(len(c), c.shape[1] ** 2)
    width = max(1, _BLOCK // max(len(c), 1))
    for k in range(o):
        wanted = np.flatnonzero(~np.isnan(coef[:, k, 0]))
        for begin in range(0, len(wanted), width):
            j = wanted[begin : begin + width]
            xj = x[:, j]
            eta = c @ coef[j, k, :-1].T + xj * coef[j, k, -1]
            mean = expit(eta)
            residual = y[:, k, None] - mean
            weight = mean * (1 - mean)
            # y eta - log(1 + e^eta), of which the mean is already known: -log(1 - mean) loses digits at 1
            loglik[j, k] = y[:, k] @ eta - np.logaddexp(0.0, eta).sum(axis=0)
            score[j, k, :-1] = residual.T @ c
            score[j, k, -1] = np.einsum("ij,ij->j", residual, xj)
            information[j, k, :-1, :-1] = (weight.T @ pairs).reshape(len(j), t - 1, t - 1)
            weight *= xj
            information[j, k, :-1, -1] = information[j, k, -1, :-1] = weight.T @ c
            information[j, k, -1, -1] = np.einsum("ij,ij->j", weight, xj)
    return {"loglik": loglik, "score": score, "information": information}


@dataclass(frozen=True)
class Fits:
    """Where the likelihoods are largest.

    Attributes:
        coef: (f, o, t); missing for a model that did not converge.
        variance: (f, o) of the feature's coefficient.
        evaluations: rounds.
    """

    coef: Floats
    variance: Floats
    evaluations: int


def maximise(
    start: Floats,
    null: tuple[Floats, Floats],
    evaluate: Callable[[Floats], Coordination[Mapping[str, Floats]]],
    kept: list[int],
    max_rounds: int,
) -> Coordination[Fits]:
    """The maxima of all the likelihoods, within `max_rounds`.

    Args:
        start: (f, o, t) coefficients to begin with, missing for a model that is not wanted.
        null: (f, o, t) coefficients with known log-likelihoods (f, o), to go back towards if they are better.
        evaluate: asks for the joined `derivatives` at (f, o, t) coefficients.
        kept: the positions among t of terms with their own coefficient; others stay 0.
        max_rounds: models that have not converged after these have no maximum, or none near.
    """
    f, o, _ = start.shape
    asked, done = start, np.isnan(start[..., 0])
    base, base_loglik = null[0].copy(), null[1].copy()
    step = start - base
    coef, variance = np.full(start.shape, np.nan), np.full((f, o), np.nan)
    evaluations = 0
    while evaluations < max_rounds and not done.all():
        total = yield from evaluate(asked)
        evaluations += 1
        fell = ~done & (total["loglik"] < base_loglik - _FELL * (1 + np.abs(base_loglik)))
        rose = ~done & ~fell
        newton, var, sound = _steps(total["score"], total["information"], kept, rose)
        base[rose], base_loglik[rose] = asked[rose], total["loglik"][rose]
        step[rose], step[fell] = newton[rose], step[fell] / 2
        sound &= ~(var > _FLAT)  # separated: the likelihood grows without end
        converged = rose & sound & (np.abs(newton).max(axis=-1) < TOLERANCE)
        coef[converged], variance[converged] = (asked + newton)[converged], var[converged]
        done |= converged | (rose & ~sound)
        asked = np.where(done[..., None], np.nan, base + step)
    return Fits(coef, variance, evaluations)


def _steps(score: Floats, information: Floats, kept: list[int], wanted: Mask) -> tuple[Floats, Floats, Mask]:
    """Newton's steps (f, o, t), the variance of the last coefficient (f, o), and where there is a step."""
    step, variance = np.zeros(score.shape), np.full(wanted.shape, np.nan)
    sound = np.zeros(wanted.shape, dtype=bool)
    i, k = np.nonzero(wanted)
    matrix = information[i, k][:, kept][:, :, kept]
    diagonal = np.einsum("mtt->mt", matrix)
    scale = 1 / np.sqrt(np.maximum(diagonal, np.finfo(float).tiny))
    matrix = matrix * scale[:, :, None] * scale[:, None, :]
    usable = (diagonal > 0).all(axis=1) & (np.linalg.eigvalsh(matrix)[:, 0] > _SINGULAR)
    i, k, matrix, scale = i[usable], k[usable], matrix[usable], scale[usable]
    inverse = np.linalg.inv(matrix)
    moves = np.zeros((len(i), score.shape[-1]))
    moves[:, kept] = scale * np.einsum("mst,mt->ms", inverse, scale * score[i, k][:, kept])
    step[i, k] = moves
    variance[i, k] = inverse[:, -1, -1] * scale[:, -1] ** 2
    sound[i, k] = True
    return step, variance, sound
