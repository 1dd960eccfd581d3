"""Rows of length 1 for sums with noise, and what such sums say: cells of tables, products of columns."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from protocols.core.privacy import MayBePrivate, Noised
from protocols.core.protocol import Ask, Coordination, Total
from protocols.core.table import Floats, Integers


def noisy_sums(spec: MayBePrivate, number: int = 0, **arrays: Floats) -> Coordination[tuple[Floats, Noised]]:
    """The joined (q,) sums of a noisy round, and how noisy they are."""
    total: Total = yield Ask("private_sums", {"round": np.array(number), **arrays})
    return np.asarray(total["sums"], dtype=np.float64), Noised.of(spec, len(total.sites))


def in_cells(cell: Integers, cells: int, share: float = 1.0) -> csr_array:
    """(n, cells) rows with `share` in each person's cell; none for a cell of -1."""
    people = np.flatnonzero(cell >= 0)
    shares = np.full(len(people), share)
    return csr_array((shares, (people, cell[people])), shape=(len(cell), cells))


def level_of(values: Floats, levels: Sequence[float]) -> Integers:
    """(n,) which of the levels each value is, from 0; -1 for none of them."""
    which = np.full(len(values), -1, dtype=np.int64)
    for position, level in enumerate(levels):
        which[values == level] = position
    return which


def counts(sums: Floats) -> Integers:
    """(...) noisy numbers of people, to whole ones from 0."""
    return np.maximum(np.rint(sums), 0).astype(np.int64)


def products(x: Floats) -> Floats:
    """(n, k (k + 1) / 2) products of the columns of (n, k) numbers from -1 to 1, of length 1 at most."""
    k = x.shape[1]
    i, j = np.triu_indices(k)
    return np.asarray(x[:, i] * x[:, j] * np.where(i == j, 1.0, np.sqrt(2.0)) / k, dtype=np.float64)


def products_of(sums: Floats, k: int) -> Floats:
    """The (k, k) sums of products of columns from those of `products`."""
    i, j = np.triu_indices(k)
    found = np.zeros((k, k))
    found[i, j] = found[j, i] = sums * k / np.where(i == j, 1.0, np.sqrt(2.0))
    return found


def positive(matrix: Floats, least: float) -> Floats:
    """The (k, k) symmetric matrix with its eigenvalues raised to `least`: noise may have taken them below."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, least)) @ vectors.T)


def size_of_products(k: int) -> int:
    """How many numbers `products` gives."""
    return k * (k + 1) // 2


def with_ones(x: Floats) -> Floats:
    """(n, 1 + k): ones, then the (n, k) columns."""
    return np.column_stack([np.ones(len(x)), x])
