"""Random numbers of a coordination, by counter: number i is a hash of i, of a run's chance and of a purpose.

They are our own, so that no release of a library changes a draw of a study, and every site that conducts it
draws the same. The chance is made by all sites of a run (`protocols.exchange.start`): whoever writes a study
foresees no draw and cannot try seeds.

Reference: Steele, Lea & Flood, Fast splittable pseudorandom number generators (OOPSLA 2014), SplitMix64.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri

from protocols.core.table import Floats

_GAMMA = 0x9E3779B97F4A7C15
_WORD = 2**64

Words = NDArray[np.uint64]


class Draws:
    """A stream of numbers for one purpose; each call goes on where the one before ended.

    >>> Draws(b"chance", 1).uniform(3).round(6).tolist()
    [0.91227, 0.07319, 0.163022]
    """

    def __init__(self, chance: bytes, *purpose: int) -> None:
        self._key, self._next = key_of(chance, *purpose), 0

    def uniform(self, *shape: int) -> Floats:
        """(*shape,) uniform numbers in (0, 1)."""
        count = int(np.prod(shape))
        counters = np.arange(self._next, self._next + count, dtype=np.uint64)
        self._next += count
        return fraction(mixed(np.uint64(self._key) + counters * np.uint64(_GAMMA))).reshape(shape)

    def normal(self, *shape: int) -> Floats:
        """(*shape,) standard normal numbers."""
        found: Floats = ndtri(self.uniform(*shape))
        return found

    def chi_square(self, freedom: float) -> float:
        """A number of the chi-square distribution with so many degrees of freedom."""
        return float(2 * gammaincinv(freedom / 2, self.uniform(1)[0]))


def key_of(chance: bytes, *purpose: int) -> int:
    """A word for one purpose (a seed, a tree, a step) of a run."""
    words = b"".join(int(number).to_bytes(8, "little", signed=True) for number in purpose)
    return int.from_bytes(hashlib.blake2b(words, key=chance, digest_size=8).digest(), "little") % _WORD


def fraction(words: Words) -> Floats:
    """The numbers in (0, 1) of words: their upper 53 bits."""
    found: Floats = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return found


def mixed(x: Words) -> Words:
    """(...) words by SplitMix64's finalizer."""
    x = x + np.uint64(_GAMMA)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    words: Words = x ^ (x >> np.uint64(31))
    return words
