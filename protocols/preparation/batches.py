"""Batches inside a site: which of them have enough people, moments about their means, ComBat's posteriors.

Reference: Johnson, Li & Rabinovic, Biostatistics 8 (2007) 118; the numbers of neuroCombat 0.2.12.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from protocols.core.errors import Code, SiteError
from protocols.core.table import AnalysisTable, Floats, Integers, Mask

FEWEST = 5
"""People in the smallest batch whose location and scale are estimated."""

UNKNOWN, TOO_SMALL = -1, -2

_CONVERGED = 1e-4  # relative change at which neuroCombat and sva stop; it is part of the definition
_CONSTANT = 1e-12  # of its size: the range that rounding leaves to a feature that does not vary


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


def refuse_constant(method: str, values: Floats, features: Sequence[str]) -> None:
    """Raises if without empirical Bayes one of a batch's (n, g) features does not vary within the batch.

    It is looked for before covariates are taken out: what they explain would pass for spread.

    Raises:
        SiteError: rank-deficient; names the features.
    """
    spread, size = np.ptp(values, axis=0), np.abs(values).max(axis=0, initial=0.0)
    constant = spread <= _CONSTANT * size
    if method == "no_eb" and constant.any():
        names = ", ".join(name for name, is_constant in zip(features, constant, strict=True) if is_constant)
        raise SiteError(Code.RANK_DEFICIENT, f"does not vary within a batch: {names}")


def location_and_scale(method: str, z: Floats) -> tuple[Floats, Floats]:
    """ComBat's (g,) location and scale of one batch, from its (n, g) standardized features."""
    location = z.mean(axis=0)
    if method == "mean_only":
        spread = location.var(ddof=1)
        return (spread * location + location.mean()) / (spread + 1), np.ones_like(location)
    scale = z.var(axis=0, ddof=1)
    if method == "parametric":
        return _empirical_bayes(z, location, scale)
    if method == "non_parametric":
        return _non_parametric(z, location, scale)
    return location, scale


def _empirical_bayes(z: Floats, location: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """The posterior means of location (normal prior) and scale (inverse gamma prior), iterated together.

    Johnson et al. (2007), eq. 3.1 and 3.2; the priors' moments are those of the features of the batch. As in
    sva and neuroCombat the change is divided by the old value with its sign: a negative location never delays
    the stop.
    """
    n = len(z)
    centre, spread = location.mean(), location.var(ddof=1)
    m, v = scale.mean(), scale.var(ddof=1)
    if v == 0:  # all features spread alike: the prior is a point
        return (n * spread * location + m * centre) / (n * spread + m), np.full_like(scale, m)
    shape, rate = (2 * v + m**2) / v, (m * v + m**3) / v
    old = (location, scale)
    for _ in range(1000):
        new_location = (n * spread * location + old[1] * centre) / (n * spread + old[1])
        squares = ((z - new_location) ** 2).sum(axis=0)
        new = (new_location, (0.5 * squares + rate) / (n / 2 + shape - 1))
        settled = all(_change(a, b) <= _CONVERGED for a, b in zip(new, old, strict=True))
        old = new
        if settled:
            break
    return old


def _change(new: Floats, old: Floats) -> float:
    """The largest of |new - old| / old, which is negative where old is; 0 where nothing changes."""
    change = np.abs(new - old)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(change > 0, change / old, 0.0).max(initial=-np.inf))


def _non_parametric(z: Floats, location: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """The means of location and scale over those of all other features, by how likely they make a feature.

    Johnson et al. (2007), supplement; sva's `int.eprior`. A scale of 0 makes nothing likely.
    """
    n, (total, squares) = len(z), (z.sum(axis=0), (z**2).sum(axis=0))
    new_location, new_scale = np.empty_like(location), np.empty_like(scale)
    likely = scale > 0
    g, d = location[likely], scale[likely]
    place = np.cumsum(likely) - 1
    for j in range(z.shape[1]):
        log = -n / 2 * np.log(d) - (squares[j] - 2 * total[j] * g + n * g**2) / (2 * d)
        if likely[j]:
            log[place[j]] = -np.inf  # a feature has no word on itself
        weight = np.exp(log - log.max())
        new_location[j] = weight @ g / weight.sum()
        new_scale[j] = weight @ d / weight.sum()
    return new_location, new_scale
