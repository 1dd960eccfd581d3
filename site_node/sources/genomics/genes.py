"""Where genes lie and how long their exons are, from the annotation that the site gives: GTF or BED."""

import re
from array import array
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from protocols.core.errors import Code, InputError, not_found
from site_node.sources.genomics.builds import build_name
from site_node.sources.genomics.intervals import covered
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
        raise not_found(path, "gene annotation")
    genes = _Genes(path.name)
    try:
        for _, text in numbered_lines(path):
            genes.take(text)
    except CutShort:
        raise InputError(Code.INVALID_INPUT, f"{path.name} ends in the middle") from None
    return genes.read()


class _Genes:
    """The genes as they fill line by line; of millions of exons only their places are held."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._build: str | None = None
        self._positions: dict[str, Position] = {}
        self._symbols: dict[str, str] = {}
        self._exons: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))  # first, last, first, …

    def take(self, text: str) -> None:
        """Take in one line.

        Raises:
            InputError: it is of neither format.
        """
        if text.startswith("#"):
            stated = BUILD_LINE.search(text)
            self._build = self._build or (build_name(stated.group(1)) if stated else None)
            return
        if not text or text.startswith(("track", "browser")):
            return
        cells = text.split("\t", 9)
        if len(cells) >= 9 and (cells[3] + cells[4]).isdecimal():
            self._take_feature(cells)
        elif len(cells) >= 4 and (cells[1] + cells[2]).isdecimal():
            # BED counts from 0 and leaves out the end
            place = chromosome(cells[0]), int(cells[1]) + 1, int(cells[2])
            self._positions.setdefault(BED_NAME_END.split(cells[3])[0], place)
        else:
            raise InputError(
                Code.INVALID_INPUT, f"{self._file} is neither GTF nor BED with a name in column 4"
            )

    def _take_feature(self, cells: list[str]) -> None:
        identifier = IDENTIFIER.search(cells[8]) if cells[2] in ("gene", "exon") else None
        if not identifier:
            return
        name, bare = NAME.search(cells[8]), identifier.group(1).split(".")[0]
        symbol = name.group(1) if name else bare
        start, end = int(cells[3]), int(cells[4])
        if cells[2] == "exon":
            self._exons[symbol].extend((start, end))
        else:
            self._symbols[bare] = symbol
            self._positions.setdefault(symbol, (chromosome(cells[0]), start, end))

    def read(self) -> Genes:
        """What the file says.

        Raises:
            InputError: it names no gene.
        """
        if not self._positions:
            raise InputError(
                Code.INVALID_INPUT,
                f"{self._file} has no line of a gene",
                "give a GTF with the feature `gene`, as GENCODE and Ensembl write it, or a BED",
            )
        lengths = {symbol: covered(zip(e[::2], e[1::2], strict=True)) for symbol, e in self._exons.items()}
        return Genes(self._build, self._positions, lengths, self._symbols)


OTHER_NAMES = {"M": "MT", "MT": "MT", "23": "X", "24": "Y", "X": "X", "Y": "Y"}  # as segmenters number them


def chromosome(name: str) -> str:
    """The chromosome as the CDM writes it: without `chr`; M is MT, 23 and 24 are X and Y."""
    bare = name[3:] if name[:3].lower() == "chr" else name
    return OTHER_NAMES.get(bare.upper(), bare)
