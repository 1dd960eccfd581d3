"""What kind of change a variant Observation states, and what it does to the gene (genomics-reporting 2.0)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from cdm.etl.fhir.words.components import Components
from cdm.vocabulary.consequences import (
    CLASSIFICATIONS,
    COPY_NUMBER,
    FUSION,
    OPEN,
    SEVERITY,
    TERMS,
    classification,
)
from cdm.vocabulary.genes import gene_names

CHANGE_TYPE, COPIES, PROTEIN, CODING = "48019-4", "82155-3", "48005-3", "48004-6"
ALLELES = ("69547-8", "69551-0")
CONSEQUENCE = ("molecular-consequence", "feature-consequence", "48006-1")
ISCN = "81291-7"  # a cytogenomic nomenclature, t(9;22)(q34;q11)

GAINS = ("SO:0001742", "SO:0001911", "copy_number_gain", "copy number gain", "amplification", "gain")
LOSSES = ("SO:0001743", "SO:0001912", "copy_number_loss", "copy number loss", "loss")
COUNTS = ("SO:0001019", "SO:0001563", "copy_number_variation", "copy_number_change", "copy number variation")
LONG = ("SO:1000035", "SO:0000159", "duplication", "deletion")  # of bases or of a gene: the copies say which
FUSED = (
    *("SO:0000199", "SO:0001886", "SO:0001882", "SO:0001565", "SO:0000806", "SO:0002060", "SO:0002061"),
    *("translocation", "gene_fusion", "feature_fusion", "fusion", "gene fusion", "transcript_fusion"),
    *("interchromosomal_translocation", "intrachromosomal_translocation", "rearrangement"),
)
WILD = ("LA9658-1", "wild type", "wild-type", "no_sequence_alteration", "SO:0002073")
SAME_PROTEIN = re.compile(r"p\.\(?(?:(?:[A-Z][a-z]{2}|[A-Z])\d+)?=\)?")
FUSION_NAME = re.compile(r"([A-Z0-9][A-Z0-9-]*)(?:::|/)([A-Z0-9][A-Z0-9-]*)")


class Kind(NamedTuple):
    """The kind of change.

    Attributes:
        assay: what `genomic_test` says of a test that sees it; None for small variants.
        classification: the Variant_Classification of all changes of the kind.
        direction: of a copy number, the call where no copies are stated.
        is_change: False where the change type is "wild type".
    """

    assay: str | None = None
    classification: str | None = None
    direction: int = 0
    is_change: bool = True


SMALL, WILD_TYPE = Kind(), Kind(is_change=False)
FUSIONS = Kind("fusions", FUSION)
COUNTED = Kind("copy number", COPY_NUMBER)


def kind_of(components: Components) -> Kind:
    """The kind of change, by its type; one with copies and no name of a small change is a copy number."""
    words = {word.strip().lower() for word in components.words(CHANGE_TYPE)}
    consequences = {word.strip().lower() for code in CONSEQUENCE for word in components.words(code)}
    if words & _lower(WILD):
        return WILD_TYPE
    if (words | consequences) & _lower(FUSED) or "t(" in (components.text(ISCN) or ""):
        return FUSIONS
    if words & _lower(GAINS):
        return COUNTED._replace(direction=1)
    if words & _lower(LOSSES):
        return COUNTED._replace(direction=-1)
    has_copies = components.number(COPIES) is not None
    is_named = any(components.text(code) for code in (PROTEIN, CODING, *ALLELES)) or bool(consequences)
    if words & _lower(COUNTS) or (has_copies and (words & _lower(LONG) or not (words or is_named))):
        return COUNTED
    return SMALL


def classification_of(components: Components) -> str | None:
    """The Variant_Classification of a small change by its gravest consequence, or by an unchanged protein.

    None where no consequence is stated, OPEN where it is not a term of the Sequence Ontology.
    """
    stated = [word.strip() for code in CONSEQUENCE for word in components.words(code)]
    known = [TERMS.get(word, word) for word in stated]
    terms = sorted({term for term in known if term in CLASSIFICATIONS}, key=SEVERITY.__getitem__)
    if terms:
        change = f"{components.text(CODING) or ''}{components.text(PROTEIN) or ''}"
        inserts = "insertion" in terms[0] or "ins" in change or "dup" in change
        return classification(terms[0], inserts=inserts)
    protein = (components.text(PROTEIN) or "").rpartition(":")[2]
    if SAME_PROTEIN.fullmatch(protein):
        return "Silent"
    return OPEN if stated else None


def partners(components: Components) -> Iterator[str]:
    """The genes of a fusion that its name tells: BCR::ABL1."""
    for code in (CODING, "81290-9", "48019-4", ISCN):
        found = FUSION_NAME.search(components.text(code) or "")
        symbols = [gene_names().symbol(name) for name in found.groups()] if found else []
        yield from (symbol for symbol in symbols if symbol)


def _lower(words: tuple[str, ...]) -> set[str]:
    return {word.lower() for word in words}
