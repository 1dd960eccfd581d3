"""Directions among columns (components, weights): their signs, and the score columns they make at a site."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from protocols.core.disclosure import Array
from protocols.core.table import AnalysisTable, Floats

Prefix = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
"""With what the names of score columns begin."""

_EQUAL = 1e-7  # share by which sizes may differ and count as equal, so that rounding turns no vector


def signs(vectors: Floats) -> Floats:
    """The (k,) signs of the entries of largest size of (p, k) vectors; the first of equal ones."""
    size = np.abs(vectors)
    first = (size >= size.max(axis=0) * (1 - _EQUAL)).argmax(axis=0)
    largest = vectors[first, np.arange(vectors.shape[1])]
    return np.where(largest < 0, -1.0, 1.0)


def upright(vectors: Floats) -> Floats:
    """The (p, k) vectors, each turned so that its entry of largest size is positive."""
    turned: Floats = vectors * signs(vectors)
    return turned


def standardized(table: AnalysisTable, names: Sequence[str], mean: Array, scale: Array) -> Floats:
    """The (n, p) columns less a (p,) mean over a (p,) scale; missing where a person lacks one."""
    z: Floats = (table.matrix(names) - mean) / scale
    return z
