"""Tables of numbers per gene or probe: expression, methylation, copy number; one or more samples as columns.

Counts become TPM and FPKM, which needs the lengths of genes: of the file (featureCounts) or of a GTF. M
becomes beta, and log2(1 + TPM) becomes TPM: one quantity is kept, the transforms are made where it is read.
"""

import re
from array import array
from collections.abc import Iterator
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cdm.etl.record import SourceRecord, Unreadable
from site_node.features.genomics import expression
from site_node.sources.genomics.asked import Asked, Values
from site_node.sources.genomics.columns import Split, splitter
from site_node.sources.genomics.doubled import TWICE, Doubled
from site_node.sources.genomics.naming import DATE, is_date
from site_node.sources.genomics.profiles import Profile
from site_node.sources.genomics.samples import (
    CUT_SHORT,
    Malformed,
    not_a_tumour,
    sample_of_file,
    tabbed,
)
from site_node.sources.lines import CutShort, TooLong, numbered_lines
from site_node.sources.numbers import number_of

KIND = "Profile"
FEATURES = (
    *("gene", "gene_id", "gene_name", "geneid", "gene_symbol", "hugo_symbol", "symbol", "name", "feature"),
    *(
        "probe",
        "probe_id",
        "id_ref",
        "cpg",
        "ilmnid",
        "targetid",
        "composite element ref",
        "entity_stable_id",
    ),
)
NOT_SAMPLES = (
    "entrez_gene_id",
    "cytoband",
    "description",
    "gene_type",
    "chr",
    "start",
    "end",
    "strand",
    "length",
)
MISSING = ("", "NA", "NaN", "nan", "na", "null", ".")
PROBE = re.compile(r"(cg|ch\.|rs)\d{5,}")
VERSION = re.compile(r"(ENS[A-Z]*\d{11})\.\d+(_PAR_Y)?")
NAME_LENGTH = 60
MAX_FEATURES = 2_000_000
MAX_NUMBERS = 30_000_000  # keeps a load of it below 500 MB
ASSAYS: dict[Values, str] = {
    "beta": "methylation",
    "m": "methylation",
    "log2-ratio": "copy number",
    "copy-number-call": "copy number",
}
RANGES: dict[Values, tuple[float, float]] = {
    "beta": (0.0, 1.0),
    "m": (-50.0, 50.0),
    "log2-tpm": (0.0, 40.0),
    "log2-ratio": (-20.0, 20.0),
    "copy-number-call": (-2.0, 2.0),
}
CALLS = (-2.0, -1.5, -1.0, 0.0, 1.0, 2.0)  # cBioPortal's; a table of ratios has other numbers
NOT_NEGATIVE = (0.0, 1e30)
OF_THE_FILE = ("too-many-numbers",)
OF_A_LINE = ("malformed-number", "malformed-feature", "wrong-field-count", DATE[0])
# columns of the files that quantifiers write for one sample
TPM, FPKM = ("tpm", "tpm_unstranded"), ("fpkm", "fpkm_unstranded")


def is_matrix(header: list[str]) -> bool:
    """Whether the first column names features, and others hold their numbers."""
    return len(header) > 1 and header[0].strip().strip('"').lower() in ("", *FEATURES)


def read(path: Path, name: str, asked: Asked) -> Iterator[SourceRecord | Unreadable]:
    """One record per sample and quantity, and a report of what could not be read."""
    table = _Table(name, asked)
    try:
        for number, text in numbered_lines(path):
            if text.startswith("#") or not (text or isinstance(text, TooLong)):
                continue
            try:
                table.take(number, text)
            except Malformed as fault:
                if fault.code in OF_THE_FILE or (not table.features and fault.code not in OF_A_LINE):
                    raise
                yield Unreadable(KIND, f"{name}:{number}", fault.code, fault.reason)
        if not asked.builds.admits(asked.build):
            raise Malformed("mixed-genome-builds", "an earlier file of this load has another genome build")
        yield from table.records()
    except Malformed as fault:
        yield Unreadable(KIND, name, fault.code, fault.reason)
    except CutShort:
        yield Unreadable(KIND, name, *CUT_SHORT)


