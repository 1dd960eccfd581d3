"""What a VCF says of a site's alleles in one sample: carried or not, in how many reads, in which fraction."""

import re
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

GENOTYPE_SEPARATOR = re.compile(r"[/|]")
INHERITED_VAF = 0.2  # half of the reads of a heterozygous one, less what a capture loses; noise is far below


class Call:
    """One sample's column of one site; alleles are numbered from 1 among the alternates."""

    def __init__(self, keys: Sequence[str], cell: str, reference: str, alternates: Sequence[str]) -> None:
        self._values = dict(zip(keys, cell.split(":"), strict=False))
        self._reference, self._alternates = reference, alternates

    @cached_property
    def carried(self) -> Collection[int]:
        """The alleles that the sample has: by genotype, else by reads, else all: the line is there."""
        genotype = self._values.get("GT", ".")
        if genotype.strip("./|"):
            called = GENOTYPE_SEPARATOR.split(genotype)
            return frozenset(int(one) for one in called if one.isdecimal() and len(one) < 10)
        if self._depths is not None:
            return frozenset(allele for allele, reads in enumerate(self._depths) if reads > 0)
        if "GT" in self._values:
            return ()  # ./. without reads: not called
        return [a for a in range(1, len(self._alternates) + 1) if self._stated_fraction(a) != 0]

    def is_inherited(self, allele: int) -> bool:
        """Whether this sample, a normal one, has the allele: by genotype, else in a fifth of its reads."""
        if self._values.get("GT", ".").strip("./|"):
            return allele in self.carried
        vaf = self.fields(allele)["vaf"]
        return vaf is not None and vaf >= INHERITED_VAF

    def fields(self, allele: int) -> dict[str, Any]:
        """The columns of variant_occurrence that are about this sample."""
        depth = sum(self._depths) if self._depths else _count(self._values.get("DP", ""))
        alternate_depth = self._depths[allele] if self._depths else None
        vaf = alternate_depth / depth if depth and alternate_depth is not None else None
        genotype = self._values.get("GT")
        return {
            "genotype": genotype if genotype and genotype.strip("./|") else None,
            "total_read_depth": depth,
            "variant_read_depth": alternate_depth,
            "vaf": self._stated_fraction(allele) if vaf is None else vaf,
        }

    @cached_property
    def _depths(self) -> list[int] | None:
        """Reads of the reference and of each alternate allele: AD, or Strelka's first tier; None without."""
        counts = [_count(text) for text in self._values.get("AD", "").split(",")]
        if "LAD" in self._values:
            counts = self._local_depths()
        elif len(counts) == 1 and counts[0] is not None and "RD" in self._values:
            counts = [_count(self._values["RD"]), counts[0]]  # VarScan: RD and AD are one number each
        elif "TAR" in self._values:
            counts = [self._tier("TAR"), self._tier("TIR")]
        elif f"{self._reference}U" in self._values:
            counts = [self._tier(f"{letter}U") for letter in (self._reference, *self._alternates)]
        known = [count for count in counts if count is not None]
        return known if len(known) == len(counts) == len(self._alternates) + 1 else None

    def _local_depths(self) -> list[int | None]:
        """The reads of all alleles, where a sample names its own by LAA (VCF 4.5, 1.6.2)."""
        reads = [_count(text) for text in self._values["LAD"].split(",")]
        own = [_count(text) for text in self._values.get("LAA", "").split(",") if text not in ("", ".")]
        depths: list[int | None] = [0] * (len(self._alternates) + 1)
        if len(reads) != len(own) + 1:
            return []
        for allele, count in zip([0, *own], reads, strict=True):
            if allele is None or allele >= len(depths):
                return []
            depths[allele] = count
        return depths

    def _tier(self, name: str) -> int | None:
        return _count(self._values.get(name, "").split(",")[0])

    def _stated_fraction(self, allele: int) -> float | None:
        """AF of the allele, or VarScan's FREQ in percent; None where it is neither stated nor a fraction."""
        fractions = self._fractions
        text = fractions[allele - 1] if len(fractions) == len(self._alternates) else ""
        scale = 1.0
        if not text and self._values.get("FREQ", "").endswith("%"):
            text, scale = self._values["FREQ"][:-1], 100.0
        try:
            fraction = float(text) / scale
        except ValueError:
            return None
        return fraction if 0 <= fraction <= 1 else None

    @cached_property
    def _fractions(self) -> list[str]:
        return self._values.get("AF", "").split(",")


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
