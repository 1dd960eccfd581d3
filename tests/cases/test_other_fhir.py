"""FHIR that is odd but legal, other than that of the cases: what each record says once it is loaded."""

from typing import Any

import pytest
from sqlalchemy import Engine, select

from cdm.etl.loader import report
from cdm.schema import condition_occurrence, measurement, metadata, observation, variant_occurrence
from tests.lib.fhir_resources import PATIENT, condition, loads, observation_of

LOINC, SCT = "http://loinc.org", "http://snomed.info/sct"
LABORATORY = [{"coding": [{"code": "laboratory"}]}]


def component(code: str, **value: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, **value}


def variant(*components: dict[str, Any], **more: Any) -> dict[str, Any]:
    gene = {"coding": [{"system": "http://www.genenames.org", "code": "HGNC:5382", "display": "IDH1"}]}
    base = observation_of(
        code={"coding": [{"system": LOINC, "code": "69548-6"}]},
        effectiveDateTime="2015-01-02",
        valueCodeableConcept={"coding": [{"system": LOINC, "code": "LA9633-4"}]},
        component=[component("48018-6", valueCodeableConcept=gene), *components],
    )
    del base["valueQuantity"]
    return {**base, **more}


def without(resource: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in names}


def rows(engine: Engine, table: str, *columns: str) -> list[tuple[Any, ...]]:
    of = metadata.tables[table].c
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*(of[name] for name in columns)))]


def doubts(engine: Engine) -> set[str]:
    return {one["doubt"] for one in report.doubts(engine)}


TIMED = [
    ({"effectiveTiming": {"event": ["2015-03-05", "2015-03-01"]}}, "2015-03-01"),
    ({"effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2015-03-01"}}}}, "2015-03-01"),
    ({"effectivePeriod": {"end": "2015-03-01"}}, "2015-03-01"),
    ({"effectivePeriod": {"start": "9999-12-31", "end": "2015-03-01"}}, "2015-06-01"),
    ({}, "2015-06-01"),
]


@pytest.mark.parametrize(("stated", "day"), TIMED)
def test_when_something_was_comes_before_when_it_was_issued(
    sqlite_engine: Engine, stated: dict[str, Any], day: str
) -> None:
    loads(sqlite_engine, PATIENT, observation_of(issued="2015-06-01T10:00:00Z", **stated))
    ((found,),) = rows(sqlite_engine, measurement.name, "measurement_date")
    assert str(found) == day


def test_an_onset_of_which_the_end_is_known_is_before_the_record(sqlite_engine: Engine) -> None:
    sick = without(condition(), "onsetDateTime")
    loads(
        sqlite_engine, PATIENT, {**sick, "onsetPeriod": {"end": "2014-01-01"}, "recordedDate": "2015-07-01"}
    )
    ((found,),) = rows(sqlite_engine, condition_occurrence.name, "condition_start_date")
    assert str(found) == "2014-01-01"


CHILD, OTHERS = {"low": {"value": 1}, "age": {"high": {"value": 5}}}, {"low": {"value": 3}}
RANGES = [
    ([OTHERS], 3.0),
    ([CHILD, OTHERS], 3.0),
    ([{**CHILD, "age": {}}, OTHERS], None),
    (
        [
            {**OTHERS, "type": {"coding": [{"code": "normal"}]}},
            {**CHILD, "type": {"text": "x", "coding": [{"code": "critical"}]}},
        ],
        3.0,
    ),
    ([{**OTHERS, "appliesTo": [{"text": "men"}]}], None),
]


@pytest.mark.parametrize(("ranges", "low"), RANGES)
def test_a_normal_range_is_that_of_everybody(
    sqlite_engine: Engine, ranges: list[dict[str, Any]], low: float | None
) -> None:
    loads(sqlite_engine, PATIENT, observation_of(effectiveDateTime="2015-01-01", referenceRange=ranges))
    assert rows(sqlite_engine, measurement.name, "range_low") == [(low,)]


def test_a_titre_keeps_its_bound(sqlite_engine: Engine) -> None:
    titre = {"numerator": {"value": 1, "comparator": "<"}, "denominator": {"value": 128}}
    asked = without(observation_of(effectiveDateTime="2015-01-01", valueRatio=titre), "valueQuantity")
    loads(sqlite_engine, PATIENT, asked)
    assert rows(sqlite_engine, observation.name, "value_source_value") == [("<1:128",)]


