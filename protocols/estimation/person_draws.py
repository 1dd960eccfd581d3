"""Random numbers that belong to a person: the same at every site, in every order of rows, at every repeat.

A number is a hash of the person's keyed hash, which never leaves the site, and of what it is drawn for. So a
step stays a pure function, a fold keeps its draws, and federated draws equal pooled ones. In a run of several
sites the keyed hash rests on the chance that all of them made (`AnalysisTable.drawn_by`).
"""

import numpy as np
from scipy.special import ndtri

from protocols.core.table import AnalysisTable, Floats
from protocols.estimation.draws import fraction, key_of, mixed


def uniform(table: AnalysisTable, *purpose: int) -> Floats:
    """The (n,) uniform numbers in (0, 1) of these people for one purpose (a seed, a tree, a step)."""
    return fraction(mixed(mixed(table.fold_hashes) ^ np.uint64(key_of(b"", *purpose))))


def normal(table: AnalysisTable, *purpose: int) -> Floats:
    """The (n,) standard normal numbers of these people for one purpose."""
    found: Floats = ndtri(uniform(table, *purpose))
    return found
