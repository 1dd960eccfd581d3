"""The samples of one file as they fill line by line, and the records that they become.

A record is one sample's test in one file: what it reaches and every variant that it found. They come and go
together, so that a corrected file, with a variant less, leaves no variant behind.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from cdm.etl.record import SourceRecord, Unreadable
from site_node.sources.genomics.panel import NOTHING_STATED, Panel, patient_of
from site_node.sources.lines import TooLong

MAX_VARIANTS = 500_000  # of one sample; a germline genome has ten times as many and is to be filtered before
ALLELE_LIMIT = 10_000
CUT_SHORT = ("cut-short", "the file ends in the middle; its tests state no negative result")
MIXED_BUILDS = ("mixed-genome-builds", "the file names more than one genome build; split it by build")
BUILDS = {
    "GRCh36": ("36", "36.1", "ncbi36", "hg18", "grch36"),
    "GRCh37": ("37", "grch37", "hg19", "b37", "hs37d5", "grch37-lite"),
    "GRCh38": ("38", "grch38", "hg38", "b38", "grch38.p14"),
}
BUILD_NAMES = {spelling: build for build, spellings in BUILDS.items() for spelling in spellings}

# What callers write where a sample's name belongs: the same in every file, so one person of many.
NAMES_NOBODY = ("TUMOR", "TUMOUR", "PRIMARY", "METASTASIS", "SAMPLE", "UNKNOWN", "__UNKNOWN__", "NA")
UNNAMED = (
    "unnamed-sample",
    "the sample's name says only what it is; rename it, or say whose it is by --samples",
)

Variant = dict[str, Any]  # column of variant_occurrence -> value; plain JSON


class Malformed(Exception):  # noqa: N818 - the word people see is "quarantine"
    """A line that holds no variant: a short code, and a reason without any value of the line."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


def fields_of(text: str, width: int) -> list[str]:
    """The fields of a line, as many as its header has.

    Raises:
        Malformed: they are more or fewer, or the line was too long to be read.
    """
    if isinstance(text, TooLong):
        raise Malformed("line-too-long", "the line is longer than any variant's can be")
    cells = text.split("\t")
    if len(cells) != width:
        raise Malformed("wrong-field-count", "the line has more or fewer fields than the header")
    return cells


def build_name(spelling: str) -> str | None:
    """The genome build under its GRC name; None for an empty one, an unknown one as it is written."""
    return BUILD_NAMES.get(spelling.strip().lower(), spelling.strip()[:25] or None)


def position_number(text: str, column: str) -> int:
    """A 1-based position on a chromosome.

    Raises:
        Malformed: it is none.
    """
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= 10):
        raise Malformed("malformed-position", f"column {column} holds no position")
    return int(text)


def chromosome_name(text: str, column: str) -> str:
    """The chromosome without the prefix `chr`, the mitochondrial one as MT.

    Raises:
        Malformed: it is none.
    """
    name = text[3:] if text[:3].lower() == "chr" else text
    if not 0 < len(name) <= 25 or " " in name:
        raise Malformed("malformed-chromosome", f"column {column} holds no chromosome")
    return "MT" if name == "M" else name


def allele(text: str, column: str) -> str:
    """An allele as the file writes it.

    Raises:
        Malformed: it is empty or longer than a variant can be.
    """
    if not 0 < len(text) <= ALLELE_LIMIT:
        raise Malformed(
            "malformed-allele", f"column {column} holds no allele of at most {ALLELE_LIMIT} letters"
        )
    return text


class Samples:
    """What is known so far of the samples of one file."""

    def __init__(self, kind: str, file: str, panel: Panel, patients: Mapping[str, str]) -> None:
        self._kind, self._file, self._panel, self._patients = kind, file, panel, patients
        self._variants: dict[str, list[Variant]] = {}
        self._first_line: dict[str, int] = {}

    def expect(self, sample: str, line: int) -> None:
        """Note a sample of the file, that it may have no variant at all."""
        self._variants.setdefault(sample, [])
        self._first_line.setdefault(sample, line)

    def add(self, sample: str, line: int, variant: Variant) -> None:
        """Note a variant of a sample; fields without a value are left out.

        Raises:
            Malformed: the sample has more variants than a tumour can have.
        """
        self.expect(sample, line)
        if len(self._variants[sample]) >= MAX_VARIANTS:
            raise Malformed("too-many-variants", f"the sample has over {MAX_VARIANTS} variants: filter them")
        self._variants[sample].append({name: value for name, value in variant.items() if value is not None})

    def records(self, build: str | None, *, negatives: bool) -> Iterator[SourceRecord | Unreadable]:
        """One record a sample; without `negatives` its test reaches only genes with a finding."""
        panel = self._panel if negatives else NOTHING_STATED
        for sample, variants in self._variants.items():
            if sample.upper() in NAMES_NOBODY and sample not in self._patients:
                yield self.unreadable(self._first_line[sample], *UNNAMED)
                continue
            patient = self._patients.get(sample) or patient_of(sample)
            position = f"{self._file}:{self._first_line[sample]}"
            yield tested_sample(
                self._kind, f"{self._file}#{sample}", position, patient, panel, build, variants
            )

    def unreadable(self, line: int, code: str, reason: str) -> Unreadable:
        """The report of a line of this file that could not be read; of the whole file for line 0."""
        return Unreadable(self._kind, f"{self._file}:{line}" if line else self._file, code, reason)


def tested_sample(
    kind: str,
    record_id: str,
    position: str,
    patient: str,
    panel: Panel,
    build: str | None,
    variants: list[Variant],
) -> SourceRecord:
    """The record of one sample's test, which names its sample by the record's id."""
    found = {variant["target_gene1_symbol"] for variant in variants if "target_gene1_symbol" in variant}
    body = {
        "id": record_id,
        "patient": patient,
        "reference_genome": build,
        "target_scope": panel.scope,
        "genes": sorted(panel.genes | found) if panel.scope == "panel" else [],
        "variants": variants,
    }
    return SourceRecord(kind, record_id, position, body)
