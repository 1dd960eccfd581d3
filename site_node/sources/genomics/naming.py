"""Which gene a file's word for it means, and what is to be told where nobody can say.

A variant under a name that nobody knows may lie in any gene, so its sample's test then states no negative
result. A name that a spreadsheet made a date, or that several genes have, leaves open those genes alone.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from cdm.vocabulary.genes import gene_names
from site_node.sources.genomics.asked import Asked

NO_GENE = ("", ".", "-", "UNKNOWN", "NONE", "NA")
SEVERAL = re.compile(r"[;,|&+/\s]+")
PLACE = re.compile(r"\([^()]*\)")  # ANNOVAR's distance or transcripts: IDH1(dist=320)
SYMBOL_LENGTH = 50

DATE = (
    "gene-name-date",
    "a spreadsheet made a date or a number of the gene's name: no gene that it may mean counts "
    "as not mutated; export the names again, as text",
)
SHARED = (
    "ambiguous-gene",
    "the name belongs to several genes: none of them counts as not mutated here; write the symbol of today",
)
UNKNOWN = (
    "unknown-gene",
    "HGNC does not know this gene's name, so its sample's test states no negative result; correct the name, "
    "or name the gene in --panel or --genes",
)


class Gene(NamedTuple):
    """One gene of a line.

    Attributes:
        symbol: HGNC's symbol, the file's word where that is not certain; None where no gene is named.
        doubt: the code and reason that the line is reported with.
        may_be_any: whether the variant may lie in any gene.
    """

    symbol: str | None
    doubt: tuple[str, str] | None = None
    may_be_any: bool = False


NOT_NAMED = Gene(None)


def genes_of(text: str, asked: Asked, identifier: str = "") -> list[Gene]:
    """The genes that a cell names, which may be several; one without a symbol where it names none.

    NCBI's or HGNC's number of the gene decides where the name alone does not.
    """
    numbered = gene_names().symbol_of_id(identifier)
    if numbered and not gene_names().symbol(text):
        return [Gene(numbered)]
    found = dict.fromkeys(_gene(word, asked) for word in _words(text) if word.upper() not in NO_GENE)
    return list(found) or [NOT_NAMED]


def symbol_of(text: str) -> str:
    """HGNC's symbol of a gene of a panel or a table; the word as it stands where that is not certain."""
    return gene_names().symbol(text) or text


def is_date(text: str) -> bool:
    """Whether a spreadsheet has made a date or a number of a gene's name."""
    return gene_names().date(text) is not None


def _words(text: str) -> Iterator[str]:
    names = gene_names()
    if names.is_known(text) or names.date(text) is not None:  # OCT3/4, 1/3/2020
        yield text.strip()
    else:
        yield from SEVERAL.split(PLACE.sub("", text).strip())


def _gene(word: str, asked: Asked) -> Gene:
    names = gene_names()
    symbol = names.symbol(word) or names.symbol(_by_annotation(word, asked))
    if symbol:
        return Gene(symbol)
    day = names.date(word)
    if day is not None:
        return Gene(day or word[:SYMBOL_LENGTH], DATE, may_be_any=not day)
    if word in asked.panel.genes or (asked.genes and word in asked.genes.positions):
        return Gene(word[:SYMBOL_LENGTH])
    if names.candidates(word):
        return Gene(word[:SYMBOL_LENGTH], SHARED)
    is_known = names.is_known(word)
    return Gene(word[:SYMBOL_LENGTH], None if is_known else UNKNOWN, may_be_any=not is_known)


def _by_annotation(word: str, asked: Asked) -> str:
    """The symbol that the site's gene annotation gives to an identifier, without its version."""
    return asked.genes.symbols.get(word.split(".")[0], word) if asked.genes else word
