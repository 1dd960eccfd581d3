"""The value of an Observation or component, as columns of measurement or observation."""

import re
from functools import lru_cache
from typing import Any

from cdm.etl.context import Context
from cdm.etl.fhir.words.booleans import boolean
from cdm.etl.fhir.words.coding import SOURCE_VALUE_LENGTH, coded, coded_text, coded_value, codes_of
from cdm.etl.fhir.words.free_text import kept_text
from cdm.etl.omop_concepts import NO, NO_CONCEPT, OPERATOR, YES
from cdm.etl.record import Body, Unmappable
from cdm.vocabulary.names import vocabulary_id_of
from cdm.vocabulary.ucum import conversion, parse

UCUM = "http://unitsofmeasure.org"
# value[x] of R4, and of R5 what a lenient reader still understands
VALUES = {"dataAbsentReason", "valueUnsignedInt", "valuePositiveInt"} | {
    f"value{kind}"
    for kind in (
        *("Quantity", "CodeableConcept", "String", "Boolean", "Integer", "Decimal", "Range", "Ratio"),
        *("SampledData", "Time", "Date", "DateTime", "Period"),
    )
}
# the whole ones of an extension too
NUMBERS = {"valueInteger", "valueDecimal", "valueUnsignedInt", "valuePositiveInt"}
DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
STRING_LENGTH = 60  # observation.value_as_string
NUMBER_ALONE = re.compile(r"\s*[<>=~≤≥±]*\s*[+-]?\d+(?:[.,]\d+)?\s*")
NUMBER_IN_TEXT = re.compile(r"\s*[<>=~≤≥±]*\s*[+-]?\d")


def has_value(part: Body) -> bool:
    """Whether the part says a value, or says that the value is absent."""
    return not VALUES.isdisjoint(part)


def is_number(part: Body) -> bool:
    """Whether the part's value is a number."""
    return "valueQuantity" in part or not NUMBERS.isdisjoint(part)


def value_columns(part: Body, table: str, context: Context) -> dict[str, Any]:
    """The columns that hold the part's value in `table`.

    None where it has none, or two, or says beside it that it is absent.
    """
    is_measurement = table == "measurement"
    if len(VALUES.intersection(part)) > 1:
        context.doubt("value-absent" if "dataAbsentReason" in part else "value-twice")  # invariant obs-6
        return {}
    quantity = part.get("valueQuantity")
    if quantity and (_is_absent(quantity) or _is_absent(quantity.get("_value"))):
        if quantity.get("value") is not None:
            context.doubt("value-absent")
        return {}
    columns = _value(part, context, is_measurement)
    if is_measurement and part.get("referenceRange"):
        columns |= _range(part["referenceRange"])
    return columns


def _value(part: Body, context: Context, is_measurement: bool) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    if "valueQuantity" in part:
        columns = _quantity(part["valueQuantity"], context, is_measurement)
    elif "valueCodeableConcept" in part:
        code = coded(part["valueCodeableConcept"], context)
        columns = {"value_as_concept_id": code.concept_id, "value_source_value": code.source_value}
    elif not NUMBERS.isdisjoint(part):
        columns = {"value_as_number": _number(next(part[name] for name in NUMBERS if name in part))}
    elif "valueBoolean" in part:
        yes = boolean(part, "valueBoolean")
        if yes is not None:
            columns = {"value_as_concept_id": YES if yes else NO, "value_source_value": str(yes).lower()}
    elif "valueString" in part:
        columns = _string(str(part["valueString"]), context, is_measurement)
    elif (text := _text(part)) is not None:
        if is_measurement and "valueRange" in part:
            context.doubt("number-as-text")
        columns = {"value_source_value": text[:SOURCE_VALUE_LENGTH]}
        if not is_measurement:
            columns["value_as_string"] = text[:STRING_LENGTH]
    return columns


def _string(text: str, context: Context, is_measurement: bool) -> dict[str, Any]:
    """An answer in words: a concept where the site has mapped it, shown where it can name nobody."""
    answer = coded_text(text, context)
    is_number = NUMBER_IN_TEXT.match(text) if is_measurement else NUMBER_ALONE.fullmatch(text)
    if is_number and not answer.concept_id:
        context.doubt("number-as-text")
    columns: dict[str, Any] = {"value_source_value": answer.source_value}
    if answer.concept_id:
        columns["value_as_concept_id"] = answer.concept_id
    if not is_measurement:
        columns["value_as_string"] = kept_text(text, context)[:STRING_LENGTH]
    return columns


