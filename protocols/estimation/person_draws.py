"""Random numbers that belong to a person: the same at every site, in every order of rows, at every repeat.

A number is a hash of the person's keyed hash, which never leaves the site, and of what it is drawn for. So a
step stays a pure function, a fold keeps its draws, and federated draws equal pooled ones.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from protocols.core.table import AnalysisTable, Floats


def uniform(table: AnalysisTable, *purpose: int) -> Floats:
    """The (n,) uniform numbers in (0, 1) of these people for one purpose (a seed, a tree, a step)."""
    words = b"".join(int(number).to_bytes(8, "little", signed=True) for number in purpose)
    key = int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "little")
    mixed = _mixed(_mixed(table.fold_hashes) ^ np.uint64(key))
    found: Floats = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return found


def normal(table: AnalysisTable, *purpose: int) -> Floats:
    """The (n,) standard normal numbers of these people for one purpose."""
    found: Floats = ndtri(uniform(table, *purpose))
    return found


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer (Steele, Lea & Flood, OOPSLA 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed
