"""What a VCF says of one allele in one sample: is it carried, in how many reads, in which fraction."""

import re
from functools import cached_property
from typing import Any

GENOTYPE_SEPARATOR = re.compile(r"[/|]")
INHERITED_VAF = 0.2  # half of the reads of a heterozygous one, less what a capture loses; noise is far below


class Call:
    """One allele (`index` from 1 among the alternates) in one sample's column."""

    def __init__(self, layout: str, cell: str, reference: str, alternates: list[str], index: int) -> None:
        self._values = dict(zip(layout.split(":"), cell.split(":"), strict=False))
        self._reference, self._alternates, self._index = reference, alternates, index

    def is_carried(self) -> bool:
        """Whether the sample has the allele: by genotype, else by reads, else because the line is there."""
        genotype = self._values.get("GT", ".")
        if genotype.strip("./|"):
            return str(self._index) in GENOTYPE_SEPARATOR.split(genotype)
        if "GT" in self._values and self._depths is None:
            return False  # ./. without reads: not called
        if self._depths is not None:
            return self._depths[self._index] > 0
        fraction = self._stated_fraction()
        return fraction is None or fraction > 0

    def is_inherited(self) -> bool:
        """Whether this sample, a normal one, has the allele: by genotype, else in a fifth of its reads."""
        if self._values.get("GT", ".").strip("./|"):
            return self.is_carried()
        vaf = self.fields()["vaf"]
        return vaf is not None and vaf >= INHERITED_VAF

    def fields(self) -> dict[str, Any]:
        """The columns of variant_occurrence that are about this sample."""
        depth = sum(self._depths) if self._depths else _count(self._values.get("DP", ""))
        alternate_depth = self._depths[self._index] if self._depths else None
        vaf = alternate_depth / depth if depth and alternate_depth is not None else self._stated_fraction()
        genotype = self._values.get("GT")
        return {
            "genotype": genotype if genotype and genotype.strip("./|") else None,
            "total_read_depth": depth,
            "variant_read_depth": alternate_depth,
            "vaf": vaf,
        }

    @cached_property
    def _depths(self) -> list[int] | None:
        """Reads of the reference and of each alternate allele: AD, or Strelka's first tier; None without."""
        counts = [_count(text) for text in self._values.get("AD", "").split(",")]
        if (
            len(counts) == 1
            and counts[0] is not None
            and (reads := _count(self._values.get("RD", ""))) is not None
        ):
            counts = [reads, counts[0]]  # VarScan: RD and AD are one number each
        if "TAR" in self._values:
            counts = [self._tier("TAR"), self._tier("TIR")]
        elif f"{self._reference}U" in self._values:
            counts = [self._tier(f"{letter}U") for letter in (self._reference, *self._alternates)]
        known = [count for count in counts if count is not None]
        return known if len(known) == len(counts) == len(self._alternates) + 1 else None

    def _tier(self, name: str) -> int | None:
        return _count(self._values.get(name, "").split(",")[0])

    def _stated_fraction(self) -> float | None:
        """AF of the allele, or VarScan's FREQ in percent; None where it is neither stated nor a fraction."""
        fractions = self._values.get("AF", "").split(",")
        text = fractions[self._index - 1] if len(fractions) == len(self._alternates) else ""
        scale = 1.0
        if not text and self._values.get("FREQ", "").endswith("%"):
            text, scale = self._values["FREQ"][:-1], 100.0
        try:
            fraction = float(text) / scale
        except ValueError:
            return None
        return fraction if 0 <= fraction <= 1 else None


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
