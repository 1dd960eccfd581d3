"""Genomics reporting's implications: what a variant means for a diagnosis or a therapy, as annotations of it.

They belong to the variant of the Observation that they are derived from, there already or not.

Left out on purpose: identifier, performer, specimen, device, method, note.
"""

from collections.abc import Iterator
from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import coded, has_code
from cdm.etl.fhir.words.observation_value import is_number
from cdm.etl.fhir.words.references import record_id, referenced_id
from cdm.etl.record import Body, Row, Unmappable

CODES = "http://hl7.org/fhir/uv/genomics-reporting/CodeSystem/tbd-codes-cs"
IMPLICATIONS = ("diagnostic-implication", "therapeutic-implication", "genomic-implication")


def is_implication(observation: Body) -> bool:
    """Whether the observation says what a variant implies."""
    return has_code(observation.get("code"), CODES, *IMPLICATIONS)


def implication_rows(observation: Body, context: Context) -> list[Row]:
    """One annotation per component, for each variant that the implication is derived from."""
    sources = (referenced_id(one, "Observation") for one in observation.get("derivedFrom") or ())
    variants = [one for one in sources if one]
    if not variants:
        raise Unmappable("implication-of-nothing", "an implication names no Observation that it follows from")
    record = record_id(observation)
    return [
        Row(
            "variant_annotation",
            {
                "variant_annotation_id": context.row_id(record, "variant_annotation", f"{variant}:{number}"),
                "variant_occurrence_id": context.row_id(f"Observation/{variant}", "variant_occurrence"),
                **columns,
            },
        )
        for variant in variants
        for number, columns in enumerate(_annotations(observation, context))
    ]


def _annotations(observation: Body, context: Context) -> Iterator[dict[str, Any]]:
    for component in observation.get("component") or ():
        field = coded(component.get("code"), context).source_value or ""
        if "valueCodeableConcept" in component:
            answer = coded(component["valueCodeableConcept"], context)
            yield {"annotation_field": field, "value_as_string": answer.source_value}
        elif is_number(component):
            value = (component.get("valueQuantity") or {}).get("value", component.get("valueInteger"))
            yield {"annotation_field": field, "value_as_number": value}
