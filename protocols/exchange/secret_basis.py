"""The bases in which sites answer a climb, drawn of the secret that they share and the center lacks."""

import numpy as np

from protocols.core.table import Floats
from protocols.exchange.keyed_draws import derived, normal, uniform

OPEN = bytes(32)
"""The secret of sites in one process, which hides nothing."""

_STRETCH = 4.0  # the largest singular value of a basis, and the inverse of the smallest


def basis(secret: bytes, place: tuple[int, int], size: int) -> Floats:
    """The secret (size, size) basis of a question by its round and position; its condition is at most 16."""
    drawn = derived(secret, {"basis": list(place)})
    turns = normal(derived(drawn, "turns"), 2 * size * size).reshape(2, size, size)
    stretch = _STRETCH ** (2 * uniform(derived(drawn, "stretch"), size) - 1)
    found: Floats = (_orthogonal(turns[0]) * stretch) @ _orthogonal(turns[1])
    return found


def _orthogonal(draws: Floats) -> Floats:
    """The orthogonal matrix of Gaussian draws, of which there is one only."""
    q, r = np.linalg.qr(draws)
    return np.asarray(q * np.where(np.diag(r) < 0, -1.0, 1.0))
