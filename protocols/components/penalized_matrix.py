"""Sparse singular vectors: the penalized matrix decomposition.

    maximise  u'Kv   with |u|_2 <= 1, |v|_2 <= 1, |u|_1 <= c_u, |v|_1 <= c_v

Reference: Witten, Tibshirani & Hastie, Biostatistics 10 (2009) 515, algorithms 1 and 3. The threshold that
meets the bound is found exactly, not by bisection.
"""

from dataclasses import dataclass

import numpy as np

from protocols.core.errors import Code, StudyError
from protocols.core.table import Floats

_TOLERANCE = 1e-13
_MAX_STEPS = 100_000
_SAME = 2.0**-48  # of the largest entry: rounding


@dataclass(frozen=True)
class Layers:
    """K as a sum of k sparse layers: u (p, k), values (k,), v (q, k)."""

    u: Floats
    values: Floats
    v: Floats


def decompose(K: Floats, components: int, c_u: float, c_v: float) -> Layers:
    """The first sparse layers of a (p, q) matrix, each of what those before it leave.

    Each starts at the first right singular vector, so that the same matrix gives the same layers.

    Raises:
        StudyError: not-converged.
    """
    rest = K.copy()
    left, values, right = [], [], []
    for _ in range(components):
        start: Floats = np.linalg.svd(rest, full_matrices=False)[2][0]
        u, v = _layer(rest, start, c_u, c_v)
        values.append(float(u @ rest @ v))
        rest = rest - values[-1] * np.outer(u, v)
        left.append(u)
        right.append(v)
    return Layers(np.array(left).T, np.array(values), np.array(right).T)


def _layer(K: Floats, v: Floats, c_u: float, c_v: float) -> tuple[Floats, Floats]:
    for _ in range(_MAX_STEPS):
        u = bounded(K @ v, c_u)
        new = bounded(K.T @ u, c_v)
        moved = np.abs(new - v).max()
        v = new
        if moved < _TOLERANCE:
            return u, v
    raise StudyError(Code.NOT_CONVERGED, f"no sparse layer after {_MAX_STEPS} steps", "allow more entries")


def bounded(a: Floats, c: float) -> Floats:
    """The (p,) unit vector of absolute sum at most c (from 1 up) that has the largest product with (p,) `a`.

    It is `a` soft-thresholded. With m the mean of the k entries above the threshold and S their sum of
    squares about it, entry i is c / k + (a_i - m) sqrt((k - c^2) / (k S)). Where the largest entries are
    equal and too many for the bound, all of them stay.
    """
    size = np.abs(a)
    if size.sum() <= c * np.sqrt(size @ size):
        return np.asarray(a / np.sqrt(size @ size))
    order = np.argsort(size)[::-1]
    ordered = np.append(size[order], 0.0)
    for k in range(int(c**2) + 1, len(a) + 1):
        mean = ordered[:k].mean()
        above = ordered[:k] - mean
        squares = float(above @ above)
        threshold = mean - c * np.sqrt(squares / (k * (k - c**2)))
        if ordered[k] - threshold <= _SAME * ordered[0] and ordered[k] < ordered[k - 1]:
            break
    unit = np.zeros_like(a)
    if squares > (_SAME * ordered[0]) ** 2:
        unit[order[:k]] = c / k + above * np.sqrt((k - c**2) / (k * squares))
    else:
        unit[order[:k]] = 1 / np.sqrt(k)
    return np.asarray(unit * np.sign(a))
