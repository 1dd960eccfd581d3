"""A genomics-reporting variant (Observation LOINC 69548-6): what was tested, and the variant if there is one.

    present                   genomic_test, target_gene, variant_occurrence
    absent                    genomic_test, target_gene: the gene was tested, and nothing was found
    no call, indeterminate    genomic_test alone: nothing is known of any gene

A variant without a gene and without any name of its change says too little and goes to quarantine.
"""

from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import has_code
from cdm.etl.fhir.words.events import Event
from cdm.etl.record import Body, Row, Unmappable

LOINC = "http://loinc.org"
VARIANT_ASSESSMENT = "69548-6"
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
    "62374-4": "reference_genome",
    "48000-4": "chromosome",
}
COPY_NUMBER = "82155-3"
ALLELE_FRACTION = "81258-6"
READ_DEPTH = "82121-5"
LENGTH = {"reference_sequence": 50, "rs_id": 50, "chromosome": 25, "reference_genome": 25}


def is_variant_assessment(observation: Body) -> bool:
    """Whether the observation states a variant present or absent."""
    return has_code(observation.get("code"), LOINC, VARIANT_ASSESSMENT)


def genomic_rows(observation: Body, event: Event, context: Context) -> list[Row]:
    """The test, the gene that it reached, and the variant where it is present."""
    answer = observation.get("valueCodeableConcept")
    test_id = context.row_id(event.record_id, "genomic_test")
    components = {code: one for one in observation.get("component") or () for code in _loinc_codes(one)}
    test = {
        "genomic_test_id": test_id,
        "person_id": event.person_id,
        "genomic_test_name": f"LOINC:{VARIANT_ASSESSMENT}",
        "reference_genome": _text(components.get("62374-4")),
        "test_date": event.start.day,
        "target_scope": "panel",
    }
    rows = [Row("genomic_test", test, event.start.precision)]
    present, absent = (has_code(answer, LOINC, code) for code in (PRESENT, ABSENT))
    if not present and not absent:
        return rows
    symbol, hgnc_id = _gene(components.get(GENE))
    target_id = context.row_id(event.record_id, "target_gene") if symbol else None
    if symbol:
        target = {"target_gene_id": target_id, "genomic_test_id": test_id}
        rows.append(Row("target_gene", {**target, "hgnc_symbol": symbol, "hgnc_id": hgnc_id}))
    if present:
        variant = _variant(components)
        if not symbol and not variant:
            raise Unmappable("variant-unnamed", "a variant has neither a gene nor a name of its change")
        keys = {
            "variant_occurrence_id": context.row_id(event.record_id, "variant_occurrence"),
            "person_id": event.person_id,
            "genomic_test_id": test_id,
            "target_gene1_id": target_id,
            "target_gene1_symbol": symbol,
        }
        rows.append(Row("variant_occurrence", {**keys, **variant}))
    return rows


def _loinc_codes(component: Body) -> list[str]:
    codings = (component.get("code") or {}).get("coding") or ()
    return [one["code"] for one in codings if one.get("system") == LOINC and one.get("code")]


def _gene(component: Body | None) -> tuple[str | None, str | None]:
    """The HGNC symbol, which FHIR puts into the display, and the HGNC id."""
    concept = (component or {}).get("valueCodeableConcept") or {}
    for coding in concept.get("coding") or ():
        if coding.get("display"):
            return coding["display"], coding.get("code")
    return concept.get("text"), None


def _variant(components: dict[str, Body]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for code, column in NAMED.items():
        text = _text(components.get(code))
        if text:
            values[column] = text[: LENGTH.get(column)]
    for code, column in ((ALLELE_FRACTION, "vaf"), (COPY_NUMBER, "copy_number")):
        number = _number(components.get(code))
        if number is not None:
            values[column] = number
    depth = _number(components.get(READ_DEPTH))
    if depth is not None:
        values["total_read_depth"] = int(depth)
    origin = (components.get("48002-0") or {}).get("valueCodeableConcept") or {}
    for coding in origin.get("coding") or ():
        if coding.get("code") in ORIGIN:
            values["genetic_origin"] = ORIGIN[coding["code"]]
    return values


def _text(component: Body | None) -> str | None:
    """The text of a component: a string, or of a concept its code where that is HGVS, else its display."""
    if not component:
        return None
    if "valueString" in component:
        return str(component["valueString"])
    concept = component.get("valueCodeableConcept") or {}
    for coding in concept.get("coding") or ():
        text = coding.get("display") or coding.get("code")
        if text:
            return str(text)
    return concept.get("text")


def _number(component: Body | None) -> float | None:
    if not component:
        return None
    value = (component.get("valueQuantity") or {}).get("value", component.get("valueInteger"))
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
