"""Whether a gene is mutated: three answers, since "not tested" is not "not mutated"."""

from collections.abc import Sequence

import numpy as np

from site_node.features.arrays import Floats, Integers

# The MAF Variant_Classification words that change the protein (maftools 2.x, `read.maf(vc_nonSyn = NULL)`).
NONSYNONYMOUS = frozenset(
    {
        "Frame_Shift_Del",
        "Frame_Shift_Ins",
        "In_Frame_Del",
        "In_Frame_Ins",
        "Missense_Mutation",
        "Nonsense_Mutation",
        "Nonstop_Mutation",
        "Splice_Site",
        "Translation_Start_Site",
    }
)
# The words that are known not to. A word in neither list leaves open whether the gene is mutated.
SYNONYMOUS = frozenset(
    {
        "Silent",
        "Intron",
        "IGR",
        "RNA",
        "lincRNA",
        "3'UTR",
        "5'UTR",
        "3'Flank",
        "5'Flank",
        "Splice_Region",
        "Targeted_Region",
    }
)


def mutated(n: int, tested: Integers, found: Integers, classifications: Sequence[str | None]) -> Floats:
    """(n,) 1 mutated, 0 tested and not mutated, NaN not tested.

    A variant without a classification counts: its source states it as such (a report's "present").
    One whose classification says neither yes nor no makes the answer missing, unless another says yes.

    Args:
        n: how many people there are.
        tested: rows of the people in whom a test reached the gene.
        found: (k,) rows of the people with a variant in the gene.
        classifications: (k,) MAF's Variant_Classification of each.
    """
    state = np.full(n, np.nan)
    state[tested] = 0.0
    words = np.array([_says(word) for word in classifications], dtype=np.float64)
    state[found[np.isnan(words)]] = np.nan
    state[found[words == 1.0]] = 1.0
    return state


def leaves_open(classification: str | None) -> bool:
    """Whether a variant's classification says neither that its gene is mutated nor that it is not."""
    return bool(np.isnan(_says(classification)))


def _says(classification: str | None) -> float:
    if classification is None or classification in NONSYNONYMOUS:
        return 1.0
    return 0.0 if classification in SYNONYMOUS else np.nan
