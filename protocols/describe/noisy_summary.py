"""A summary from sums with noise: each person's row, and what its joined sums say."""

from typing import TYPE_CHECKING

import numpy as np

from protocols.core.table import AnalysisTable, Floats
from protocols.describe.summary_numbers import Numbers
from protocols.estimation.noisy import counts

if TYPE_CHECKING:
    from protocols.describe.summary import SummarySpec

MOST_VARIABLES = 100
"""Noise grows with the root of their number, and a row of many is wide."""


def size(spec: "SummarySpec") -> int:
    """How many numbers a row has."""
    return len(spec.groups()) * (1 + 3 * len(spec.of)) + 4 * len(spec.cross)


def length(spec: "SummarySpec") -> float:
    """Of a row before it is brought to 1: a person is in one group, and in one cell of each pair."""
    return float(np.sqrt(1 + 3 * len(spec.of) + len(spec.cross)))


def rows(spec: "SummarySpec", table: AnalysisTable) -> Floats:
    """(n, q) by group 1, and by variable whether it is known, its number and square; cells of pairs."""
    n = len(table)
    z = spec.scaled(table, spec.of) if spec.of else np.zeros((n, 0))
    known = ~np.isnan(z)
    z = np.where(known, z, 0.0)
    own = np.hstack([np.ones((n, 1)), known.astype(float), z, z**2])
    members = [table.column(spec.by) == level for level in (0, 1)] if spec.by else [np.ones(n, dtype=bool)]
    parts = [own * member[:, None] for member in members]
    for a, b in spec.cross:
        x, y = table.column(a), table.column(b)
        parts += [((x == i) & (y == j))[:, None].astype(float) for i in (0, 1) for j in (0, 1)]
    return np.asarray(np.hstack(parts) / length(spec), dtype=np.float64)


def numbers(spec: "SummarySpec", sums: Floats) -> Numbers:
    """What joined sums of rows say, short of their noise."""
    groups, variables = len(spec.groups()), len(spec.of)
    whole = sums * length(spec)
    by_group = whole[: groups * (1 + 3 * variables)].reshape(groups, -1)
    n, total, square = (by_group[:, 1 + k * variables : 1 + (k + 1) * variables] for k in range(3))
    low, high = spec.bounds(spec.of)
    at_least = np.maximum(n, 1.0)
    mean = np.clip(total / at_least, -1.0, 1.0)
    variance = np.maximum(square - at_least * mean**2, 0.0) / np.maximum(at_least - 1, 1.0)
    return Numbers(
        counts(by_group[:, 0]),
        counts(n),
        counts(by_group[:, :1] - n),
        low + (mean + 1) / 2 * (high - low),
        np.sqrt(variance) * (high - low) / 2,
        counts(whole[groups * (1 + 3 * variables) :]).reshape(-1, 2, 2),
    )
