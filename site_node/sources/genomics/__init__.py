"""Genomic files of a hospital as records: MAF and VCF, told apart by their content."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from cdm.etl.record import SourceRecord, Unreadable
from protocols.core.errors import Code, InputError
from site_node.sources.genomics import maf, vcf
from site_node.sources.genomics.panel import Panel, read_panel, read_samples
from site_node.sources.genomics.samples import tested_sample
from site_node.sources.lines import CutShort, numbered_lines

__all__ = ["read"]

SUFFIXES = (".maf", ".maf.gz", ".maf.txt", ".vcf", ".vcf.gz", ".vcf.bgz")


def read(
    path: Path, panel: str | Path | None = None, samples: Path | None = None
) -> Iterator[SourceRecord | Unreadable]:
    """One record a sample of a file, or of every MAF and VCF file below a folder, and what could not be read.

    Args:
        path: a file or a folder.
        panel: which genes were tested: `exome`, `genome`, or a file of gene symbols. Without it a gene counts
            as tested only where the sample has a variant in it.
        samples: a list of the samples that were tested, which brings in those without any variant and, in a
            column `patient`, says whose they are.

    Raises:
        InputError: there is no such file, or the panel is not one.
    """
    if not path.exists():
        raise InputError(Code.NOT_FOUND, f"there is no file or folder {path.name}")
    tested, patients = read_panel(panel), read_samples(samples)
    seen: set[str] = set()
    whole = True
    for file in _files(path):
        name = file.name if file == path else str(file.relative_to(path))
        for found in _read_file(file, name, tested, patients):
            if isinstance(found, SourceRecord):
                seen.add(found.record_id.rpartition("#")[2])
            elif found.position == name:
                whole = False  # a listed sample may be in the part that was not read
            yield found
    for sample in sorted(patients.keys() - seen) if whole else ():
        yield tested_sample("MAF", f"#{sample}", "samples", patients[sample], tested, None, [])


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.name.lower().endswith(SUFFIXES))


def _read_file(
    file: Path, name: str, tested: Panel, patients: Mapping[str, str]
) -> Iterator[SourceRecord | Unreadable]:
    match _kind(file):
        case "VCF":
            return vcf.read(file, name, tested, patients)
        case "MAF":
            return maf.read(file, name, tested, patients)
    return iter([Unreadable("genomics", name, "unknown-format", "the file is neither MAF nor VCF")])


def _kind(file: Path) -> str:
    """`MAF`, `VCF` or nothing, by the first line that is not a comment."""
    try:
        for _, text in numbered_lines(file):
            if text.startswith("##fileformat=VCF"):
                return "VCF"
            if text and not text.startswith("#"):
                return "MAF" if "hugo_symbol" in text.lower().split("\t") else ""
    except CutShort:
        pass
    return ""
