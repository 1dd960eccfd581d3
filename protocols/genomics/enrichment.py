"""Whether sets of genes stand at the ends of a ranked list: gene set enrichment of what a scan found.

The ranks are the statistics that a scan joined over all sites, so nothing more is asked of them. A set's
score is the largest deviation of a walk from the largest statistic to the smallest, which rises at its
genes by the share of their absolute statistic and falls at all others; its p-value compares it with random
sets of as many genes. These take genes to be independent, which correlated ones are not: what is found is a
hint, and activities in each person (`pathways`) tested with the outcome are the proof.

Reference: Subramanian et al., PNAS 102 (2005) 15545; Korotkevich et al., bioRxiv 060012 (fgsea,
`fgseaSimple`).
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from protocols.core.errors import Code, SpecError
from protocols.core.table import Floats, Integers
from protocols.estimation.draws import Draws
from protocols.genomics.multiple_testing import benjamini_hochberg

_NUMBERS_AT_ONCE = 2_000_000


def enrichment(
    names: Sequence[str],
    statistic: Floats,
    sets: Mapping[str, Collection[str]],
    *,
    permutations: int = 10_000,
    fewest: int = 5,
    most: int = 500,
) -> pd.DataFrame:
    """One row per set of `fewest` to `most` ranked genes, the smallest p-value first.

    Columns: `genes` ranked; `es`, from -1 to 1, positive at the large statistics; `nes`, the same over the
    mean of random sets of its sign; `p`, at least 1 / (permutations + 1); `q`, Benjamini and Hochberg's;
    `leading`, the genes up to the largest deviation, the strongest first.

    Args:
        names: (m,) genes; statistic: (m,), missing for one that was not tested.
        permutations: random sets of each size; the same for the same list.

    Raises:
        SpecError: unknown-variable; no set has that many ranked genes.
    """
    ranked = np.flatnonzero(np.isfinite(statistic))
    ranked = ranked[np.argsort(-statistic[ranked], kind="stable")]
    place = {names[j]: i for i, j in enumerate(ranked.tolist())}
    found = {name: np.sort([place[g] for g in {*genes} if g in place]) for name, genes in sets.items()}
    found = {name: at for name, at in found.items() if fewest <= len(at) <= min(most, len(ranked) - 1)}
    if not found:
        raise SpecError(Code.UNKNOWN_VARIABLE, f"no set has {fewest} to {most} of the ranked genes")
    weight = np.abs(statistic[ranked])
    by_chance = _scores_by_chance(weight, {len(at) for at in found.values()}, permutations)
    rows = {}
    for name, at in found.items():
        (es,) = scores(weight, at[None, :])
        chance = by_chance[len(at)]
        alike = np.abs(chance[(chance >= 0) == (es >= 0)])
        p = (1 + np.count_nonzero(alike >= abs(es))) / (1 + len(alike))
        nes = es / alike.mean() if len(alike) else np.nan
        leading = [names[ranked[i]] for i in _leading(weight, at, es)]
        rows[name] = (len(at), es, nes, p, leading)
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["genes", "es", "nes", "p", "leading"])
    frame.insert(4, "q", benjamini_hochberg(frame["p"].to_numpy()))
    return frame.sort_values("p", kind="stable")


def scores(weight: Floats, at: Integers) -> Floats:
    """(b,) enrichment scores of b sets.

    Args:
        weight: (m,) absolute statistics, those of the largest statistic first.
        at: (b, k) ascending places of each set's genes.
    """
    after, before = _walk(weight, at)
    high, low = after.max(axis=1), before.min(axis=1)
    found: Floats = np.where(high >= -low, high, low)
    return found


def _walk(weight: Floats, at: Integers) -> tuple[Floats, Floats]:
    """The (b, k) heights of the walk right after and right before each gene of the sets."""
    k = at.shape[1]
    own = weight[at]
    total = own.sum(axis=1, keepdims=True)
    share = np.where(total > 0, own / np.where(total > 0, total, 1.0), 1 / k)
    risen = np.cumsum(share, axis=1)
    fallen = (at - np.arange(k)) / (len(weight) - k)
    return risen - fallen, risen - share - fallen


def _leading(weight: Floats, at: Integers, es: float) -> Integers:
    """The places of a set's genes up to where the walk deviates most, the strongest first."""
    after, before = (heights[0] for heights in _walk(weight, at[None, :]))
    return at[: int(np.argmax(after)) + 1] if es >= 0 else at[int(np.argmin(before)) :][::-1]


def _scores_by_chance(weight: Floats, sizes: Collection[int], permutations: int) -> dict[int, Floats]:
    """Size -> (permutations,) scores of random sets; a smaller set is the first genes of a larger one."""
    m, largest = len(weight), max(sizes)
    found = {k: np.empty(permutations) for k in sizes}
    draws = Draws(b"enrichment", m, largest)
    width = max(1, _NUMBERS_AT_ONCE // m)
    for begin in range(0, permutations, width):
        rows = slice(begin, min(begin + width, permutations))
        drawn = draws.uniform(rows.stop - begin, m)
        first = np.argpartition(drawn, largest - 1, axis=1)[:, :largest]
        order = np.argsort(np.take_along_axis(drawn, first, axis=1), axis=1)
        first = np.take_along_axis(first, order, axis=1)
        for k in sizes:
            found[k][rows] = scores(weight, np.sort(first[:, :k], axis=1))
    return found
