"""The samples of one file as they fill line by line, and the records that they become.

A record is one sample's test in one file: what it reaches and every variant that it found. They come and go
together, so that a corrected file, with a variant less, leaves no variant behind.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from cdm.etl.record import SourceRecord, Unreadable
from site_node.features.genomics.mutation import SYNONYMOUS
from site_node.sources.genomics.asked import Asked
from site_node.sources.genomics.builds import OTHER_BUILD
from site_node.sources.genomics.genes import chromosome
from site_node.sources.genomics.naming import Gene
from site_node.sources.genomics.panel import NOTHING_STATED, Panel, is_normal, patient_of
from site_node.sources.lines import CutShort, TooLong

MAX_VARIANTS = (
    250_000  # of one sample; a germline genome has twenty times as many and is to be filtered before
)
MAX_FILE_VARIANTS = 600_000
MAX_FILE_LETTERS = 64 << 20  # of all alleles together
MAX_SAMPLES = 20_000
ALLELE_LIMIT = 10_000
BASES = re.compile(r"[A-Za-z*-]+")
ALLELES = ("reference_allele", "alternate_allele", "hgvs_c", "hgvs_p")
GENES = ("target_gene1_symbol", "target_gene2_symbol")
PASSED = ("PASS", ".")  # what a caller's filter says of a variant that counts
CUT_SHORT = (
    "cut-short",
    "the file ends in the middle or holds more than is read of one file; its tests state no negative result",
)

# What callers write where a sample's name belongs: the same in every file, so one person of many.
NAMES_NOBODY = ("TUMOR", "TUMOUR", "PRIMARY", "METASTASIS", "SAMPLE", "UNKNOWN", "__UNKNOWN__", "NA")
NAMES_OF_FILES = ("abundance", "arriba", "fusions", "genes", "quant", "star-fusion", "fusion-predictions")
NORMAL_SAMPLE = ("normal-sample", "the sample's name is that of a normal one: it says nothing of the tumour")
UNNAMED = (
    "unnamed-sample",
    "the sample's name says only what it is; rename it, or say whose it is by --samples",
)

Variant = dict[str, Any]  # column of variant_occurrence -> value; plain JSON
Held = tuple[Any, ...]  # the values of FIELDS: a third of what a dictionary takes
FIELDS = dict.fromkeys(
    (
        *("target_gene1_symbol", "target_gene2_symbol", "chromosome", "position", "end_position"),
        *("reference_allele", "alternate_allele", "rs_id", "filter", "variant_classification"),
        *("sequence_alteration", "reference_sequence", "hgvs_c", "hgvs_p", "genotype", "genetic_origin"),
        *("vaf", "total_read_depth", "variant_read_depth", "variant_feature"),
        *("fusion_breakpoint", "fusion_supporting_reads"),
    )
)


class Malformed(Exception):  # noqa: N818 - the word people see is "quarantine"
    """A line that holds no variant: a short code, and a reason without any value of the line."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


def tabbed(text: str) -> list[str]:
    """The fields between tabs."""
    return text.split("\t")


def fields_of(text: str, width: int, split: Callable[[str], list[str]] = tabbed) -> list[str]:
    """The fields of a line, as many as its header has.

    Raises:
        Malformed: they are more or fewer, or the line was too long to be read.
    """
    if isinstance(text, TooLong):
        raise Malformed("line-too-long", "the line is longer than any variant's can be")
    cells = split(text)
    if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
        cells = cells[:width]  # a spreadsheet ends lines with empty cells
    if len(cells) != width:
        raise Malformed("wrong-field-count", "the line has more or fewer fields than the header")
    return cells


def position_number(text: str, column: str) -> int:
    """A 1-based position on a chromosome.

    Raises:
        Malformed: it is not valid.
    """
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 10):
        raise Malformed("malformed-position", f"column {column} holds no position")
    return int(text)


def chromosome_name(text: str, column: str) -> str:
    """The chromosome without the prefix `chr`; M is MT, and 23 and 24 are X and Y, as segmenters number them.

    Raises:
        Malformed: it is not valid.
    """
    name = chromosome(text)
    if not 0 < len(name) <= 25 or " " in name:
        raise Malformed("malformed-chromosome", f"column {column} holds no chromosome")
    return name


def allele(text: str, column: str) -> str:
    """An allele in upper case: the bases of VCF and MAF have none; `<DEL>` and breakends stay as they are.

    Raises:
        Malformed: it is empty or longer than a variant can be.
    """
    if not 0 < len(text) <= ALLELE_LIMIT:
        raise Malformed(
            "malformed-allele", f"column {column} holds no allele of at most {ALLELE_LIMIT} letters"
        )
    return text.upper() if BASES.fullmatch(text) else text


class Fraction(float):
    """A number of a column that holds fractions, unless another line of it holds more than one."""


class Full(CutShort):
    """The file has more variants than are held; what it says of those after them is not known."""