def _quantity(quantity: Body, context: Context, is_measurement: bool) -> dict[str, Any]:
    columns: dict[str, Any] = {"value_as_number": _number(quantity.get("value"))}
    code, unit = quantity.get("code"), quantity.get("unit")
    if quantity.get("comparator"):
        context.doubt("comparator")
        columns |= _bound(quantity, is_measurement)
    if code:
        known = coded_value({"system": quantity.get("system") or UCUM, "code": code}, context)
        columns["unit_concept_id"] = known.concept_id
        if is_measurement:
            columns["unit_source_concept_id"] = known.source_concept_id
    elif unit:
        columns["unit_concept_id"] = NO_CONCEPT
    written = _unit(quantity)
    if written:
        columns["unit_source_value"] = written[:SOURCE_VALUE_LENGTH]
    if quantity.get("value") is not None:
        if not written:
            context.doubt("unit-missing")
        elif _contradicts(quantity):
            context.doubt("unit-contradicts")
            columns |= {"unit_concept_id": NO_CONCEPT, "unit_source_value": f"{code} or {unit}"[:50]}
        elif not columns["unit_concept_id"] and parse(written) is None:
            context.doubt("unit-unknown")
    return columns


def _is_absent(element: Any) -> bool:
    """Whether an extension says of the element that what stands there is no value."""
    extensions = element.get("extension") if isinstance(element, dict) else None
    return any(one.get("url") == DATA_ABSENT for one in extensions or ())


def _contradicts(quantity: Body) -> bool:
    """Whether the unit in words is another size of the one in code: UCUM turns one into the other."""
    code, unit = quantity.get("code"), quantity.get("unit")
    if not code or not unit or code == unit or vocabulary_id_of(quantity.get("system") or UCUM) != "UCUM":
        return False
    return _differ(str(unit), str(code))


@lru_cache(maxsize=4096)
def _differ(unit: str, other: str) -> bool:
    way = conversion(unit, other)
    return way is not None and (way(1.0) != 1.0 or way(0.0) != 0.0)


def _unit(quantity: Body) -> str:
    """The unit in UCUM: its code there; of a code of another system the unit in words, if UCUM knows it."""
    code, unit = str(quantity.get("code") or ""), str(quantity.get("unit") or "")
    is_ucum = vocabulary_id_of(quantity.get("system") or UCUM) == "UCUM"
    return unit if not code or (not is_ucum and unit and parse(unit)) else code


def _bound(quantity: Body, is_measurement: bool) -> dict[str, Any]:
    """A bound (`<0.1`): its operator, or where the table has no column for one, a text and no number."""
    comparator = str(quantity["comparator"])
    if is_measurement:
        return {"operator_concept_id": OPERATOR.get(comparator, NO_CONCEPT)}
    text = f"{comparator}{quantity.get('value')}"
    return {"value_as_number": None, "value_as_string": text[:STRING_LENGTH], "value_source_value": text[:50]}


def _number(value: object) -> float | None:
    """The number as the CDM stores it; an integer stays one to the last digit that a double has."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unmappable("malformed-number", "a numeric value is not a number")
    return float(value)


def _text(part: Body) -> str | None:
    """What a value without its own column reads as."""
    for name in ("valueDateTime", "valueTime", "valueDate"):
        if name in part:
            return str(part[name])
    if "valueRatio" in part:
        ratio = part["valueRatio"]
        return f"{_quantity_text(ratio.get('numerator'))}:{_quantity_text(ratio.get('denominator'))}"
    if "valueRange" in part:
        value = part["valueRange"]
        return f"{_quantity_text(value.get('low'))}-{_quantity_text(value.get('high'))}"
    if "valuePeriod" in part:
        return f"{part['valuePeriod'].get('start', '')}/{part['valuePeriod'].get('end', '')}"
    return None


def _quantity_text(quantity: Any) -> str:
    return (
        f"{quantity.get('comparator', '')}{quantity.get('value', '')}" if isinstance(quantity, dict) else ""
    )


def _range(references: list[Body]) -> dict[str, Any]:
    """The normal range; none of several that hold for other ages, or for some people alone."""
    normal = [
        one
        for one in references
        if not one.get("age") and not one.get("appliesTo") and codes_of(one.get("type")) in ([], ["normal"])
    ]
    if len(normal) != 1:
        return {}
    reference = normal[0]
    bounds = {"range_low": reference.get("low"), "range_high": reference.get("high")}
    return {name: _number(bound.get("value")) for name, bound in bounds.items() if isinstance(bound, dict)}
