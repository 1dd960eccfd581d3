"""FHIR that is odd, or not legal: whom a record is about, and what is written as the wrong type or twice."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from cdm.etl.identity import Identity
from cdm.etl.loader import report
from cdm.etl.loader.load import load
from cdm.schema import death, measurement, observation, person
from site_node.sources import fhir
from tests.lib.fhir_resources import ENCOUNTER, PATIENT, SUBJECT, Load, count, days_of, loaded, observation_of

__all__ = ["loaded"]

DAY = {"effectiveDateTime": "2015-03-01"}
HERE = "https://fhir.example.org/r4"


def entry(resource: dict[str, Any], base: str = HERE) -> dict[str, Any]:
    return {"fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}", "resource": resource}


def of(reference: str, **more: Any) -> dict[str, Any]:
    return observation_of(**{**DAY, "subject": {"reference": reference}, **more})


@pytest.mark.parametrize(
    ("reference", "measured", "code"),
    [
        ("Patient/p1", 1, set()),
        (f"{HERE}/Patient/p1", 1, set()),
        (f"{HERE}/Patient/p1/_history/3", 1, set()),
        ("http://FHIR.example.org/r4/Patient/p1", 1, set()),
        ("https://other.example.org/r4/Patient/p1", 0, {"other-server"}),
        ("https://fhir.example.org/r5/Patient/p1", 0, {"other-server"}),
        ("https://other.example.org/r4/Patient/p1/_history/1", 0, {"other-server"}),
    ],
)
@pytest.mark.parametrize("in_bundle", [True, False])
def test_another_server_s_patient_is_not_ours(
    sqlite_engine: Engine, tmp_path: Path, reference: str, measured: int, code: set[str], in_bundle: bool
) -> None:
    """Whether the patient is in the bundle too or was loaded before it."""
    entries = [entry(PATIENT), entry(of(reference))]
    for number, some in enumerate([entries] if in_bundle else [entries[:1], entries[1:]]):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": some}))
        load(sqlite_engine, fhir.read(path), "fhir", Identity(b"k" * 32))
    assert count(sqlite_engine, measurement) == measured
    assert {one["code"] for one in report.quarantined(sqlite_engine)} == code
    assert not report.doubts(sqlite_engine)


def test_another_server_s_visit_dates_nothing(sqlite_engine: Engine, tmp_path: Path) -> None:
    record = observation_of(encounter={"reference": "https://other.example.org/r4/Encounter/e1"})
    entries = [entry(one) for one in (PATIENT, ENCOUNTER, record)]
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}))
    load(sqlite_engine, fhir.read(path), "fhir", Identity(b"k" * 32))
    assert {one["code"] for one in report.quarantined(sqlite_engine)} == {"no-date"}


def test_a_web_address_of_which_the_server_is_not_known_is_told(loaded: Load) -> None:
    assert loaded(of(f"{HERE}/Patient/p1"), of("Patient/p1", id="o2")).doubts == {"server-unknown": 1}


@pytest.mark.parametrize(
    ("focus", "measured"),
    [
        ("Patient/p1", 1),
        ("Condition/c1", 1),
        ("Device/d1", 1),
        ("Patient/child", 0),
        ("RelatedPerson/donor", 0),
        ("Group/family", 0),
    ],
)
def test_an_observation_about_somebody_else(
    sqlite_engine: Engine, loaded: Load, focus: str, measured: int
) -> None:
    """A fetus' heart rate, in the mother's record, is not hers."""
    summary = loaded(observation_of(**DAY, focus=[{"reference": focus}]))
    assert count(sqlite_engine, measurement) == measured
    assert summary.kinds["Observation"].excluded == ({} if measured else {"its focus is somebody else": 1})


def answered(**value: Any) -> dict[str, Any]:
    asked = observation_of(**DAY, **value)
    return {name: one for name, one in asked.items() if name != "valueQuantity" or name in value}


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ({**PATIENT, "deceasedBoolean": "true"}, "malformed-boolean"),
        ({**PATIENT, "deceasedBoolean": "false"}, "malformed-boolean"),
        ({**PATIENT, "deceasedDateTime": True}, "malformed-date"),
        ({**PATIENT, "birthDate": 1950}, "malformed-date"),
        (answered(valueBoolean="true"), "malformed-boolean"),
        (answered(valueBoolean=1), "malformed-boolean"),
        (observation_of(**DAY, notDone="true"), "malformed-boolean"),
        (observation_of(effectiveDateTime=2015, issued="2016-01-01T00:00:00Z"), "malformed-date"),
        ({**ENCOUNTER, "period": {"start": ["2020-05-01"]}}, "malformed-date"),
    ],
)
def test_an_element_of_the_wrong_type_is_never_passed_over(
    sqlite_engine: Engine, loaded: Load, resource: dict[str, Any], code: str
) -> None:
    """`"true"` was no, `"false"` was nothing, and the next date stood in for one that is a number."""
    loaded(resource)
    assert {one["code"] for one in report.quarantined(sqlite_engine)} == {code}
    assert not count(sqlite_engine, measurement) + count(sqlite_engine, observation)


NO_VALUE = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason"}]}
TWO_VALUES: list[tuple[dict[str, Any], float | None, set[str]]] = [
    ({"valueQuantity": {"value": 7, "unit": "/min"}}, 7.0, set()),
    ({"valueQuantity": {"value": 7, "unit": "/min"}, "valueInteger": 8}, None, {"value-twice"}),
    ({"valueQuantity": {"value": 7, "unit": "/min"}, "valueString": "not done"}, None, {"value-twice"}),
    ({"valueQuantity": {"value": 0, "unit": "/min", "_value": NO_VALUE}}, None, {"value-absent"}),
    ({"valueQuantity": {"value": 0, "unit": "/min", **NO_VALUE}}, None, {"value-absent"}),
    ({"valueQuantity": {"unit": "/min", "_value": NO_VALUE}}, None, set()),
]


@pytest.mark.parametrize(("stated", "number", "doubts"), TWO_VALUES)
def test_two_values_are_none(
    sqlite_engine: Engine, loaded: Load, stated: dict[str, Any], number: float | None, doubts: set[str]
) -> None:
    assert set(loaded(answered(**stated)).doubts) == doubts
    with sqlite_engine.connect() as connection:
        assert connection.scalars(select(measurement.c.value_as_number)).all() == [number]


def test_nobody_is_alive_and_dead(sqlite_engine: Engine, loaded: Load) -> None:
    summary = loaded({**PATIENT, "deceasedBoolean": False, "deceasedDateTime": "2016-01-01"})
    assert summary.doubts == {"death-contradicts": 1}
    assert count(sqlite_engine, person) == 1
    assert not count(sqlite_engine, death) + count(sqlite_engine, observation)
    loaded({**PATIENT, "deceasedBoolean": True, "deceasedDateTime": "2016-01-01"})
    assert days_of(sqlite_engine, death, "death_date") == ["2016-01-01"]


@pytest.mark.parametrize(("label", "doubt"), [("HTEST", "test-data"), ("SUBSETTED", "record-incomplete")])
@pytest.mark.parametrize("place", ["security", "tag"])
def test_what_a_record_s_labels_say_is_told(loaded: Load, label: str, doubt: str, place: str) -> None:
    assert loaded(observation_of(**DAY, **SUBJECT, meta={place: [{"code": label}]})).doubts == {doubt: 1}
