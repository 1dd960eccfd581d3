"""What a VCF says of a site's alleles in one sample: carried or not, in how many reads, in which fraction."""

import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from site_node.sources.numbers import number_of

GENOTYPE_SEPARATOR = re.compile(r"[/|]")
INHERITED_VAF = 0.2  # half of the reads of a heterozygous one, less what a capture loses; noise is far below


class Call:
    """One sample's column of one site; alleles are numbered from 1 among the alternates.

    A genotype that the caller could not decide (`./.`) carries nothing; where reads show an allele all the
    same, or nothing at all says which of several samples has it, it is open: neither there nor absent.
    """

    def __init__(
        self, keys: Sequence[str], cell: str, reference: str, alternates: Sequence[str], *, alone: bool = True
    ) -> None:
        """`alone`: whether the file has no other sample whose line this could be."""
        self._values = dict(zip(keys, cell.split(":"), strict=False))
        self._reference, self._alternates = reference, alternates
        self._alone = alone

    @cached_property
    def carried(self) -> Collection[int]:
        """The alleles that the sample has: by genotype, likelihoods, reads or fractions, or all."""
        genotype = self._genotype
        if genotype is not None:
            return frozenset(allele for allele in genotype if allele)
        if "GT" in self._values or "LGT" in self._values:
            return ()  # ./.: not called
        likely = likeliest(self._values, len(self._alternates))
        if likely is not None:
            return likely
        if self._depths is not None:
            return frozenset(allele for allele, reads in enumerate(self._depths) if reads > 0 and allele)
        if self._says_nothing and not self._alone:
            return ()
        return [a for a in self._numbers if self._stated_fraction(a) != 0]

    @cached_property
    def open(self) -> Collection[int]:
        """The alleles that the sample may have or not."""
        genotype = self._genotype
        if genotype is None and ("GT" in self._values or "LGT" in self._values):
            return self._read
        if genotype is not None and None in genotype:  # 0/.
            return self._read - {one for one in genotype if one}
        if genotype is None and self._says_nothing and not self._alone and not self._is_homozygous_locally:
            return frozenset(self._numbers)
        return frozenset()

    @property
    def _numbers(self) -> range:
        return range(1, len(self._alternates) + 1)

    @property
    def _read(self) -> frozenset[int]:
        """The alternates of which there are reads."""
        return frozenset(a for a in self._numbers if self._depths is not None and self._depths[a] > 0)

    @cached_property
    def _genotype(self) -> tuple[int | None, ...] | None:
        """The called alleles, with None for one that was not; LGT numbers those of LAA (VCF 4.5)."""
        text = self._values.get("GT", ".")
        local: list[int] | None = None
        if not text.strip("./|") and "LGT" in self._values:
            text, local = self._values["LGT"], [0, *self._local]
        if not text.strip("./|"):
            return () if self._is_homozygous_locally else None
        called = [_count(one) for one in GENOTYPE_SEPARATOR.split(text.lstrip("/|"))]
        if local is None:
            return tuple(called)
        known = local
        return tuple(known[one] if one is not None and one < len(known) else None for one in called)

    @property
    def _local(self) -> list[int]:
        """The alternates that the sample names its own by LAA."""
        numbers = [_count(text) for text in self._values.get("LAA", "").split(",")]
        return [one for one in numbers if one is not None]

    @property
    def _is_homozygous_locally(self) -> bool:
        """Whether LAA names no alternate (VCF 4.5, 1.6.2), and no genotype denies that it is a call."""
        return self._values.get("LAA") == "." and not {"GT", "LGT", "LAD"} & self._values.keys()

    @cached_property
    def _says_nothing(self) -> bool:
        stated = any(self._stated_fraction(allele) is not None for allele in self._numbers)
        return self._depths is None and not stated and likeliest(self._values, len(self._alternates)) is None

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
        number = number_of(text)
        return number / scale if number is not None and 0 <= number <= scale else None

    @cached_property
    def _fractions(self) -> list[str]:
        return self._values.get("AF", "").split(",")


def likeliest(values: Mapping[str, str], alternates: int) -> frozenset[int] | None:
    """The alternates of the likeliest diploid genotype by GP, GL or PL; None where two are equally likely.

    VCF 4.5, 1.6.2: genotype j/k, j not above k, has the place k(k+1)/2 + j.
    """
    for key, sign in (("GP", 1.0), ("GL", 1.0), ("PL", -1.0)):
        numbers = [number_of(text) for text in values.get(key, "").split(",")]
        scores = [sign * one for one in numbers if one is not None]
        if len(scores) != len(numbers) or len(scores) != (alternates + 1) * (alternates + 2) // 2:
            continue
        best = max(range(len(scores)), key=scores.__getitem__)
        if scores.count(scores[best]) > 1:
            return None
        pairs = ((j, k) for k in range(alternates + 1) for j in range(k + 1))
        return frozenset(next(pair for place, pair in enumerate(pairs) if place == best)) - {0}
    return None


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