@pytest.mark.parametrize(
    ("text", "is_told"), [("12.5", True), ("< 3,5", True), ("3 weeks ago", False), ("none", False)]
)
def test_a_number_in_words_is_told(sqlite_engine: Engine, text: str, is_told: bool) -> None:
    loads(
        sqlite_engine,
        PATIENT,
        without(observation_of(effectiveDateTime="2015-01-01", valueString=text), "valueQuantity"),
    )
    assert ("number-as-text" in doubts(sqlite_engine)) == is_told


FRACTIONS: list[tuple[dict[str, Any], float | None]] = [
    ({"valueQuantity": {"value": 34, "unit": "percent"}}, 0.34),
    ({"valueString": "34%"}, 0.34),
    ({"valueString": " 0.34 "}, 0.34),
    ({"valueRatio": {"numerator": {"value": 34}, "denominator": {"value": 100}}}, 0.34),
    ({"valueString": "about a third"}, None),
    ({"valueString": "34"}, None),
    ({"valueRatio": {"numerator": {"value": 34}, "denominator": {"value": 0}}}, None),
    ({"valueRatio": {"numerator": {"value": 34, "comparator": "<"}, "denominator": {"value": 100}}}, None),
    ({"valueQuantity": {"value": 34, "code": "[ppth]"}}, None),
]


@pytest.mark.parametrize(("stated", "vaf"), FRACTIONS)
def test_an_allele_fraction_is_read_in_every_form_or_told(
    sqlite_engine: Engine, stated: dict[str, Any], vaf: float | None
) -> None:
    loads(sqlite_engine, PATIENT, variant(component("81258-6", **stated)))
    assert rows(sqlite_engine, variant_occurrence.name, "vaf") == [(vaf,)]
    assert ("fraction-implausible" in doubts(sqlite_engine)) == (vaf is None)


def answer(system: str, code: str, display: str) -> dict[str, Any]:
    return {"valueCodeableConcept": {"coding": [{"system": system, "code": code, "display": display}]}}


ANSWERS: list[tuple[dict[str, Any], int, int, bool]] = [  # variants, genes that were tested, whether in doubt
    (answer(LOINC, "LA9633-4", "Present"), 1, 1, False),
    (answer(LOINC, "LA6576-8", "Positive"), 1, 1, False),
    (answer(SCT, "52101004", "Present"), 1, 1, False),
    ({"valueCodeableConcept": {"text": "Detected"}}, 1, 1, False),
    ({"valueString": "Present"}, 1, 1, False),
    (answer(LOINC, "LA9634-2", "Absent"), 0, 1, False),
    (answer(SCT, "2667000", "Absent"), 0, 1, False),
    ({"valueString": "not detected"}, 0, 1, False),
    (answer(LOINC, "LA18198-4", "No call"), 0, 0, False),
    ({"valueString": "indeterminate"}, 0, 0, False),
    ({"valueString": "perhaps"}, 0, 0, True),
    ({"valueBoolean": True}, 0, 0, True),
    ({}, 0, 0, True),
    ({"dataAbsentReason": {"coding": [{"code": "error"}]}}, 0, 0, False),
    (answer(SCT, "2667000", "Present"), 0, 0, True),  # it contradicts itself
]


@pytest.mark.parametrize(("stated", "variants", "genes", "in_doubt"), ANSWERS)
def test_whether_a_variant_is_there(
    sqlite_engine: Engine, stated: dict[str, Any], variants: int, genes: int, in_doubt: bool
) -> None:
    loads(sqlite_engine, PATIENT, {**without(variant(), "valueCodeableConcept"), **stated})
    assert len(rows(sqlite_engine, "variant_occurrence", "person_id")) == variants
    assert len(rows(sqlite_engine, "target_gene", "target_gene_id")) == genes
    assert ("answer-unknown" in doubts(sqlite_engine)) == in_doubt


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ({"coding": [{"system": LOINC, "code": "LA6683-2"}]}, "germline"),
        ({"text": "Germline"}, "germline"),
        ({"coding": [{"system": "urn:x", "code": "g", "display": "germline"}]}, "germline"),
        ({"text": "Somatic"}, "somatic"),
        ({"text": "tumour"}, None),
    ],
)
def test_the_origin_of_a_variant_in_words(
    sqlite_engine: Engine, source: dict[str, Any], origin: str | None
) -> None:
    loads(sqlite_engine, PATIENT, variant(component("48002-0", valueCodeableConcept=source)))
    assert rows(sqlite_engine, variant_occurrence.name, "genetic_origin") == [(origin,)]
