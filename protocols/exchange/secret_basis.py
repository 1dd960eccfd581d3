"""What sites draw of the secret that they share and the center lacks: the turns of a climb, and seals."""

import numpy as np

from protocols.core.protocol import Climb
from protocols.core.secret import Turn
from protocols.core.table import Floats
from protocols.exchange.keyed_draws import derived, normal, uniform

OPEN = bytes(32)
"""The secret of sites in one process, which hides nothing."""

_STRETCH = 4.0  # the largest singular value of a basis, and the inverse of the smallest


def turn(secret: bytes, place: tuple[int, int], climb: Climb) -> Turn:
    """The turn of a climb's question by its round and position."""
    drawn = derived(secret, {"basis": list(place)})
    factors = _STRETCH ** (2 * uniform(derived(drawn, "factors"), climb.factors) - 1)
    return Turn(_basis(drawn, climb.size), factors)


def seal(secret: bytes, place: tuple[int, int]) -> bytes:
    """The key of the sum of a question that the sites alone open, by its round and position."""
    return derived(secret, {"seal": list(place)})


def _basis(drawn: bytes, size: int) -> Floats:
    """The (size, size) matrix of a secret; its condition is at most 16."""
    turns = normal(derived(drawn, "turns"), 2 * size * size).reshape(2, size, size)
    stretch = _STRETCH ** (2 * uniform(derived(drawn, "stretch"), size) - 1)
    found: Floats = (_orthogonal(turns[0]) * stretch) @ _orthogonal(turns[1])
    return found


def _orthogonal(draws: Floats) -> Floats:
    """The orthogonal matrix of Gaussian draws, of which there is one only."""
    q, r = np.linalg.qr(draws)
    return np.asarray(q * np.where(np.diag(r) < 0, -1.0, 1.0))
