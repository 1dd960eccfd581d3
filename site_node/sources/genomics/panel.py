"""Which genes a test reaches: without knowing that, a gene without a variant tells nothing."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cdm.vocabulary.genes import gene_names
from protocols.core.errors import Code, InputError, not_found
from site_node.sources.genomics.intervals import covered
from site_node.sources.lines import numbered_lines

Scope = Literal["panel", "exome", "genome", "transcriptome"]
EVERY_GENE: dict[str, Scope] = {"exome": "exome", "genome": "genome", "transcriptome": "transcriptome"}

GENE_COLUMNS = ("hugo_symbol", "hgnc_symbol", "gene_symbol", "symbol", "gene")
SAMPLE_COLUMNS = ("tumor_sample_barcode", "sample", "sample_id")
PATIENT_COLUMNS = ("patient", "patient_id", "case_id")
SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.@-]{0,39}")
BED_NAME_END = re.compile(r"[|;,:_ ]")  # EGFR|ENST00000275493, EGFR_exon_19: the symbol stands first


@dataclass(frozen=True)
class Panel:
    """The genes that a test reaches: every gene for an exome or genome, else those named.

    `megabases` is how much sequence it reads, where that is stated or follows from a BED.
    """

    scope: Scope
    genes: frozenset[str] = frozenset()
    megabases: float | None = None


NOTHING_STATED = Panel("panel")
"""No panel was given: a gene is known to be tested where a variant was found in it, and nowhere else."""


def read_panel(panel: str | Path | None, megabases: float | None = None) -> Panel:
    """The panel that `--panel` names: `exome`, `genome`, `transcriptome`, or a file.

    The file has one gene per line, a table with a column of gene symbols, or a BED whose fourth column begins
    with the symbol; a BED also says how many megabases are read, unless they are stated.

    Raises:
        InputError: there is no such file, or a line of it holds no gene symbol.
    """
    if megabases is not None and not 0 < megabases < 4000:
        raise InputError(
            Code.INVALID_INPUT, "--panel-size takes megabases, more than 0 and less than a genome"
        )
    if panel is None:
        return Panel("panel", megabases=megabases)
    if str(panel) in EVERY_GENE:
        return Panel(EVERY_GENE[str(panel)], megabases=megabases)
    path = Path(panel)
    if not path.is_file():
        raise InputError(
            Code.NOT_FOUND,
            f"there is no panel file {path.name}",
            "give a file of genes, or --panel exome where every gene was tested",
        )
    return Panel("panel", frozenset(_symbols(path)), megabases or _megabases(path))


def _megabases(path: Path) -> float | None:
    """How much the regions of a BED cover; None where the file is not a BED."""
    regions: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for _, cells in _table(path):
        if not _is_bed(cells):
            return None
        regions[cells[0].removeprefix("chr")].append((int(cells[1]) + 1, int(cells[2])))
    return sum(map(covered, regions.values())) / 1e6 or None


def _symbols(path: Path) -> Iterator[str]:
    column = None
    for number, cells in _table(path):
        if column is None:
            column = _named(cells, GENE_COLUMNS)
            if column is not None:
                continue
            column = 0
        symbol = BED_NAME_END.split(cells[3])[0] if _is_bed(cells) else "".join(cells[column : column + 1])
        if not SYMBOL.fullmatch(symbol) or gene_names().date(symbol) is not None:
            raise InputError(
                Code.INVALID_INPUT,
                f"{path.name}:{number} holds no gene symbol",
                "a spreadsheet may have made a date of it: export the names again, as text",
            )
        yield gene_names().symbol(symbol) or symbol


def read_samples(path: Path | None) -> Mapping[str, str]:
    """Sample -> patient of every sample that was tested, those without any variant too.

    One sample per line, or a table whose header names a sample column and, if it differs, a patient column.

    Raises:
        InputError: there is no such file.
    """
    if path is None:
        return {}
    if not path.is_file():
        raise not_found(path, "sample list")
    patients: dict[str, str] = {}
    sample_column, patient_column = None, None
    for _, cells in _table(path):
        if sample_column is None:
            sample_column, patient_column = _named(cells, SAMPLE_COLUMNS), _named(cells, PATIENT_COLUMNS)
            if sample_column is not None:
                continue
            sample_column = 0
        sample = "".join(cells[sample_column : sample_column + 1])
        stated = "".join(cells[patient_column : patient_column + 1]) if patient_column is not None else ""
        if sample:
            patients[sample] = stated or patient_of(sample)
    return patients


TCGA_BARCODE = re.compile(r"(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})(?:-(\d\d)[A-Z]?.*)?")
TCGA_NORMAL_TYPES = range(10, 20)
NORMAL = re.compile(r"(?:.*[-_. ])?normal", re.IGNORECASE)  # NORMAL, P1_normal


def patient_of(sample: str) -> str:
    """The patient of a sample: the first twelve characters of a TCGA barcode, else the sample's own name."""
    barcode = TCGA_BARCODE.fullmatch(sample)
    return barcode.group(1) if barcode else sample


def is_normal(sample: str) -> bool:
    """Whether the sample's name says that it is the normal one of a pair: by TCGA's type, or in a word."""
    barcode = TCGA_BARCODE.fullmatch(sample)
    if barcode and barcode.group(2):
        return int(barcode.group(2)) in TCGA_NORMAL_TYPES
    return NORMAL.fullmatch(sample) is not None


def _table(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, text in numbered_lines(path):
        if text.strip() and not text.startswith(("#", "track", "browser")):
            yield number, [cell.strip() for cell in text.split("\t")]


def _named(cells: list[str], names: tuple[str, ...]) -> int | None:
    lowered = [cell.lower() for cell in cells]
    return next((lowered.index(name) for name in names if name in lowered), None)


def _is_bed(cells: list[str]) -> bool:
    return len(cells) >= 4 and cells[1].isdigit() and cells[2].isdigit()
