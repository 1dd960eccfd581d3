"""Genomics-reporting Observations: a variant (LOINC 69548-6), and the genes that a test read (53041-0).

    variant present           genomic_test, target_gene, variant_occurrence
    variant absent            genomic_test, target_gene: the gene was tested, and nothing was found
    no call, indeterminate    genomic_test alone: nothing is known of any gene
    region studied            genomic_test, a target_gene for each gene

The change decides the kind of the test, for a fusion or a gain of copies says nothing of mutations: a small
variant has the classification of its molecular consequence (none stated: it counts as its source states it,
unless the protein stays the same); a copy number is a segment, and the gene's call a profile; a translocation
is a fusion.

A variant without a gene and without any name of its change says too little and goes to quarantine.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import has_code
from cdm.etl.fhir.words.components import LOINC, Components
from cdm.etl.fhir.words.consequence import FUSIONS, SMALL, classification_of, kind_of, partners
from cdm.etl.fhir.words.events import Event
from cdm.etl.fhir.words.places import place_of
from cdm.etl.genomics.genomic_profile import block_of, pack
from cdm.etl.record import Body, Row, Unmappable
from cdm.vocabulary.consequences import COPY_NUMBER, FUSION
from cdm.vocabulary.genes import gene_names

VARIANT_ASSESSMENT, REGION_STUDIED = "69548-6", "53041-0"
PRESENT, ABSENT = "LA9633-4", "LA9634-2"
GENE = "48018-6"
ORIGIN = {"LA6683-2": "germline", "LA6684-0": "somatic", "LA10429-1": "fetal", "LA26807-0": "de novo"}
# LOINC code of a component -> the column that takes its text
NAMED = {
    "48004-6": "hgvs_c",
    "48005-3": "hgvs_p",
    "81290-9": "sequence_alteration",  # genomic DNA change, g.HGVS
    "51958-7": "reference_sequence",
    "69547-8": "reference_allele",
    "69551-0": "alternate_allele",
    "81255-2": "rs_id",
}
COPIES = "82155-3"
ALLELE_FRACTION = "81258-6"
READ_DEPTH = "82121-5"
ALLELIC_STATE = "53034-5"
PRESENT_WORDS = ("present", "positive", "detected", "52101004", "10828004", "la6576-8", "la11882-0")
ABSENT_WORDS = (
    *("absent", "negative", "not detected", "2667000", "260385009", "260415000", "la6577-6", "la11883-8"),
)
NO_CALL = ("no call", "no-call", "indeterminate", "la18198-4", "la11884-6", "la4489-6", "unknown")
LENGTH = {"reference_sequence": 50, "rs_id": 50}
CALL = "copy number call"
DIPLOID, LARGEST_CALL = 2, 2


class Gene(NamedTuple):
    """A gene by HGNC's symbol and number; the source's own word where HGNC does not know it."""

    symbol: str
    hgnc_id: str | None


def is_genomic(observation: Body) -> bool:
    """Whether the observation states a variant present or absent, or the genes that a test read."""
    code = observation.get("code")
    return has_code(code, LOINC, VARIANT_ASSESSMENT) or has_code(code, LOINC, REGION_STUDIED)


def genomic_rows(observation: Body, event: Event, context: Context) -> list[Row]:
    """The test, the genes that it reached, and the variant where it is present."""
    components = Components(observation)
    studied = has_code(observation.get("code"), LOINC, REGION_STUDIED)
    kind = SMALL if studied else kind_of(components)
    place = place_of(components)
    test = {
        "genomic_test_id": context.row_id(event.record_id, "genomic_test"),
        "person_id": event.person_id,
        "genomic_test_name": f"LOINC:{REGION_STUDIED if studied else VARIANT_ASSESSMENT}",
        "reference_genome": place.build,
        "test_date": event.start.day,
        "target_scope": "panel",
        "assay": kind.assay,
    }
    rows = [Row("genomic_test", test, event.start.precision)]
    present, absent = _answers(observation, context)
    if not present and not absent and not studied:
        return rows
    genes = list(dict.fromkeys(_genes(components)))
    if kind is FUSIONS:
        genes = list(dict.fromkeys((*genes, *(Gene(name, None) for name in partners(components)))))
    targets = {gene.symbol: _target_id(event, context, number) for number, gene in enumerate(genes)}
    for gene in genes:
        keys = {"target_gene_id": targets[gene.symbol], "genomic_test_id": test["genomic_test_id"]}
        rows.append(Row("target_gene", {**keys, "hgnc_symbol": gene.symbol, "hgnc_id": gene.hgnc_id}))
    if present and kind.is_change and not studied:
        rows.append(_variant(components, event, context, test, targets))
    if kind.assay == COPY_NUMBER_ASSAY and genes:
        rows += _calls(components, event, context, test, list(targets), kind.direction if present else None)
    return rows


COPY_NUMBER_ASSAY = "copy number"


def origin_of(word: str) -> str | None:
    """The origin that a code or display names; None where it names none."""
    return ORIGIN.get(word) or next((one for one in ORIGIN.values() if word.lower() == one), None)


def _answers(observation: Body, context: Context) -> tuple[bool, bool]:
    """Whether the variant is stated present, and whether absent: by LOINC, SNOMED or the words."""
    answer = observation.get("valueCodeableConcept") or {}
    present, absent = (has_code(answer, LOINC, code) for code in (PRESENT, ABSENT))
    if present or absent or has_code(observation.get("code"), LOINC, REGION_STUDIED):
        return present, absent
    texts = [coding.get(part) for coding in answer.get("coding") or () for part in ("code", "display")]
    words = {
        str(text).strip().lower() for text in (*texts, answer.get("text"), observation.get("valueString"))
    }
    said = not words.isdisjoint(PRESENT_WORDS), not words.isdisjoint(ABSENT_WORDS)
    if said[0] != said[1]:
        return said
    if words.isdisjoint(NO_CALL) and "dataAbsentReason" not in observation:
        context.doubt("answer-unknown")
    return False, False


def _target_id(event: Event, context: Context, number: int) -> int:
    return context.row_id(event.record_id, "target_gene", str(number) if number else "")


def _genes(components: Components) -> Iterator[Gene]:
    """The genes by HGNC's or NCBI's number, else by the name in the display or text."""
    names = gene_names()
    for coding in components.codings(GENE):
        number = str(coding.get("code") or "")
        if "genenames" in (coding.get("system") or "") and number.isdecimal():
            number = f"HGNC:{number}"
        display = str(coding.get("display") or "").strip()
        symbol = names.symbol_of_id(number) or names.symbol(display)
        if symbol:
            yield Gene(symbol, names.hgnc_id(symbol))
        elif display:
            yield Gene(display[:50], number if number.startswith("HGNC:") else None)


def _variant(
    components: Components, event: Event, context: Context, test: Body, targets: dict[str, int]
) -> Row:
    values: dict[str, Any] = {column: text for column, text in _texts(components) if text}
    place, kind = place_of(components), kind_of(components)
    vaf = components.fraction(ALLELE_FRACTION)
    if vaf is None and components.has(ALLELE_FRACTION):
        context.doubt("fraction-implausible")
    numbers = {
        "vaf": vaf,
        "copy_number": components.number(COPIES),
        "total_read_depth": _whole(components.number(READ_DEPTH)),
        "chromosome": place.chromosome,
        "position": place.start,
        "end_position": place.end,
        "reference_genome": place.build,
        "genotype": (components.text(ALLELIC_STATE) or "").lower()[:50] or None,
        "genetic_origin": next(filter(None, map(origin_of, components.words("48002-0"))), None),
        "variant_classification": kind.classification or classification_of(components),
    }
    values |= {column: value for column, value in numbers.items() if value is not None}
    if kind.classification == COPY_NUMBER and place.start:
        values["cnv_locus"] = f"{place.chromosome}:{place.start}-{place.end}"
    if not targets and not values:
        raise Unmappable("variant-unnamed", "a variant has neither a gene nor a name of its change")
    keys: dict[str, Any] = {
        "variant_occurrence_id": context.row_id(event.record_id, "variant_occurrence"),
        "person_id": event.person_id,
        "genomic_test_id": test["genomic_test_id"],
        "target_gene1_id": None,
        "target_gene1_symbol": None,
    }
    for number, (symbol, key) in enumerate(
        list(targets.items())[: 2 if kind.classification == FUSION else 1]
    ):
        keys |= {f"target_gene{number + 1}_id": key, f"target_gene{number + 1}_symbol": symbol}
    return Row("variant_occurrence", {**keys, **values})


def _texts(components: Components) -> Iterator[tuple[str, str | None]]:
    for code, column in NAMED.items():
        text = components.text(code)
        yield column, text[: LENGTH.get(column)] if text else None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _calls(
    components: Components,
    event: Event,
    context: Context,
    test: Body,
    symbols: list[str],
    direction: int | None,
) -> Iterator[Row]:
    """The genes' copy number calls, -2 to 2: by the copies stated, else by the direction of the change.

    `direction` is None where the change is absent; with other copies than two beside it there is no call.
    """
    copies = components.number(COPIES)
    call = direction or 0
    if copies is not None and 0 <= copies < math.inf:
        call = max(-LARGEST_CALL, min(LARGEST_CALL, round(copies) - DIPLOID))
    if direction is None and call != 0:
        context.doubt("copies-contradict")
        return
    blocks: dict[int, list[str]] = {}
    for symbol in symbols:
        blocks.setdefault(block_of(symbol), []).append(symbol)
    for block, names in blocks.items():
        profile = {
            "genomic_profile_id": context.row_id(event.record_id, "genomic_profile", f"{CALL}:{block}"),
            "person_id": event.person_id,
            "genomic_test_id": test["genomic_test_id"],
            "quantity": CALL,
            "block": block,
            "content": pack(names, np.full(len(names), call, dtype=np.float32)),
        }
        yield Row("genomic_profile", profile)
