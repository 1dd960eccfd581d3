"""Linkage between variants: r2 of pairs, clumps, and the regression of chi-square on LD scores.

A scan asks for the sums of products of two variants' copies about their means, of few pairs chosen by public
rules: within the loci that it found, around the strongest of them, and of an even choice of variants with
their neighbours. A site rounds each of these sums to whole steps of five people, so that a pair that one
person carries looks like one that nobody does; r2 is off by some 0.02 in 630 people.

The mean of chi-square grows with a variant's LD score, the sum of r2 with its neighbours, where it comes of
many small effects, and is high everywhere where it comes of structure: the intercept at a score of 0 tells
them apart. Scores here are partial, of the nearest neighbours, so their slope is no heritability.

Reference: Purcell et al., Am J Hum Genet 81 (2007) 559 (clumps); Bulik-Sullivan et al., Nat Genet 47
(2015) 291.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from protocols.core.block import NUMBERS_AT_ONCE, chunks
from protocols.core.disclosure import Count, Declaration, Moment
from protocols.core.errors import Code, SpecError
from protocols.core.protocol import Arrays, Coordination, ask
from protocols.core.table import Floats, Integers, Mask
from protocols.genomics.block_scan import Scan
from protocols.genomics.genotype_scan import MOST_COPIES, centred

STEP_PEOPLE = 5.0
"""To whole multiples of this a site rounds a sum of products of two variants."""

CLUMP_BASES, REGION_BASES, SCORE_BASES = 250_000, 500_000, 1_000_000
NEIGHBOURS = 25  # on either side, of a variant with an LD score
SCORED = 1000  # variants with an LD score
IN_REGION = 150  # on either side of a lead
MOST_IN_LOCI = 20_000  # pairs within loci
MOST_PAIRS = MOST_IN_LOCI + 2 * NEIGHBOURS * SCORED + 100 * 2 * IN_REGION
"""Of 100 outcomes, the most that a scan has."""

_FEWEST_SCORED = 50
_LARGEST_CHI2 = 80.0  # as of LDSC: what is stronger is a locus and no background
_JACKKNIFE_BLOCKS = 50

LINKED: Mapping[str, Declaration] = {
    "n": Count(),
    "square": Moment("variant", at_most=MOST_COPIES**2, what="sums of squares of copies about their mean"),
    "together": Moment(
        "pair", what="sums of products of two variants' copies about their means, rounded to steps of 5"
    ),
}


def linked(scan: Scan, at: Integers, mean: Floats, first: Integers, second: Integers) -> Arrays:
    """The arrays of LINKED.

    Args:
        at: (k,) positions on the list; mean: (k,) their mean copies.
        first, second: (m,) the pairs, as places among these.

    Raises:
        SpecError: invalid-study; a pair names a variant that is not asked about.
    """
    places = np.concatenate([first, second])
    if places.size and not 0 <= places.min() <= places.max() < len(at):
        raise SpecError(Code.INVALID_STUDY, "a pair of variants names one that is not asked about")
    square, together = np.zeros(len(at)), np.zeros(len(first))
    for some, x in chunks(scan.block, at):
        z = centred(scan, x, mean[some])
        square[some] = np.einsum("ij,ij->j", z, z)
    width = max(1, NUMBERS_AT_ONCE // max(len(scan.block), 1))
    for begin in range(0, len(first), width):
        some = slice(begin, begin + width)
        here, where = np.unique(np.concatenate([first[some], second[some]]), return_inverse=True)
        z = centred(scan, scan.block.columns(at[here]), mean[here])
        a, b = np.split(where, 2)
        together[some] = np.einsum("ij,ij->j", z[:, a], z[:, b])
    return {
        "n": np.array(len(scan.block)),
        "square": square,
        "together": STEP_PEOPLE * np.round(together / STEP_PEOPLE),
    }


@dataclass(frozen=True)
class Places:
    """Where (t,) variants lie: the number of their chromosome, and the position on it."""

    chromosome: Integers
    position: Integers

    def order(self) -> Integers:
        """The (t,) variants along the genome."""
        return np.lexsort((self.position, self.chromosome))

    def near(self, a: Integers, b: Integers, bases: int) -> Mask:
        """Whether (m,) pairs lie within so many bases of each other."""
        same = self.chromosome[a] == self.chromosome[b]
        near: Mask = same & (np.abs(self.position[a] - self.position[b]) <= bases)
        return near


@dataclass(frozen=True)
class Wanted:
    """The (m,) pairs of variants that a scan asks about, first < second.

    Attributes:
        scored: (s,) variants with an LD score; of_score: (m,) the pairs that it is made of.
    """

    first: Integers
    second: Integers
    scored: Integers
    of_score: Mask


def wanted(p: Floats, places: Places, called: float, noted: float) -> Wanted:
    """The pairs to be asked about after a scan of t variants.

    Args:
        p: (t, o) of all tested variants.
        called: p-values below it are loci; noted: below it variants may belong to one.
    """
    order = places.order()
    most = MOST_IN_LOCI // p.shape[1]
    pairs = [_in_loci(one, places, called, noted, most) for one in p.T]
    for one in p.T:
        lead = int(np.argmin(one))
        if one[lead] < called:
            pairs.append(around(np.array([lead]), order, places, IN_REGION, REGION_BASES))
    scored = order[:: max(1, -(-len(order) // SCORED))]
    of_score = _keys(around(scored, order, places, NEIGHBOURS, SCORE_BASES), len(p))
    keys = np.unique(np.concatenate([*(_keys(some, len(p)) for some in pairs), of_score]))
    first, second = np.divmod(keys, len(p))
    return Wanted(first, second, np.sort(scored), np.isin(keys, of_score))


def _keys(pairs: Integers, variants: int) -> Integers:
    """One number for each of (2, m) pairs, whichever stands first."""
    keys: Integers = pairs.min(axis=0) * variants + pairs.max(axis=0)
    return keys


def _in_loci(p: Floats, places: Places, called: float, noted: float, most: int) -> Integers:
    """(2, m) pairs of a called variant with a noted one near it, those of the strongest first."""
    strong = np.flatnonzero(p < called)
    strong = strong[np.argsort(p[strong], kind="stable")]
    weak = np.flatnonzero(p < noted)
    found: list[Integers] = []
    count = 0
    for a in strong:
        b = weak[places.near(np.full(len(weak), a), weak, CLUMP_BASES) & (weak != a)]
        count += len(b)
        if count > most:
            break
        found.append(np.stack([np.full(len(b), a), b]))
    return np.concatenate([np.zeros((2, 0), dtype=np.int64), *found], axis=1)


def around(of: Integers, order: Integers, places: Places, most: int, bases: int) -> Integers:
    """(2, m) pairs of each of some variants with the nearest others on either side."""
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    steps = np.concatenate([np.arange(-most, 0), np.arange(1, most + 1)])
    a, other = np.repeat(of, len(steps)), (rank[of][:, None] + steps).ravel()
    inside = (other >= 0) & (other < len(order))
    a, b = a[inside], order[other[inside]]
    kept = places.near(a, b, bases)
    return np.stack([a[kept], b[kept]])


@dataclass(frozen=True)
class Linkage:
    """What is known of the linkage of t tested variants with o outcomes.

    Attributes:
        first, second: (m,) pairs that loci and regions are made of; r2: (m,).
        intercept, intercept_se: (o,) of the regression of chi-square on LD scores.
    """

    first: Integers
    second: Integers
    r2: Floats
    intercept: Floats
    intercept_se: Floats


def linkage(
    p: Floats, places: Places, at: Integers, mean: Floats, called: float, noted: float
) -> Coordination[Linkage]:
    """Asks about the pairs that (t, o) p-values call for; at, mean: (t,) positions and mean copies."""
    p = np.where(np.isnan(p), 1.0, p)
    pairs = wanted(p, places, called, noted)
    some = np.unique(np.concatenate([pairs.first, pairs.second]))
    first, second = np.searchsorted(some, pairs.first), np.searchsorted(some, pairs.second)
    if not len(first):
        none = np.full(p.shape[1], np.nan)
        return Linkage(first, second, np.zeros(0), none, none)
    total = yield ask("linked", at=at[some], mean=mean[some], first=first, second=second)
    r2 = r_squared(total["square"], total["together"], first, second)
    intercepts = [score_intercept(one, pairs, r2, int(total["n"])) for one in p.T]
    kept = _in_figures(p, places, pairs, called)
    return Linkage(pairs.first[kept], pairs.second[kept], r2[kept], *np.array(intercepts).T)


def _in_figures(p: Floats, places: Places, pairs: Wanted, called: float) -> Mask:
    """(m,) the pairs near a called variant; of the others the LD scores alone are of use."""
    strongest = p.min(axis=1)
    near = places.near(pairs.first, pairs.second, REGION_BASES)
    one_is_called = np.minimum(strongest[pairs.first], strongest[pairs.second]) < called
    kept: Mask = near & one_is_called
    return kept


def r_squared(square: Floats, together: Floats, first: Integers, second: Integers) -> Floats:
    """(m,) squared correlations of pairs, 0 to 1, from joined sums; missing where a variant does not vary."""
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = together**2 / (square[first] * square[second])
    found: Floats = np.minimum(r2, 1.0)
    return found


def score_intercept(p: Floats, asked: Wanted, r2: Floats, n: int) -> tuple[float, float]:
    """The mean chi-square of a variant without neighbours in linkage, and its standard error (jackknife).

    Args:
        p: (t,) of one outcome; r2: (m,) of the pairs. NaN where too few variants have a score.
    """
    unbiased = np.nan_to_num(r2 - (1 - r2) / (n - 2))[asked.of_score]
    score = np.ones(len(p))
    for a in (asked.first, asked.second):
        score += np.bincount(a[asked.of_score], unbiased, len(p))
    statistic = chi2.isf(p[asked.scored], 1)
    kept = np.isfinite(statistic) & (statistic <= _LARGEST_CHI2)
    score, statistic = score[asked.scored][kept], statistic[kept]
    if len(score) < _FEWEST_SCORED or np.ptp(score) == 0:
        return float("nan"), float("nan")
    weight = 1 / np.maximum(score, 1.0)
    block = np.arange(len(score)) * _JACKKNIFE_BLOCKS // len(score)

    def fitted(rows: Mask) -> float:
        x = np.column_stack([np.ones(rows.sum()), score[rows]])
        root = np.sqrt(weight[rows])
        return float(np.linalg.lstsq(x * root[:, None], statistic[rows] * root, rcond=None)[0][0])

    whole = fitted(np.ones(len(score), dtype=bool))
    blocks = np.unique(block)
    left_out = np.array([fitted(block != one) for one in blocks])
    spread = (len(blocks) - 1) * np.mean((left_out - left_out.mean()) ** 2)
    return whole, float(np.sqrt(spread))


def clumped(
    p: Floats, first: Integers, second: Integers, r2: Floats, called: float, least: float
) -> Integers:
    """(t,) the lead of each variant, itself for a lead, -1 for none: greedily, the strongest first.

    Args:
        p: (t,); first, second, r2: (m,) pairs of them; least: r2 with the lead of a clump from which on.
    """
    lead = np.full(len(p), -1, dtype=np.int64)
    close = r2 >= least
    a, b = np.concatenate([first[close], second[close]]), np.concatenate([second[close], first[close]])
    for j in np.argsort(p, kind="stable"):
        if not p[j] < called:
            break
        if lead[j] < 0:
            with_it = b[a == j]
            lead[j] = j
            lead[with_it[lead[with_it] < 0]] = j
    return lead
