"""Which variant of a file is which one of a public list, and which of its alleles is counted.

Hospitals' files differ in the order of REF and ALT, in the strand, and in the variants that they have. A
variant of the list is found by chromosome, position and both alleles, in either order; where the strand of
a file is not stated, by the complement of both as well. Then A/T and C/G cannot be told from their
complement, and are left out. What is found twice is left out: nobody knows which one is meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from protocols.core.table import Floats, Integers, Mask

Strand = Literal["forward", "unknown"]

_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_KEYS = ["chromosome", "position"]
_CHROMOSOMES = {"23": "X", "24": "Y", "25": "X", "XY": "X", "PAR1": "X", "PAR2": "X", "26": "MT", "M": "MT"}


@dataclass(frozen=True)
class Aligned:
    """Variants of a file on a public list.

    Attributes:
        at: (k,) ascending positions on the list.
        variants: (k,) places in the file.
        is_swapped: (k,) whether the file counts the other allele.
        flipped, ambiguous, doubled: how many variants were read from the other strand; left out because
            their strand is not known; left out because they stand twice.
    """

    at: Integers
    variants: Integers
    is_swapped: Mask
    flipped: int
    ambiguous: int
    doubled: int

    def without(self, variants: Integers) -> "Aligned":
        """The same but for some (b,) places in the file."""
        kept = ~np.isin(self.variants, variants)
        return replace(self, at=self.at[kept], variants=self.variants[kept], is_swapped=self.is_swapped[kept])

    def counted(self, copies: Floats, some: Integers) -> Floats:
        """(k, n) copies of the list's ALT from those of the file's, in place, of some of these variants."""
        swapped = self.is_swapped[some]
        copies[swapped] = 2.0 - copies[swapped]
        return copies


def chromosome(text: str) -> str:
    """The name of a chromosome without `chr`; PLINK's numbers 23 to 26 as X, Y, X and MT."""
    name = text[3:] if text[:3].lower() == "chr" else text
    name = name.upper()
    return _CHROMOSOMES.get(name, name)


def axis_table(names: Sequence[str]) -> pd.DataFrame:
    """The variants of a list of names CHROMOSOME:POSITION:REF:ALT, by their position on it, `at`."""
    cells = pd.Series(names, dtype=str).str.split(":", expand=True)
    return pd.DataFrame(
        {
            "chromosome": cells[0].map(chromosome),
            "position": cells[1].astype(np.int64),
            "ref": cells[2],
            "alt": cells[3],
            "at": np.arange(len(names), dtype=np.int64),
        }
    )


def aligned(wanted: pd.DataFrame, found: pd.DataFrame, strand: Strand) -> Aligned:
    """The variants of a file that are on a list.

    Args:
        wanted: the list, as `axis_table` gives it.
        found: the file's, as `Fileset.read_variants` gives it.
    """
    found = found.assign(variant=np.arange(len(found), dtype=np.int64))
    both = wanted.merge(found, on=_KEYS, suffixes=("", "_here"))
    ref, alt = both["ref_here"], both["alt_here"]
    same = (ref == both["ref"]) & (alt == both["alt"])
    swapped = (ref == both["alt"]) & (alt == both["ref"])
    palindromic = both["alt"] == both["ref"].str.translate(_COMPLEMENT)
    flipped = pd.Series(data=False, index=both.index)
    ambiguous = 0
    if strand == "unknown":
        ambiguous = int(((same | swapped) & palindromic).sum())
        snp = (both["ref"].str.len() == 1) & (both["alt"].str.len() == 1) & ~palindromic
        ref, alt = ref.str.translate(_COMPLEMENT), alt.str.translate(_COMPLEMENT)
        other_same = snp & (ref == both["ref"]) & (alt == both["alt"])
        other_swapped = snp & (ref == both["alt"]) & (alt == both["ref"])
        flipped = other_same | other_swapped
        same, swapped = (same & ~palindromic) | other_same, (swapped & ~palindromic) | other_swapped
    kept = same | swapped
    both, swapped, flipped = both[kept], swapped[kept], flipped[kept]
    twice = both["at"].duplicated(keep=False)
    both, swapped, flipped = both[~twice], swapped[~twice], flipped[~twice]
    order = np.argsort(both["at"].to_numpy(), kind="stable")
    return Aligned(
        at=both["at"].to_numpy(np.int64)[order],
        variants=both["variant"].to_numpy(np.int64)[order],
        is_swapped=swapped.to_numpy(bool)[order],
        flipped=int(flipped.sum()),
        ambiguous=ambiguous,
        doubled=int(twice.sum()),
    )
