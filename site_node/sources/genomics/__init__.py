"""Genomic files of a hospital as records, told apart by their content and not by their names.

VCF, MAF, SEG and log2 ratios, fusions (STAR-Fusion, Arriba, cBioPortal), tables of genes or probes
(expression, methylation, copy number), purity, and liquid biopsies. PLINK's genotypes (PGEN, BED) stay
where they lie; of them the samples are recorded.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cdm.etl.record import SourceRecord, Unreadable
from protocols.core.errors import Code, InputError, not_found
from site_node.sources.files import files_below
from site_node.sources.genomics import fusions, genotypes, maf, matrix, numbers, segments, vcf
from site_node.sources.genomics.asked import Asked, origin_of, strand_of, values_of
from site_node.sources.genomics.builds import Builds, build_name
from site_node.sources.genomics.columns import Spellings, splitter
from site_node.sources.genomics.genes import read_genes
from site_node.sources.genomics.panel import read_panel, read_samples
from site_node.sources.genomics.samples import Samples
from site_node.sources.genotypes.fileset import is_genotypes
from site_node.sources.lines import CutShort, numbered_lines, open_bytes

__all__ = ["Told", "read"]

VARIANTS = (".maf", ".vcf", ".vcf.bgz")
OTHERS = (".seg", ".cnr", ".cns", ".gct", ".sf", ".results", ".tsv", ".txt", ".csv", ".tab")
MOST_REPORTS = 1_000  # of one file: what has more broken lines is broken as a whole
PACKED = (".xlsx", ".xls", ".zip", ".tar", ".tgz", ".bcf", ".7z", ".rar")
PACKED_BY = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BCF\x02")
UNKNOWN = (
    "unknown-format",
    "the file is of no genomic format that is read; a list of samples, genes or a panel has its own option",
)
UNPACK = ("packed-file", "an archive, a spreadsheet or a BCF: unpack it, or save it as text (TSV, CSV, VCF)")
GIVEN_UP = ("too-many-faults", f"over {MOST_REPORTS} lines could not be read; the others are not listed")


@dataclass(frozen=True)
class Told:
    """What the administrator says of the files; the arguments of `read`."""

    panel: str | None = None
    samples: Path | None = None
    panel_size: float | None = None
    origin: str | None = None
    build: str | None = None
    genes: Path | None = None
    values: str | None = None
    strand: str | None = None


Reader = Callable[[Path, str, Asked], Iterator[SourceRecord | Unreadable]]


def read(
    path: Path,
    panel: str | Path | None = None,
    samples: Path | None = None,
    *,
    panel_size: float | None = None,
    origin: str | None = None,
    build: str | None = None,
    genes: Path | None = None,
    values: str | None = None,
    strand: str | None = None,
) -> Iterator[SourceRecord | Unreadable]:
    """One record per sample of a file, or of every genomic file below a folder, and what could not be read.

    Args:
        path: a file or a folder.
        panel: which genes were tested: `exome`, `genome`, or a file of gene symbols. Without it a gene counts
            as tested only where the sample has a variant in it.
        samples: a list of the samples that were tested, which brings in those without any variant and, in a
            column `patient`, says whose they are.
        panel_size: megabases that the panel reads; of a BED they are counted.
        origin: `germline` where the files hold inherited variants and do not say so.
        build: the genome build of files that do not name it.
        genes: GTF or BED that says where genes lie and how long they are.
        values: what the numbers of a table are, where it does not say (`tpm`, `counts`, `beta`, …).
        strand: of the alleles of genotypes: `forward`, or `unknown`.

    Raises:
        InputError: there is no such file, or an option is not one.
    """
    if not path.exists():
        raise not_found(path, "file or folder")
    build = build_name(build) if build else None
    asked = Asked(
        read_panel(panel, panel_size),
        read_samples(samples),
        origin_of(origin),
        build,
        read_genes(genes),
        values_of(values),
        Builds(build),
        strand_of(strand),
    )
    if asked.genes and asked.genes.build and not asked.builds.admits(asked.genes.build):
        raise InputError(Code.INVALID_INPUT, "--build and the gene annotation name two genome builds")
    options = {Path(one).resolve() for one in (panel, samples, genes) if one}
    yield from _read_all(path, asked, options)


def _read_all(path: Path, asked: Asked, options: set[Path]) -> Iterator[SourceRecord | Unreadable]:
    seen: set[str] = set()
    whole = has_variants = False
    for file, reader in _files(path, options):
        name = file.name if file == path else str(file.relative_to(path))
        is_variants = reader in (maf.read, vcf.read)
        whole = whole if has_variants else True
        has_variants |= is_variants
        for found in _bounded(reader(file, name, asked), name):
            if isinstance(found, SourceRecord):
                if is_variants:
                    seen.add(found.body["sample"])
            elif found.position == name and is_variants:
                whole = False  # a listed sample may be in the part that was not read
            yield found
    listed = Samples("MAF", "", asked)
    for sample in sorted(asked.patients.keys() - seen) if whole and has_variants else ():
        yield listed.record(sample, "samples", asked.panel, asked.builds.stated, [])


def _files(path: Path, options: set[Path]) -> Iterator[tuple[Path, Reader]]:
    """The files with their readers; below a folder no files but tables, and what may hold some."""
    for file in files_below(path):
        name = file.name.lower().removesuffix(".gz")
        if file.resolve() in options and file != path:
            continue
        if is_genotypes(file):
            yield file, genotypes.read
        elif file == path or name.endswith((*VARIANTS, *OTHERS, *PACKED)):
            yield file, _reader(file) or _unknown


def _unknown(file: Path, name: str, asked: Asked) -> Iterator[SourceRecord | Unreadable]:
    try:
        with open_bytes(file) as content:
            is_packed = content.read(8).startswith(PACKED_BY)
    except (OSError, EOFError, zlib.error):
        is_packed = False
    is_packed = is_packed or file.name.lower().removesuffix(".gz").endswith(PACKED)
    yield Unreadable("genomics", name, *(UNPACK if is_packed else UNKNOWN))


def _bounded(found: Iterator[SourceRecord | Unreadable], name: str) -> Iterator[SourceRecord | Unreadable]:
    """The findings with at most MOST_REPORTS broken lines, so that no file fills the quarantine."""
    reports = 0
    for one in found:
        reports += isinstance(one, Unreadable)
        if isinstance(one, SourceRecord) or reports <= MOST_REPORTS or one.position == name:
            yield one
    if reports > MOST_REPORTS:
        yield Unreadable("genomics", name, *GIVEN_UP)


def _reader(file: Path) -> Reader | None:
    """The reader of the file by its first line that is not a comment; None where no reader knows it."""
    try:
        for number, text in numbered_lines(file):
            if text.startswith("##fileformat=VCF"):
                return vcf.read
            header = text.split("\t")
            if text.startswith("#1.2"):
                return matrix.read
            if text.startswith("#") and len(header) > 3 and _has(header, fusions.COLUMNS, fusions.REQUIRED):
                return fusions.read
            if text and not text.startswith("#"):
                return _of_table(splitter(text)(text))
            if number > 100_000:
                return None
    except CutShort:
        pass
    return None


def _of_table(header: list[str]) -> Reader | None:
    names = {cell.strip().strip('"').lower() for cell in header}
    if "hugo_symbol" in names and names & {"chromosome", "variant_classification", "tumor_sample_barcode"}:
        return numbers.read_ctdna if numbers.is_ctdna(names) else maf.read
    if _has(header, fusions.COLUMNS, fusions.REQUIRED):
        return fusions.read
    if "geneid" not in names and _has(header, segments.COLUMNS, segments.REQUIRED):
        return segments.read
    if numbers.is_ctdna(names):
        return numbers.read_ctdna
    if numbers.is_purity(names):
        return numbers.read_purity
    return matrix.read if matrix.is_matrix(header) else None


def _has(header: list[str], spellings: Spellings, required: tuple[str, ...]) -> bool:
    names = {cell.strip().strip('"').lstrip("#").lower() for cell in header}
    return all(names & set(spellings[column]) for column in required)