class _Table:
    """The table as it fills line by line."""

    def __init__(self, name: str, asked: Asked) -> None:
        self.features: list[str] = []
        self._name, self._asked = name, asked
        self._header: list[str] = []
        self._split: Split = tabbed
        self._samples: dict[str, int] = {}  # sample or, in a file of one sample, quantity -> column
        self._one_sample = False
        self._values: Values | None = asked.values
        self._range = NOT_NEGATIVE
        self._feature, self._length_column = 0, -1
        self._numbers = array("f")
        self._lengths = array("d")
        self._lines = array("q")  # where each feature stands
        self._written: dict[int, str] = {}  # feature -> its identifier, where that is not its symbol
        self._broken: set[str] = set()  # genes with a line that cannot be read

    def take(self, number: int, text: str) -> None:
        """Take in the header or one line of it.

        Raises:
            Malformed: the line holds no feature with its numbers.
        """
        if isinstance(text, TooLong):
            raise Malformed("line-too-long", "the line is longer than a table's can be")
        if not self._header:
            self._split = splitter(text)
        cells = [cell.strip().strip('"') for cell in self._split(text)]
        if not self._header:
            if is_matrix(cells):  # a GCT has a line of its size before
                self._read_header(cells)
            return
        if len(cells) != len(self._header):
            for name in {cells[0], cells[min(self._feature, len(cells) - 1)]}:
                self._broken.add(self._symbol(VERSION.sub(r"\1", name)).upper())
            raise Malformed("wrong-field-count", "the line has more or fewer fields than the header")
        feature = VERSION.sub(r"\1", cells[self._feature])
        if not 0 < len(feature) <= NAME_LENGTH:
            raise Malformed("malformed-feature", "the line does not begin with the name of a gene or probe")
        if not feature.isdecimal() and is_date(feature):
            raise Malformed(*DATE)
        if not feature.startswith(("N_", "__")):  # STAR's and HTSeq's counts of what is in no gene
            self._add(number, feature, cells)

    def _add(self, line: int, feature: str, cells: list[str]) -> None:
        if not self.features:
            self._settle(feature)
        genes, symbol = self._asked.genes, self._symbol(feature)
        try:
            numbers = [self._number(cells[column]) for column in self._samples.values()]
        except Malformed:  # of a gene with two lines the other is a part of its reads
            self._broken.add(symbol.upper())
            raise
        if len(self._numbers) + len(numbers) > MAX_NUMBERS or len(self.features) >= MAX_FEATURES:
            raise Malformed(
                "too-many-numbers",
                f"the table has over {MAX_NUMBERS} numbers, or {MAX_FEATURES} genes: split it",
            )
        length = float(genes.lengths.get(symbol, 0)) if genes else 0.0
        if self._length_column >= 0:
            length = self._number(cells[self._length_column])
        if cells[0] != symbol:
            self._written[len(self.features)] = cells[0]
        self._numbers.extend(numbers)
        self._lines.append(line)
        self.features.append(symbol)
        self._lengths.append(length)

    def _symbol(self, feature: str) -> str:
        genes = self._asked.genes
        return genes.symbols.get(feature, feature) if genes else feature

    def _read_header(self, header: list[str]) -> None:
        lowered = [cell.lower() for cell in header]
        self._header = header
        quantities = {
            q: next((lowered.index(n) for n in names if n in lowered), -1)
            for q, names in (("tpm", TPM), ("fpkm", FPKM))
        }
        self._one_sample = quantities["tpm"] >= 0
        if self._one_sample:
            self._samples = {quantity: column for quantity, column in quantities.items() if column >= 0}
            self._feature = lowered.index("gene_name") if "gene_name" in lowered else 0
            return
        if lowered[0] == "geneid" and "length" in lowered:
            self._length_column = lowered.index("length")
            self._values = "counts"
        for column, cell in enumerate(header[1:], start=1):
            sample = re.sub(r"(\.sorted|Aligned\S*)?\.(bam|sam|cram)$", "", cell.rsplit("/", 1)[-1])
            if lowered[column] in NOT_SAMPLES or not sample:
                continue
            if sample in self._samples or len(sample) > 200:
                raise Malformed(
                    "malformed-header", "a sample is listed twice in the header, or its name is too long"
                )
            self._samples[sample] = column
        if not self._samples:
            raise Malformed("no-sample", "the header names no sample")

    def _settle(self, feature: str) -> None:
        """Decide, by the first feature, what the numbers are."""
        if self._one_sample:
            return
        if self._values is None and PROBE.match(feature):
            self._values = "beta"
        if self._values is None:
            raise Malformed(
                "unknown-quantity", "the table does not say what its numbers are: name it by --values"
            )
        self._range = RANGES.get(self._values, NOT_NEGATIVE)

    def _number(self, text: str) -> float:
        if text in MISSING:
            return float("nan")
        value = number_of(text)
        is_other = self._values == "copy-number-call" and value not in CALLS
        if value is None or not self._range[0] <= value <= self._range[1] or is_other:
            raise Malformed("malformed-number", "a cell holds no number that this quantity can have")
        return value

    def records(self) -> Iterator[SourceRecord | Unreadable]:
        """One record per sample and quantity."""
        if not self.features:
            raise Malformed("no-features", "the table has no gene or probe")
        numbers = np.frombuffer(self._numbers, dtype=np.float32).reshape(-1, len(self._samples))
        doubled = Doubled(self.features, numbers, self._written, is_additive=self._is_additive())
        for line in doubled.lost:
            yield Unreadable(KIND, f"{self._name}:{self._lines[line]}", *TWICE)
        whole = np.array([gene.upper() not in self._broken for gene in doubled.genes], dtype=bool)
        whole[list(doubled.lost.values())] = False
        features = list(compress(doubled.genes, whole))
        if not features:
            return
        numbers = doubled.known(numbers, self._broken)
        for quantity, samples, each in self._quantities(numbers, np.array(self._lengths)):
            values = doubled.merged(each)[whole]
            assay = ASSAYS.get(self._values, "expression") if self._values else "expression"
            build = self._asked.build or (self._asked.genes.build if self._asked.genes else None)
            profile = Profile(self._name, self._asked, assay, quantity, build, features)
            for place, sample in enumerate(samples):
                if refusal := not_a_tumour(sample, self._asked.patients):
                    yield Unreadable(KIND, self._name, *refusal)
                    continue
                column = np.ascontiguousarray(values[:, place], dtype=np.float32)
                yield profile.record(sample, f"{self._name}:1", column)

    def _is_additive(self) -> bool:
        return self._one_sample or self._values in ("counts", "tpm", "fpkm", "log2-tpm")

    def _quantities(
        self, numbers: NDArray[np.float32], lengths: NDArray[np.float64]
    ) -> Iterator[tuple[str, list[str], NDArray[np.float32]]]:
        """(quantity as it is kept, samples, (features, samples) numbers)."""
        samples = list(self._samples)
        if self._one_sample:
            for place, quantity in enumerate(samples):
                yield quantity, [sample_of_file(self._name)], numbers[:, place : place + 1]
            return
        match self._values:
            case "counts":
                if not (lengths > 0).any():
                    raise Malformed(
                        "no-gene-lengths", "counts need the lengths of genes: give a GTF by --genes"
                    )
                counts = numbers.astype(np.float64)
                yield "tpm", samples, expression.tpm(counts, lengths).astype(np.float32)
                yield "fpkm", samples, expression.fpkm(counts, lengths).astype(np.float32)
            case "log2-tpm":
                yield "tpm", samples, (np.exp2(numbers) - 1).astype(np.float32)
            case "m":
                yield "beta", samples, (1 / (1 + np.exp2(-numbers))).astype(np.float32)
            case "log2-ratio":
                yield "log2 ratio", samples, numbers
            case "copy-number-call":
                yield "copy number call", samples, numbers
            case values:
                yield str(values), samples, numbers
