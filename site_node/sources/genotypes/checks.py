"""What is checked of a fileset when it is loaded, and whom and what of it no study reads.

In this order: samples of which too little was called; samples whose X is of the other sex than the person;
of relatives within the fileset (second degree and closer) all but one; then, among the samples that are left,
variants of which too little was called, or that are far from Hardy-Weinberg equilibrium (on X among women).
Variants that no list can name (other letters than A, C, G, T, several alternates) and those that stand twice
are counted: they are not read anyway.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from site_node.features.arrays import Floats, Integers, Mask
from site_node.features.genomics.genotype_quality import (
    MISSING,
    Calls,
    Homozygosity,
    Kinship,
    genotype_counts,
    hardy_weinberg,
    unrelated,
)
from site_node.sources.genotypes.fileset import Fileset, Genotypes

FEWEST_CALLED, FEWEST_OF_A_VARIANT = 0.95, 0.9
LEAST_HARDY_WEINBERG = 1e-6
LEAST_KINSHIP = 0.0884
"""Half way between second and third degree, on the scale of KING (2 ** -3.5)."""

MOST_OF_A_WOMAN, LEAST_OF_A_MAN = 0.2, 0.8
"""Excess homozygosity of X (PLINK 1.9's --check-sex)."""

FEWEST_ON_X = 50
MOST_FOR_RELATIVES = 5000
"""Samples of a fileset beyond which pairs of them are too many to be compared."""

FEWEST_FOR_KINSHIP = 500
_MOST_FOR_KINSHIP = 20_000
_PRODUCTS = 4e11  # of pairs of samples and variants, beyond which kinship stands on fewer variants
_AT_ONCE = 2000

FEW_CALLS, OTHER_SEX, RELATIVE, UNBALANCED = "few-calls", "other-sex", "relative", "hardy-weinberg"


@dataclass(frozen=True)
class Verdict:
    """What the checks of a fileset found.

    Attributes:
        samples, variants: how many there are.
        bad_samples: place in the list of samples -> code.
        bad_variants: (k,) ascending places in the list of variants; why: (k,) the code of each.
        told: counts of what is only told, by code.
    """

    samples: int
    variants: int
    bad_samples: Mapping[int, str]
    bad_variants: Integers
    why: tuple[str, ...]
    told: Mapping[str, int]


@dataclass(frozen=True)
class Known:
    """Which of the (n,) samples of a fileset are of men, and of women; where neither, nobody knows."""

    is_man: Mask
    is_woman: Mask


def check(fileset: Fileset, found: pd.DataFrame, only_on_x: Mask, known: Known) -> Verdict:
    """What is to be left out of a fileset.

    Args:
        found: its variants, as `Fileset.read_variants` gives them.
        only_on_x: (v,) which of them lie on X outside of what it shares with Y.

    Raises:
        BadFileset: it cannot be read.
    """
    n = len(known.is_man)
    on_autosome = found["chromosome"].isin(list(map(str, range(1, 23)))).to_numpy()
    with fileset.opened(n, len(found)) as genotypes:
        called, x, kinship = _of_samples(genotypes, n, on_autosome, only_on_x, known)
        bad, told = _bad_samples(called, x, kinship, known)
        kept = np.ones(n, dtype=bool)
        kept[list(bad)] = False
        few, unbalanced = _of_variants(genotypes, kept, known.is_woman & kept, on_autosome, only_on_x)
    places = np.flatnonzero(few | unbalanced)
    why = tuple(FEW_CALLS if few[j] else UNBALANCED for j in places)
    told |= _named_badly(found)
    return Verdict(n, len(found), bad, places, why, {code: count for code, count in told.items() if count})


def _stretches(genotypes: Genotypes, variants: int) -> Iterator[tuple[slice, Calls]]:
    for begin in range(0, variants, _AT_ONCE):
        some = slice(begin, min(begin + _AT_ONCE, variants))
        yield some, genotypes.calls(some.start, some.stop)


def _of_samples(
    genotypes: Genotypes, n: int, on_autosome: Mask, only_on_x: Mask, known: Known
) -> tuple[Floats, Homozygosity, Kinship]:
    """(n,) shares of variants that were called, and what tells sexes and relatives."""
    x, kinship = Homozygosity(n), Kinship(n if n <= MOST_FOR_RELATIVES else 0)
    called = np.zeros(n)
    most = int(min(_MOST_FOR_KINSHIP, max(FEWEST_FOR_KINSHIP, _PRODUCTS / n**2)))
    autosomal = np.flatnonzero(on_autosome)
    of_kinship = np.zeros(len(on_autosome), dtype=bool)
    if n <= MOST_FOR_RELATIVES:
        of_kinship[autosomal[:: max(1, -(-len(autosomal) // most))]] = True
    for some, calls in _stretches(genotypes, len(on_autosome)):
        called += np.count_nonzero(calls != MISSING, axis=0)
        x.add(calls[only_on_x[some]], known.is_man)
        if of_kinship[some].any():
            kinship.add(calls[of_kinship[some]])
    return called / len(on_autosome), x, kinship


def _bad_samples(
    called: Floats, x: Homozygosity, kinship: Kinship, known: Known
) -> tuple[dict[int, str], Counter[str]]:
    """Place -> code of the samples to be left out, and what is only told."""
    told: Counter[str] = Counter()
    bad = dict.fromkeys(np.flatnonzero(called < FEWEST_CALLED).tolist(), FEW_CALLS)
    if x.variants >= FEWEST_ON_X:
        excess = x.excess()
        like_a_man, like_a_woman = excess >= LEAST_OF_A_MAN, excess <= MOST_OF_A_WOMAN
        wrong = (known.is_man & like_a_woman) | (known.is_woman & like_a_man)
        bad |= {j: OTHER_SEX for j in np.flatnonzero(wrong).tolist() if j not in bad}
        told["sex-unclear"] = int((~like_a_man & ~like_a_woman & (known.is_man | known.is_woman)).sum())
    else:
        told["sex-not-checked"] = len(called)
    if kinship.variants >= FEWEST_FOR_KINSHIP:
        left = np.array([j for j in range(len(called)) if j not in bad], dtype=np.int64)
        kept = unrelated(kinship.coefficients()[np.ix_(left, left)], LEAST_KINSHIP, called[left])
        bad |= dict.fromkeys(left[~kept].tolist(), RELATIVE)
    else:
        told["kinship-not-checked"] = len(called)
    return bad, told


def _of_variants(
    genotypes: Genotypes, kept: Mask, women: Mask, on_autosome: Mask, only_on_x: Mask
) -> tuple[Mask, Mask]:
    """(v,) of which too little was called among the (n,) kept samples; (v,) far from equilibrium."""
    few = np.zeros(len(on_autosome), dtype=bool)
    p = np.ones(len(on_autosome))
    for some, calls in _stretches(genotypes, len(on_autosome)):
        counts = genotype_counts(calls[:, kept])
        few[some] = counts.sum(axis=1) < FEWEST_OF_A_VARIANT * kept.sum()
        counts[only_on_x[some]] = genotype_counts(calls[np.ix_(only_on_x[some], women)])
        diploid = np.flatnonzero((on_autosome | only_on_x)[some])
        p[some.start + diploid] = hardy_weinberg(counts[diploid])
    return few, p < LEAST_HARDY_WEINBERG


def _named_badly(found: pd.DataFrame) -> Counter[str]:
    """How many variants no list can name, and how many stand twice."""
    letters = found["ref"].str.fullmatch("[ACGT]+") & found["alt"].str.fullmatch("[ACGT]+")
    swapped = found["alt"] < found["ref"]
    first, second = (found[a].where(~swapped, found[b]) for a, b in (("ref", "alt"), ("alt", "ref")))
    places = found[["chromosome", "position"]].assign(first=first, second=second)
    twice = places.duplicated(keep=False)
    return Counter({"other-alleles": int((~letters).sum()), "variant-twice": int((twice & letters).sum())})
