"""VCF 4.x: one line per site, one column per sample; read tolerantly and in bounded memory, in pure Python.

Two are not carried into the CDM: a site without an alternate allele, and the normal sample of a pair, which
the header names (`pairs`). What the normal sample shows, and the flags SOMATIC and SS of the callers, say
whether a variant is inherited. An allele that a sample may have or not leaves its gene open.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from cdm.etl.record import SourceRecord, Unreadable
from cdm.vocabulary.consequences import OPEN
from site_node.features.genomics.mutation import SYNONYMOUS
from site_node.sources.genomics.annotation import (
    NOT_ANNOTATED,
    Annotation,
    Layout,
    annotations,
    layout_of,
)
from site_node.sources.genomics.asked import Asked
from site_node.sources.genomics.builds import MIXED_BUILDS, build_name
from site_node.sources.genomics.genotype import Call
from site_node.sources.genomics.naming import NOT_NAMED, genes_of
from site_node.sources.genomics.pairs import Pairs
from site_node.sources.genomics.panel import is_normal, patient_of
from site_node.sources.genomics.samples import (
    CUT_SHORT,
    MAX_SAMPLES,
    Malformed,
    Samples,
    Variant,
    allele,
    chromosome_name,
    fields_of,
    position_number,
)
from site_node.sources.lines import CutShort, TooLong, numbered_lines

KIND = "VCF"
FIXED = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
MAX_ALTERNATES = 1_000
NO_ALLELE = (".", "*", "<*>", "<NON_REF>", "<X>", "X", "")  # of samtools, any other allele is X
BUILD_IN_TEXT = re.compile(r"(GRCh3[678]|hg18|hg19|hg38|hs37d5|b37|b38)", re.IGNORECASE)
CHROMOSOME_1_LENGTH = {"247249719": "GRCh36", "249250621": "GRCh37", "248956422": "GRCh38"}
CHROMOSOME_1 = re.compile(r"##contig=<ID=(?:chr)?1,.*?length=(\d+)")


NO_GENES = ("no-gene-annotation", "neither ANN nor CSQ: variants load without gene, no gene counts as tested")


class _Header:
    """What the lines before the variants say."""

    def __init__(self) -> None:
        self.builds: set[str] = set()
        self.layout: Layout | None = None
        self.pairs = Pairs()
        self.samples: dict[int, str] = {}  # column -> sample
        self.normal_columns: dict[int, str] = {}
        self.given_normals: set[str] = set()  # that the header gives to a tumour of the file
        self.width = 0

    def read(self, text: str) -> None:
        """Take in one line that begins with `#`.

        Raises:
            Malformed: the line of column names is not VCF's, or names no sample.
        """
        if text.startswith("##"):
            self.layout = self.layout or layout_of(text)
            self._note_build(text)
            self.pairs.read(text)
            return
        cells = text.split("\t")
        if tuple(cells[: len(FIXED)]) != FIXED:
            raise Malformed("malformed-header", "the line of column names is not VCF's")
        self.width = len(cells)
        if self.width > len(FIXED) + 1 + MAX_SAMPLES:
            raise Malformed("too-many-samples", f"the file has over {MAX_SAMPLES} samples: split it")
        named = dict(enumerate(cells[len(FIXED) + 1 :], start=len(FIXED) + 1))
        normals = self.pairs.normals()
        self.normal_columns = {c: s for c, s in named.items() if s in normals or is_normal(s)}
        self.samples = {c: s for c, s in named.items() if s and c not in self.normal_columns}
        self.given_normals = {
            one for tumour in self.samples.values() for one in self.pairs.normals_of(tumour)
        }
        if not self.samples:
            raise Malformed("no-sample", "the file has no column of a sample that is not a normal one")

    def normals_of(self, sample: str) -> list[int]:
        """The columns of this one's normal samples: as the header says, its patient's, else the only one.

        One that the header gives to another tumour is that one's.
        """
        stated = self.pairs.normals_of(sample)
        if stated:
            return [column for column, normal in self.normal_columns.items() if normal in stated]
        free = {c: normal for c, normal in self.normal_columns.items() if normal not in self.given_normals}
        if len(free) == 1:
            return list(free)
        patient = patient_of(sample)
        return [column for column, normal in free.items() if patient_of(normal) == patient]

    def _note_build(self, text: str) -> None:
        length = CHROMOSOME_1.match(text)
        if length and length.group(1) in CHROMOSOME_1_LENGTH:
            self.builds.add(CHROMOSOME_1_LENGTH[length.group(1)])
        named = BUILD_IN_TEXT.search(text) if text.startswith(("##reference=", "##assembly=")) else None
        if named:
            self.builds.add(build_name(named.group(1)) or "")


def read(path: Path, name: str, asked: Asked) -> Iterator[SourceRecord | Unreadable]:
    """One record per sample of the file, which is called `name`, and a report of what could not be read.

    Without gene annotation, or where a line cannot be read, no test states a gene without a variant as
    tested: it would make "not mutated" out of "not known".
    """
    header, samples = _Header(), Samples(KIND, name, asked)
    lines = numbered_lines(path)
    is_whole = True
    try:
        _read_header(lines, header, samples)
        for number, text in lines:
            try:
                yield from _read_site(text, number, header, samples, asked)
            except Malformed as fault:
                is_whole = False  # nobody knows which gene the line is about
                yield samples.unreadable(number, fault.code, fault.reason)
    except Malformed as fault:
        yield samples.unreadable(0, fault.code, fault.reason)
        return
    except CutShort:
        is_whole = False
        yield samples.unreadable(0, *CUT_SHORT)
    if len(header.builds) > 1:
        yield samples.unreadable(0, *MIXED_BUILDS)
        return
    if header.layout is None:
        yield samples.unreadable(0, *NO_GENES)
    negatives = header.layout is not None and is_whole
    yield from samples.records(next(iter(header.builds), None), negatives=negatives)


def _read_header(lines: Iterator[tuple[int, str]], header: _Header, samples: Samples) -> None:
    for number, text in lines:
        if not text.startswith("#"):
            break
        header.read(text)
        if header.samples:
            for sample in header.samples.values():
                samples.expect(sample, number)
            return
    raise Malformed("malformed-header", "the line of column names is missing")


def _read_site(
    text: str, number: int, header: _Header, samples: Samples, asked: Asked
) -> Iterator[Unreadable]:
    if not text and not isinstance(text, TooLong):
        return
    cells = fields_of(text, header.width)
    chromosome, position = chromosome_name(cells[0], "CHROM"), position_number(cells[1], "POS")
    reference = allele(cells[3], "REF")
    alternates = [one.upper() if one.isalpha() else one for one in cells[4].split(",", MAX_ALTERNATES)]
    if len(alternates) > MAX_ALTERNATES:
        raise Malformed("too-many-alleles", f"the site has over {MAX_ALTERNATES} alternate alleles")
    keys = cells[8].split(":")
    alone = len(header.samples) == 1
    calls = {c: Call(keys, cells[c], reference, alternates, alone=alone) for c in header.samples}
    normals = {column: Call(keys, cells[column], reference, alternates) for column in header.normal_columns}
    carriers: defaultdict[int, list[int]] = defaultdict(list)
    for column, call in calls.items():
        for index in (*call.carried, *call.open):
            carriers[index].append(column)
    for index, alternate in enumerate(alternates, start=1):
        if alternate in NO_ALLELE or not carriers[index]:
            continue
        site: Variant = {
            "chromosome": chromosome,
            "position": position,
            "end_position": position + len(reference) - 1,
            "reference_allele": reference,
            "alternate_allele": allele(alternate, "ALT"),
            "rs_id": cells[2] if cells[2].startswith("rs") and len(cells[2]) <= 50 else None,
            "filter": None if cells[6] == "." else cells[6],
        }
        found = [NOT_ANNOTATED]
        if header.layout:
            found = annotations(cells[7], header.layout, reference, alternates, index)
        for column in carriers[index]:
            sample, call = header.samples[column], calls[column]
            inherited = [normals[normal].is_inherited(index) for normal in header.normals_of(sample)]
            origin = _origin(cells[7], inherited) or asked.origin
            variant = {**site, **call.fields(index), "genetic_origin": origin}
            yield from _add(samples, number, sample, variant, found, asked, is_open=index in call.open)


def _add(
    samples: Samples,
    number: int,
    sample: str,
    variant: Variant,
    found: list[Annotation],
    asked: Asked,
    *,
    is_open: bool,
) -> Iterator[Unreadable]:
    """Note the variant in each gene that it affects; a report of every gene's name that is in doubt."""
    for effect in found:
        fields = _fields(effect)
        if is_open and effect.classification not in SYNONYMOUS:
            fields["variant_classification"] = OPEN
        genes = genes_of(effect.symbol, asked, effect.hgnc_id or "") if effect.symbol else [NOT_NAMED]
        for gene in genes:
            doubt = samples.add_in(sample, number, {**variant, **fields}, gene)
            if doubt:
                yield samples.unreadable(number, *doubt)


def _origin(info: str, inherited: list[bool]) -> str | None:
    """Whether the variant is inherited: by the paired normal samples, else by what the caller says."""
    if any(inherited):
        return "germline"
    flags = info.split(";")
    if "SOMATIC" in flags or "SS=2" in flags or "SS=Somatic" in flags:
        return "somatic"
    if "SS=1" in flags or "SS=Germline" in flags:
        return "germline"
    return "somatic" if inherited else None


def _fields(found: Annotation) -> Variant:
    return {
        "variant_classification": found.classification,
        "reference_sequence": found.transcript,
        "hgvs_c": found.hgvs_c,
        "hgvs_p": found.hgvs_p,
    }
