"""A PLINK fileset: genotypes laid out variant by variant, beside its lists of variants and of samples.

    NAME.pgen NAME.pvar NAME.psam    plink2, dosages too
    NAME.bed  NAME.bim  NAME.fam     PLINK 1.9, whose first allele of a variant is ALT here, as for plink2

Genotypes are opened by pgenlib, plink2's own reader, and stay where they lie: a chunk of variants costs one
stretch of the file.

Source: https://www.cog-genomics.org/plink/2.0/formats, and /plink/1.9/formats.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pgenlib
from numpy.typing import NDArray

from protocols.genomics.alignment import chromosome
from site_node.features.arrays import Floats, Integers

MAGIC = b"\x6c\x1b"
LISTS = {".pgen": (".pvar", ".psam"), ".bed": (".bim", ".fam")}
"""The ending of the genotypes -> those of the list of variants and of the list of samples."""

MOST_VARIANTS = 100_000_000
MOST_SAMPLES = 1_000_000
_MISSING = -9.0


class BadFileset(Exception):  # noqa: N818 - told as a record that could not be read
    """A fileset that cannot be read: a short code, and a reason without any value of the files."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


def is_genotypes(path: Path) -> bool:
    """Whether a file is PLINK's binary genotypes: its ending and its first two bytes say so."""
    if path.suffix.lower() not in LISTS:
        return False
    with path.open("rb") as file:
        return file.read(2) == MAGIC


@dataclass(frozen=True)
class Fileset:
    """Where the three files of a set lie."""

    genotypes: Path

    @property
    def variants(self) -> Path:
        return self._beside(0)

    @property
    def samples(self) -> Path:
        return self._beside(1)

    def _beside(self, which: int) -> Path:
        return self.genotypes.with_suffix(LISTS[self.genotypes.suffix.lower()][which])

    def digest(self) -> str:
        """What tells this set from a changed one: hashes of both lists, the size and time of the genotypes.

        Raises:
            BadFileset: a list is not there.
        """
        stat = self.genotypes.stat()
        told = hashlib.blake2b(f"{stat.st_size} {stat.st_mtime_ns}".encode(), digest_size=16)
        for path in (self.variants, self.samples):
            with _opened(path).open("rb") as file:
                told.update(hashlib.file_digest(file, "sha256").digest())
        return told.hexdigest()

    def read_samples(self) -> list[str]:
        """The individual IDs of the samples, in the order of the genotypes.

        Raises:
            BadFileset: the list is not there, or cannot be read.
        """
        lines = _opened(self.samples).read_text(encoding="utf-8", errors="replace").splitlines()
        lines = [line for line in lines if line.strip() and not line.startswith("##")]
        at = 1
        if lines and lines[0].startswith("#"):
            header = lines.pop(0).lstrip("#").split()
            if "IID" not in header:
                raise BadFileset("malformed-samples", "the list of samples has no column IID")
            at = header.index("IID")
        cells = [line.split() for line in lines]
        if not 0 < len(cells) <= MOST_SAMPLES or any(len(row) <= at for row in cells):
            raise BadFileset("malformed-samples", "the list of samples has none, or lines without an IID")
        return [row[at] for row in cells]

    def read_variants(self) -> pd.DataFrame:
        """The variants in the order of the genotypes: chromosome, position, id, ref, alt.

        Raises:
            BadFileset: the list is not there, or cannot be read.
        """
        path = _opened(self.variants)
        is_bim = path.suffix == ".bim"
        columns, begin = (_BIM, 0) if is_bim else _pvar_columns(path)
        try:
            found = pd.read_csv(
                path,
                sep=r"\s+",
                header=None,
                names=columns,
                usecols=["chromosome", "position", "id", "ref", "alt"],
                skiprows=begin,
                dtype={"chromosome": str, "position": np.int64, "id": str, "ref": str, "alt": str},
                keep_default_na=False,
                nrows=MOST_VARIANTS + 1,
            )
        except (ValueError, pd.errors.ParserError, OSError):
            raise BadFileset("malformed-variants", "the list of variants cannot be read") from None
        if not 0 < len(found) <= MOST_VARIANTS:
            raise BadFileset("malformed-variants", "the list of variants has none, or too many")
        found["chromosome"] = found["chromosome"].map(chromosome)
        for allele in ("ref", "alt"):
            found[allele] = found[allele].str.upper()
        return found

    @contextmanager
    def opened(self, samples: int, variants: int) -> Iterator["Genotypes"]:
        """The genotypes, open.

        Raises:
            BadFileset: they are no genotypes, or of other numbers of samples or variants than the lists.
        """
        try:
            reader = pgenlib.PgenReader(
                str(self.genotypes).encode(), raw_sample_ct=samples, variant_ct=variants
            )
        except (RuntimeError, ValueError, OSError):
            raise BadFileset(
                "malformed-genotypes", "the genotypes cannot be opened, or are not those of their lists"
            ) from None
        try:
            yield Genotypes(reader, samples)
        finally:
            reader.close()


class Genotypes:
    """Open genotypes of one set."""

    def __init__(self, reader: "pgenlib.PgenReader", samples: int) -> None:
        self._reader, self._samples = reader, samples

    def copies(self, variants: Integers) -> Floats:
        """The (k, samples) expected copies of ALT, 0 to 2, of (k,) variants; NaN: missing."""
        buffer = np.empty((len(variants), self._samples), dtype=np.float64)
        if len(variants):
            begin, end = int(variants[0]), int(variants[-1]) + 1
            if end - begin == len(variants):
                self._reader.read_dosages_range(begin, end, buffer)
            else:
                self._reader.read_dosages_list(variants.astype(np.uint32), buffer)
        buffer[buffer == _MISSING] = np.nan
        return buffer

    def calls(self, begin: int, end: int) -> NDArray[np.int8]:
        """The (end - begin, samples) copies of ALT that were called, 0 to 2, of a stretch; -9: missing.

        Raises:
            BadFileset: the file ends before.
        """
        buffer = np.empty((end - begin, self._samples), dtype=np.int8)
        try:
            self._reader.read_range(begin, end, buffer)
        except (RuntimeError, OSError):
            raise BadFileset("malformed-genotypes", "the genotypes cannot be read to their end") from None
        return buffer


_BIM = ["chromosome", "id", "morgans", "position", "alt", "ref"]


def _pvar_columns(path: Path) -> tuple[list[str], int]:
    """The names of the columns of a .pvar, and how many lines stand before the first variant.

    Raises:
        BadFileset: it has no header.
    """
    names = {"CHROM": "chromosome", "POS": "position", "ID": "id", "REF": "ref", "ALT": "alt"}
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.startswith("#CHROM"):
                header = line.lstrip("#").split()
                if not names.keys() <= set(header):
                    break
                return [names.get(name, name) for name in header], number
            if not line.startswith("#"):
                break
    raise BadFileset("malformed-variants", "the list of variants has no header #CHROM POS ID REF ALT")


def _opened(path: Path) -> Path:
    if not path.is_file():
        raise BadFileset("incomplete-fileset", f"beside the genotypes lies no {path.suffix} of the same name")
    return path
