"""Where genes lie and how long their exons are, from the annotation that the site gives: GTF or BED."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from protocols.core.errors import Code, InputError
from site_node.sources.genomics.intervals import Interval, covered
from site_node.sources.genomics.samples import build_name
from site_node.sources.lines import CutShort, numbered_lines

Position = tuple[str, int, int]  # chromosome without `chr`, first and last base

NAME = re.compile(r'gene_name "([^"]{1,60})"')
IDENTIFIER = re.compile(r'gene_id "([^"]{1,60})"')
BUILD_LINE = re.compile(r"(?:genome-build|genome) \(?((?:GRCh|hg)\d\d)", re.IGNORECASE)
BED_NAME_END = re.compile(r"[|;,: ]")


@dataclass(frozen=True)
class Genes:
    """What an annotation says of genes, by symbol.

    Attributes:
        build: the genome build that the file names.
        positions: symbol -> where the gene lies; of a symbol that stands in two places the first.
        lengths: symbol -> bases of all its exons together; empty for a BED.
        symbols: gene identifier without version -> symbol.
    """

    build: str | None = None
    positions: dict[str, Position] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)


def read_genes(path: Path | None) -> Genes | None:
    """The genes of a GTF (features `gene` and `exon`) or of a BED whose fourth column is the symbol.

    Raises:
        InputError: there is no such file, it is neither, or it ends in the middle.
    """
    if path is None:
        return None
    if not path.is_file():
        raise InputError(Code.NOT_FOUND, f"there is no gene annotation {path.name}")
    build, lines = None, []
    try:
        for _, text in numbered_lines(path):
            if text.startswith("#"):
                stated = BUILD_LINE.search(text)
                build = build or (build_name(stated.group(1)) if stated else None)
            elif text and not text.startswith(("track", "browser")):
                lines.append(text.split("\t"))
    except CutShort:
        raise InputError(Code.INVALID_INPUT, f"{path.name} ends in the middle") from None
    if any(len(cells) >= 9 and cells[2] == "gene" for cells in lines):
        return _of_gtf(build, lines)
    positions = dict(reversed(list(_of_bed(path.name, lines))))
    return Genes(build, positions)


def _of_gtf(build: str | None, lines: Iterable[list[str]]) -> Genes:
    genes = Genes(build)
    exons: defaultdict[str, list[Interval]] = defaultdict(list)
    for cells in lines:
        if len(cells) < 9 or cells[2] not in ("gene", "exon") or not (cells[3] + cells[4]).isdigit():
            continue
        identifier, name = IDENTIFIER.search(cells[8]), NAME.search(cells[8])
        if not identifier:
            continue
        bare = identifier.group(1).split(".")[0]
        symbol = name.group(1) if name else bare
        start, end = int(cells[3]), int(cells[4])
        if cells[2] == "exon":
            exons[symbol].append((start, end))
            continue
        genes.symbols[bare] = symbol
        genes.positions.setdefault(symbol, (chromosome(cells[0]), start, end))
    genes.lengths.update({symbol: covered(found) for symbol, found in exons.items()})
    return genes


def _of_bed(name: str, lines: Iterable[list[str]]) -> Iterator[tuple[str, Position]]:
    for cells in lines:
        if len(cells) < 4 or not (cells[1].isdigit() and cells[2].isdigit()):
            raise InputError(Code.INVALID_INPUT, f"{name} is neither GTF nor BED with a name in column 4")
        # BED counts from 0 and leaves out the end
        yield BED_NAME_END.split(cells[3])[0], (chromosome(cells[0]), int(cells[1]) + 1, int(cells[2]))


def chromosome(name: str) -> str:
    """The chromosome as the CDM writes it: without `chr`, the mitochondrial one as MT."""
    bare = name[3:] if name[:3].lower() == "chr" else name
    return "MT" if bare == "M" else bare
