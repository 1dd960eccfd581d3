"""A site's own correlations of pairs of columns, given other columns, as Fisher's z."""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import qr

from protocols.core.table import Floats, Mask
from protocols.estimation.rounded import SHARE, to_unit

FEWEST_DF = 10
"""Degrees of freedom below which a site has no estimate: it would follow its people."""

_FOLLOWS = 1e-9  # the share of a column's variance that the others must leave
_RANK = 1e-10


def partial_correlations(
    x: Floats, pairs: Sequence[tuple[int, int]], given: Floats
) -> tuple[Floats, Mask, float]:
    """Fisher's z of (p,) pairs among (n, k) columns given (n, q) others, which are found, and z's 1 / se^2.

    An intercept is always given; with n people and a rank q of all that is, 1 / se^2 is n - q - 2, and that
    of a pair without others n - 3. z is rounded to a hundredth of its standard error, which is all that is
    needed: more digits of few people with few values would tell their joint table.
    """
    n = len(x)
    design = np.column_stack([np.ones(n), given])
    basis = _basis(design)
    weight = float(n - basis.shape[1] - 2)
    if weight < FEWEST_DF:
        return np.zeros(len(pairs)), np.zeros(len(pairs), dtype=bool), 1.0
    about = x - x.mean(axis=0)
    rest = about - basis @ (basis.T @ about)
    square, whole = (rest**2).sum(axis=0), (about**2).sum(axis=0)
    varies = (square > _FOLLOWS * whole) & (whole > 0)
    unit = rest / np.sqrt(np.where(varies, square, 1.0))
    a, b = (np.array([pair[i] for pair in pairs], dtype=np.int64) for i in (0, 1))
    r = np.einsum("ij,ij->j", unit[:, a], unit[:, b])
    found = varies[a] & varies[b] & (1 - r**2 > _FOLLOWS)
    z = np.arctanh(np.where(found, r, 0.0))
    return to_unit(z, np.full(len(z), SHARE / np.sqrt(weight))), found, weight


def _basis(design: Floats) -> Floats:
    """(n, rank) orthonormal columns that span those of a design, each of which counts by its own size."""
    size = np.sqrt((design**2).sum(axis=0))
    q, r, _ = qr(design[:, size > 0] / size[size > 0], mode="economic", pivoting=True)
    rank = int((np.abs(np.diag(r)) > _RANK).sum())
    basis: Floats = np.asarray(q[:, :rank], dtype=np.float64)
    return basis


def indicators(labels: Sequence[object]) -> Floats:
    """(n, levels) 0/1 columns of (n,) labels."""
    levels = sorted({str(label) for label in labels})
    return np.array([[float(str(label) == level) for level in levels] for label in labels]).reshape(
        len(labels), len(levels)
    )
