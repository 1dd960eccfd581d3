"""Batches inside a site: which of them have enough people, moments about their means, ComBat's posteriors.

Reference: Johnson, Li & Rabinovic, Biostatistics 8 (2007) 118; the numbers of neuroCombat 0.2.12.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from protocols.core.errors import Code, SiteError
from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.estimation.standards import MUCH_SMALLER

FEWEST = 5
"""People in the smallest batch whose location and scale are estimated."""

UNKNOWN, TOO_SMALL = -1, -2

_RESOLUTION = 1e-3  # a within-batch sum of squares below it is asked again on a finer scale
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


def finer(squares: Floats, beyond: Floats, scale: Floats) -> Floats:
    """(k,) powers of two that bring tiny sums of squares near 1, and those too large for a sum far below."""
    tiny = np.exp2(-np.round(np.log2(np.maximum(squares, 2.0**-80)) / 2))
    is_tiny = (squares < _RESOLUTION) & ((squares > 0) | (scale == 1.0))
    return np.where(beyond > 0, MUCH_SMALLER, np.where(is_tiny, tiny, 1.0))


def refuse_constant(method: str, values: Floats, features: Sequence[str]) -> None:
    """Raises if without empirical Bayes one of a batch's (n, g) features does not vary within the batch.

    It is looked for before covariates are taken out: what they explain would pass for spread.

    Raises:
        SiteError: rank-deficient; names the features.
    """
    if method == "no_eb" and (still := constant(values)).any():
        names = ", ".join(name for name, is_constant in zip(features, still, strict=True) if is_constant)
        raise SiteError(Code.RANK_DEFICIENT, f"does not vary within a batch: {names}")


def constant(values: Floats) -> Mask:
    """(g,) whether the known numbers of each of (n, g) columns are the same, but for rounding."""
    known = ~np.isnan(values)
    low, high = (
        extreme(np.where(known, values, other), axis=0, initial=other)
        for extreme, other in ((np.min, np.inf), (np.max, -np.inf))
    )
    still: Mask = ~(high - low > _CONSTANT * np.maximum(np.abs(low), np.abs(high)))
    return still


def location_and_scale(method: str, z: Floats) -> tuple[Floats, Floats]:
    """ComBat's (g,) location and scale of one batch, from its (n, g) standardized features."""
    return shrunk(method, len(z), z.mean(axis=0), z.var(axis=0, ddof=1))


def shrunk(method: str, n: Floats | int, location: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """ComBat's (g,) location and scale of one batch, from its means and variances (divisor n - 1).

    `n` may be (g,): the people who have each feature.
    """
    if method == "mean_only":
        spread = location.var(ddof=1)
        return (spread * location + location.mean()) / (spread + 1), np.ones_like(location)
    if method == "parametric":
        return _empirical_bayes(n, location, scale)
    if method == "non_parametric":
        return _non_parametric(n, location, scale)
    return location, scale


def _empirical_bayes(n: Floats | int, location: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """The posterior means of location (normal prior) and scale (inverse gamma prior), iterated together.

    Johnson et al. (2007), eq. 3.1 and 3.2; the priors' moments are those of the features of the batch. As in
    sva and neuroCombat the change is divided by the old value with its sign: a negative location never delays
    the stop.
    """
    centre, spread = location.mean(), location.var(ddof=1)
    m, v = scale.mean(), scale.var(ddof=1)
    if v == 0:  # all features spread alike: the prior is a point
        return (n * spread * location + m * centre) / (n * spread + m), np.full_like(scale, m)
    shape, rate = (2 * v + m**2) / v, (m * v + m**3) / v
    old = (location, scale)
    for _ in range(1000):
        new_location = (n * spread * location + old[1] * centre) / (n * spread + old[1])
        squares = (n - 1) * scale + n * (location - new_location) ** 2
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


def _non_parametric(n: Floats | int, location: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """The means of location and scale over those of all other features, by how likely they make a feature.

    Johnson et al. (2007), supplement; sva's `int.eprior`. A scale of 0 makes nothing likely.
    """
    people = np.broadcast_to(np.asarray(n, dtype=np.float64), location.shape)
    total, squares = people * location, (people - 1) * scale + people * location**2
    new_location, new_scale = np.empty_like(location), np.empty_like(scale)
    likely = scale > 0
    g, d = location[likely], scale[likely]
    place = np.cumsum(likely) - 1
    for j, n_j in enumerate(people):
        log = -n_j / 2 * np.log(d) - (squares[j] - 2 * total[j] * g + n_j * g**2) / (2 * d)
        if likely[j]:
            log[place[j]] = -np.inf  # a feature has no word on itself
        weight = np.exp(log - log.max())
        new_location[j] = weight @ g / weight.sum()
        new_scale[j] = weight @ d / weight.sum()
    return new_location, new_scale
