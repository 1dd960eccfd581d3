"""Quality of genotypes: Hardy-Weinberg, homozygosity on X, kinship.

Calls are (k, n) int8 of k variants and n samples: 0, 1 or 2 copies of ALT, MISSING otherwise.

Reference: Wigginton et al., Am J Hum Genet 76 (2005) 887 (the exact test, plink2's --hardy); Manichaikul et
al., Bioinformatics 26 (2010) 2867, equation 11 (KING-robust, plink2's --make-king); PLINK 1.9's --check-sex.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from site_node.features.arrays import Floats, Integers, Mask

Calls = NDArray[np.int8]

MISSING = -9
_EQUAL = 1 + 1e-8  # a probability that rounding alone keeps from another's
_ROWS = 1000  # samples whose kinship with all others is reckoned at once


def genotype_counts(calls: Calls) -> Integers:
    """(k, 3) samples with 0, 1 and 2 copies."""
    return np.stack([np.count_nonzero(calls == copies, axis=1) for copies in range(3)], axis=1)


def hardy_weinberg(counts: Integers) -> Floats:
    """(k,) p-values of the exact test of Hardy-Weinberg equilibrium; 1 where there is one allele or none.

    Args:
        counts: (k, 3) as `genotype_counts` has them.
    """
    n = counts.sum(axis=1)
    rarer = 2 * np.minimum(counts[:, 0], counts[:, 2]) + counts[:, 1]
    p = np.ones(len(counts))
    keys = n * (2 * int(n.max(initial=0)) + 1) + rarer
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    for alike in np.split(order, edges):
        if not len(alike) or rarer[alike[0]] == 0:
            continue
        probability = _heterozygotes(int(n[alike[0]]), int(rarer[alike[0]]))
        sums = np.concatenate([[0.0], np.cumsum(np.sort(probability))])
        own = probability[(counts[alike, 1] - rarer[alike[0]] % 2) // 2]
        p[alike] = sums[np.searchsorted(sums[1:] - sums[:-1], own * _EQUAL, side="right")]
    return np.minimum(p, 1.0)


def _heterozygotes(n: int, rarer: int) -> Floats:
    """The probability of 0, 2, 4, … (or 1, 3, 5, …) heterozygotes among n people, given the rarer alleles."""
    heterozygotes = np.arange(rarer % 2, rarer + 1, 2)
    of_rarer = (rarer - heterozygotes) // 2
    of_other = n - heterozygotes - of_rarer
    log = heterozygotes * np.log(2) - gammaln(heterozygotes + 1) - gammaln(of_rarer + 1)
    log = np.where(of_other >= 0, log - gammaln(np.maximum(of_other, 0) + 1), -np.inf)
    ways = np.exp(log - log.max())
    probability: Floats = ways / ways.sum()
    return probability


class Homozygosity:
    """Gathers, of variants on X alone, what tells how many X chromosomes a sample has."""

    def __init__(self, samples: int) -> None:
        self.variants = 0
        self._called = np.zeros(samples)
        self._observed = np.zeros(samples)
        self._expected = np.zeros(samples)

    def add(self, calls: Calls, has_one: Mask) -> None:
        """Adds (k, n) calls of variants; `has_one` are the (n,) said to be men, whose X counts once."""
        called = calls != MISSING
        weight = np.where(has_one, 0.5, 1.0)
        copies = np.where(called, calls, 0) @ weight
        alleles = 2 * (called @ weight)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = copies / alleles
            expected = 1 - 2 * share * (1 - share)
        varies = (share > 0) & (share < 1)
        calls, called, expected = calls[varies], called[varies], expected[varies]
        self.variants += len(calls)
        self._called += called.sum(axis=0)
        self._observed += (called & (calls != 1)).sum(axis=0)
        self._expected += expected @ called

    def excess(self) -> Floats:
        """(n,) F, the share of a woman's expected heterozygotes that a sample lacks: about 0, of a man 1."""
        with np.errstate(divide="ignore", invalid="ignore"):
            f: Floats = (self._observed - self._expected) / (self._called - self._expected)
        return f


class Kinship:
    """Gathers, of variants on autosomes, how related samples are: one person or twins 0.5, siblings 0.25.

    It stands on both samples alone, so that people of several populations do not seem related.
    """

    def __init__(self, samples: int) -> None:
        shape = (samples, samples)
        self.variants = 0
        self._both = np.zeros(shape, dtype=np.float32)
        self._opposite = np.zeros(shape, dtype=np.float32)
        self._one = np.zeros(shape, dtype=np.float32)

    def add(self, calls: Calls) -> None:
        """Adds (k, n) calls of variants."""
        self.variants += len(calls)
        is_one, none, two, called = (
            mask.astype(np.float32) for mask in (calls == 1, calls == 0, calls == 2, calls != MISSING)
        )
        for begin in range(0, calls.shape[1], _ROWS):
            rows = slice(begin, begin + _ROWS)
            self._both[rows] += is_one[:, rows].T @ is_one
            self._one[rows] += is_one[:, rows].T @ called
            self._opposite[rows] += none[:, rows].T @ two + two[:, rows].T @ none

    def coefficients(self) -> Floats:
        """(n, n) KING-robust kinship; missing where one of both has no heterozygote."""
        fewer = np.minimum(self._one, self._one.T)
        different = self._one + self._one.T - 2 * self._both
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = 0.5 - (4 * self._opposite + different) / (4 * fewer)
        found[~np.isfinite(found)] = np.nan
        return found


def unrelated(kinship: Floats, least: float, worth: Floats) -> Mask:
    """(n,) whom to keep so that no two are related: those with most relatives go first, of these the worse.

    Args:
        kinship: (n, n); least: from which on two are related.
        worth: (n,) such as call rates.
    """
    related = np.nan_to_num(kinship) >= least
    np.fill_diagonal(related, False)
    kept = np.ones(len(related), dtype=bool)
    while (relatives := related.sum(axis=1)).any():
        most = np.flatnonzero(relatives == relatives.max())
        gone = most[np.argmin(worth[most])]
        kept[gone] = False
        related[gone] = related[:, gone] = False
    return kept