class Samples:
    """What is known so far of the samples of one file."""

    def __init__(self, kind: str, file: str, asked: Asked, assay: str | None = None) -> None:
        self._kind, self._file, self._asked, self._assay = kind, file, asked, assay
        self._variants: dict[str, list[Held]] = {}
        self._first_line: dict[str, int] = {}
        self._held = self._letters = 0
        self.are_fractions = True  # whether each `Fraction` of the file is one
        self._open: set[str] = set()  # samples with a variant that may lie in any gene
        self._reported: set[str] = set()

    def expect(self, sample: str, line: int) -> None:
        """Note a sample of the file, that it may have no variant at all.

        Raises:
            Malformed: there are more samples than a file can have.
        """
        if sample not in self._variants and len(self._variants) >= MAX_SAMPLES:
            raise Malformed("too-many-samples", f"the file has over {MAX_SAMPLES} samples: split it")
        self._variants.setdefault(sample, [])
        self._first_line.setdefault(sample, line)

    def add(self, sample: str, line: int, variant: Variant) -> None:
        """Note a variant of a sample; fields without a value are left out.

        Raises:
            Malformed: the sample has more variants than it can have.
            Full: so has the file.
        """
        self.expect(sample, line)
        self._letters += sum(len(variant.get(name) or "") for name in ALLELES)
        if self._held >= MAX_FILE_VARIANTS or self._letters > MAX_FILE_LETTERS:
            raise Full
        if len(self._variants[sample]) >= MAX_VARIANTS:
            raise Malformed("too-many-variants", f"the sample has over {MAX_VARIANTS} variants: filter them")
        self._held += 1
        assert variant.keys() <= FIELDS.keys()
        self._variants[sample].append(tuple(map(variant.get, FIELDS)))

    def add_in(self, sample: str, line: int, variant: Variant, gene: Gene) -> tuple[str, str] | None:
        """Note a variant in a gene; the doubt about its name where it was not reported before.

        Raises:
            Malformed: the sample has more variants than it can have.
            Full: so has the file.
        """
        if str(variant.get("filter")).upper() == PASSED[0]:
            variant = {**variant, "filter": PASSED[0]}
        self.add(sample, line, {**variant, "target_gene1_symbol": gene.symbol})
        if variant.get("variant_classification") in SYNONYMOUS or gene.symbol is None:
            return None
        if gene.may_be_any and (variant.get("filter") or PASSED[0]) in PASSED:
            self._open.add(sample)
        is_new = gene.symbol not in self._reported
        self._reported.add(gene.symbol)
        return gene.doubt if is_new else None

    def records(self, build: str | None, *, negatives: bool) -> Iterator[SourceRecord | Unreadable]:
        """One record per sample; without `negatives` its test reaches only genes with a finding."""
        asked = self._asked
        if not asked.builds.admits(build):
            yield self.unreadable(0, *OTHER_BUILD)
            return
        positives = replace(NOTHING_STATED, megabases=asked.panel.megabases)
        for sample, variants in self._variants.items():
            if is_unnamed(sample, asked.patients):
                yield self.unreadable(self._first_line[sample], *UNNAMED)
                continue
            position = f"{self._file}:{self._first_line[sample]}"
            panel = positives if sample in self._open else asked.panel
            panel = panel if negatives else NOTHING_STATED
            told = [_told(variant, are_fractions=self.are_fractions) for variant in variants]
            reaches = negatives and sample not in self._open
            yield self.record(sample, position, panel, build or asked.build, told, reaches_found=reaches)

    def record(
        self,
        sample: str,
        position: str,
        panel: Panel,
        build: str | None,
        variants: list[Variant],
        result: str = "",
        *,
        reaches_found: bool = True,
    ) -> SourceRecord:
        """The record of one sample's test in this file; `result` tells two results of one test apart.

        `reaches_found`: whether a gene with a change is known to have no other, so that one without effect
        (silent, filtered out, inherited) states that it is not mutated.
        """
        asked = self._asked
        stated = [variant for variant in variants if reaches_found or _counts(variant)]
        found = {variant[gene] for variant in stated for gene in GENES if gene in variant}
        body = {
            "patient": asked.patients.get(sample) or patient_of(sample),
            "sample": sample,
            "kind": f"{self._kind} {result}".strip(),
            "assay": self._assay or ("germline" if asked.origin == "germline" else None),
            "reference_genome": build,
            "target_scope": panel.scope,
            "target_megabases": panel.megabases,
            "genes": sorted(panel.genes | found) if panel.scope == "panel" else [],
            "variants": variants,
        }
        return SourceRecord(self._kind, f"{self._file}#{sample}"[-255:], position, body)

    def unreadable(self, line: int, code: str, reason: str) -> Unreadable:
        """The report of a line of this file that could not be read; of the whole file for line 0."""
        return Unreadable(self._kind, f"{self._file}:{line}" if line else self._file, code, reason)


def _told(held: Held, *, are_fractions: bool) -> Variant:
    return {
        name: float(value) if isinstance(value, Fraction) else value
        for name, value in zip(FIELDS, held, strict=True)
        if value is not None and (are_fractions or not isinstance(value, Fraction))
    }


def _counts(variant: Variant) -> bool:
    """Whether its gene is mutated by the variant, or may be."""
    is_silent = variant.get("variant_classification") in SYNONYMOUS
    is_passed = (variant.get("filter") or PASSED[0]) in PASSED
    return is_passed and not is_silent and variant.get("genetic_origin") != "germline"


def is_unnamed(sample: str, patients: Mapping[str, str]) -> bool:
    """Whether the name is one that callers write into every file, and no list says whose it is."""
    return sample.upper() in NAMES_NOBODY and sample not in patients


def not_a_tumour(sample: str, patients: Mapping[str, str]) -> tuple[str, str] | None:
    """Why a sample's numbers are nobody's tumour's; None where they are."""
    if is_normal(sample):
        return NORMAL_SAMPLE
    return UNNAMED if is_unnamed(sample, patients) else None


def sample_of_file(file: str) -> str:
    """The sample of a file that names none inside: its name up to the first dot, or its folder's."""
    path = PurePosixPath(file)
    stem = path.name.split(".")[0]
    generic = stem.lower().replace("_", "-") in NAMES_OF_FILES
    return path.parent.name if generic and path.parent.name else stem
