"""Batches inside a site: which of them has people enough, and moments about their means."""

import numpy as np
import pandas as pd

from protocols.core.table import AnalysisTable, Floats, Integers, Mask

FEWEST = 5
"""People in the smallest batch whose location and scale are estimated."""

UNKNOWN, TOO_SMALL = -1, -2


def batch_codes(table: AnalysisTable, label: str | None) -> Integers:
    """(n,) the number of each person's batch at this site, -1 where not known; all 0 without a label."""
    if label is None:
        return np.zeros(len(table), dtype=np.int64)
    codes, _ = pd.factorize(table.label(label), use_na_sentinel=True)
    return np.asarray(codes, dtype=np.int64)


def estimable(codes: Integers, usable: Mask) -> Integers:
    """(n,) the batch of the people from whom it is estimated; -1 if not usable, -2 in a batch of too few."""
    batch = np.where(usable, codes, UNKNOWN)
    found, counts = np.unique(batch, return_counts=True)
    small = found[(counts < FEWEST) & (found >= 0)]
    return np.where(np.isin(batch, small), TOO_SMALL, batch)


def about_batch_means(values: Floats, batch: Integers) -> Floats:
    """The (n, k) values less their batch's mean."""
    centred = np.empty_like(values)
    for code in np.unique(batch):
        centred[batch == code] = values[batch == code] - values[batch == code].mean(axis=0)
    return centred
