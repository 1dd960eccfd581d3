"""What a VCF says about a variant's gene and consequence: ANN (SnpEff) and CSQ (VEP), in MAF's words."""

import re
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import unquote

from cdm.vocabulary.consequences import CLASSIFICATIONS, OPEN, SEVERITY, classification

NO_TERM = len(SEVERITY)
NEARBY = ("5'Flank", "3'Flank", "IGR")
MAX_EFFECTS = 5_000  # of one site; the longest gene has some hundred transcripts
MAX_GENES = 50

FIELDS = (  # VEP's names
    *(
        "Allele",
        "Consequence",
        "SYMBOL",
        "Feature",
        "HGVSc",
        "HGVSp",
        "PICK",
        "CANONICAL",
        "ALLELE_NUM",
        "HGNC_ID",
    ),
)
ANN_FIELDS = {"Allele": 0, "Consequence": 1, "SYMBOL": 3, "Feature": 6, "HGVSc": 9, "HGVSp": 10}
NOWHERE = 1 << 30
CSQ_FORMAT = re.compile(r"Format: *([^\">]+)")


class Annotation(NamedTuple):
    """The effect that counts for one allele of a variant."""

    symbol: str | None
    hgnc_id: str | None
    classification: str | None
    transcript: str | None
    hgvs_c: str | None
    hgvs_p: str | None


NOT_ANNOTATED = Annotation(None, None, None, None, None, None)


class Layout(NamedTuple):
    """Which INFO key holds the effects, and where in an effect each of FIELDS stands."""

    key: str
    places: tuple[int, ...]


def layout_of(header_line: str) -> Layout | None:
    """The layout that an `##INFO` line declares; None if it is about something else."""
    if header_line.startswith("##INFO=<ID=ANN,"):
        return Layout("ANN=", _places(ANN_FIELDS))
    declared = CSQ_FORMAT.search(header_line) if header_line.startswith("##INFO=<ID=CSQ,") else None
    if declared is None:
        return None
    stated = {name.strip(): place for place, name in enumerate(declared.group(1).split("|"))}
    return Layout("CSQ=", _places(stated))


def _places(fields: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(fields.get(name, NOWHERE) for name in FIELDS)


def annotations(
    info: str, layout: Layout, reference: str, alternates: Sequence[str], index: int
) -> list[Annotation]:
    """The effect that counts in each gene that allele `index`, from 1, affects; the gravest gene first.

    In a gene it is the annotator's pick, else the most severe one. A gene that is merely near is left out
    where another is affected. Where no effect is of this allele, and the site has another that it may be of,
    the genes stand with the classification OPEN.
    """
    entry = next((part for part in info.split(";") if part.startswith(layout.key)), None)
    if entry is None:
        return [NOT_ANNOTATED]
    texts = entry[len(layout.key) :].split(",", MAX_EFFECTS)[:MAX_EFFECTS]
    effects = [_Effect(text.split("|"), layout.places) for text in texts]
    alternate = alternates[index - 1]
    of_allele = [effect for effect in effects if effect.number == str(index)]
    if not of_allele:
        spelling = _spelling(reference, alternates, {effect.allele for effect in effects}, layout)[index - 1]
        of_allele = [effect for effect in effects if effect.allele == spelling]
    by_gene: dict[str, _Effect] = {}
    for effect in sorted(of_allele or effects, key=attrgetter("order")):
        by_gene.setdefault(effect.symbol, effect)
    worst = list(by_gene.values())
    inside = [effect for effect in worst if effect.symbol and effect.is_inside()]
    found = [effect.annotation(reference, alternate) for effect in inside or worst[:1]][:MAX_GENES]
    if of_allele or len(alternates) == 1:
        return found
    return [Annotation(one.symbol, one.hgnc_id, OPEN, None, None, None) for one in found]


class _Effect:
    """One effect on one transcript."""

    __slots__ = ("allele", "feature", "hgnc_id", "hgvs_c", "hgvs_p", "number", "order", "symbol", "term")

    def __init__(self, cells: list[str], places: tuple[int, ...]) -> None:
        count = len(cells)
        allele, consequence, symbol, self.feature, self.hgvs_c, self.hgvs_p, pick, canonical, *ids = [
            cells[place] if place < count else "" for place in places
        ]
        self.allele = allele.upper()
        self.number, self.hgnc_id = ids
        self.symbol = symbol[:50]
        known = [term for term in consequence.split("&") if term in SEVERITY]
        self.term = min(known, key=SEVERITY.__getitem__, default="")
        self.order = (pick != "1", SEVERITY.get(self.term, NO_TERM), canonical != "YES")

    def is_inside(self) -> bool:
        """Whether the change lies in the gene, and not only before, behind or between genes."""
        return CLASSIFICATIONS.get(self.term, OPEN) not in NEARBY

    def annotation(self, reference: str, alternate: str) -> Annotation:
        more = len(alternate) - len(reference)
        return Annotation(
            symbol=self.symbol or None,
            hgnc_id=self.hgnc_id or None,
            classification=classification(self.term, inserts=more > 0, keeps_frame=more % 3 == 0),
            transcript=self.feature[:50] or None,
            hgvs_c=unquote(self.hgvs_c) or None,  # VCF 1.2 writes `=` and `,` in percent code
            hgvs_p=unquote(self.hgvs_p) or None,
        )


def _spelling(
    reference: str, alternates: Sequence[str], stated: Collection[str], layout: Layout
) -> tuple[str, ...]:
    """How the effects write each alternate of the site, of the ways that the annotators have.

    SnpEff writes it as it is. VEP takes the first base off all alleles where they share it and one is an
    indel, and writes `-` for nothing; so a base may be the insertion of one allele and the whole of another.
    """
    whole = tuple(one.upper() for one in alternates)
    bases = [one for one in (reference.upper(), *whole) if one.isalpha()]
    is_indel = len({len(one) for one in bases}) > 1
    if not is_indel or len({one[0] for one in bases}) > 1:
        return whole
    cut = tuple((one[1:] or "-") if one.isalpha() else one for one in whole)
    ways = (cut, whole) if layout.key == "CSQ=" else (whole, cut)
    return max(ways, key=lambda way: len(set(way) & set(stated)))  # the first, if both tell as much
