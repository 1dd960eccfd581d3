"""The neighbours of the cases: other ways in which hospitals write the same things."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.loader.report import doubts
from cdm.schema import (
    condition_occurrence,
    drug_exposure,
    measurement,
    observation,
    procedure_occurrence,
    visit_occurrence,
)
from cdm.vocabulary.names import normal_code, vocabulary_id_of
from cdm.vocabulary.ucum import conversion
from site_node.sources import fhir
from tests.lib.fhir_resources import (
    ICD,
    PATIENT,
    SUBJECT,
    Load,
    condition,
    count,
    diagnoses,
    loaded,
    observation_of,
)

__all__ = ["loaded"]

GERMAN = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
DRUG = {"medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01XA01"}]}}


@pytest.mark.parametrize(
    "status",
    [
        "refuted",
        "Refuted",
        "entered in error",
        {"text": "entered-in-error"},
        {"coding": [{"display": "Refuted"}]},
        {"coding": [{"system": "http://snomed.info/sct", "code": "410516002"}, {"code": "refuted"}]},
        {"coding": [{"code": "differential"}]},
    ],
)
def test_a_refuted_diagnosis_is_in_no_cohort(sqlite_engine: Engine, loaded: Load, status: object) -> None:
    assert loaded(condition(verificationStatus=status)).quarantined == 0
    assert diagnoses(sqlite_engine) == 0


@pytest.mark.parametrize(
    "status", ["perhaps", {"text": "Mrs Canary says so"}, {"coding": [{"code": "410605003"}]}]
)
def test_an_unknown_status_is_refused(sqlite_engine: Engine, loaded: Load, status: object) -> None:
    assert loaded(condition(verificationStatus=status)).quarantined == 1
    assert diagnoses(sqlite_engine) == 0


@pytest.mark.parametrize(
    "status",
    [
        None,
        "confirmed",
        {"text": "Confirmed"},
        {"coding": [{"system": "http://snomed.info/sct", "code": "410605003"}, {"code": "confirmed"}]},
    ],
)
def test_a_confirmed_diagnosis_counts(sqlite_engine: Engine, loaded: Load, status: object) -> None:
    more = {} if status is None else {"verificationStatus": status}
    assert loaded(condition(**more)).quarantined == 0
    assert diagnoses(sqlite_engine) == 1


@pytest.mark.parametrize(("letter", "counts"), [("A", 0), ("V", 0), ("Z", 0), ("G", 1)])
def test_the_german_certainty_of_a_diagnosis(
    sqlite_engine: Engine, loaded: Load, letter: str, counts: int
) -> None:
    url = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
    said = condition("C71.1", GERMAN)
    said["code"]["coding"][0]["extension"] = [{"url": url, "valueCoding": {"code": letter}}]
    assert loaded(said).quarantined == 0
    assert diagnoses(sqlite_engine) == counts
    loaded(condition(f"C71.1{letter}", GERMAN))
    assert diagnoses(sqlite_engine) == counts


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "Patient/p1/_history/3",
        "http://a/fhir/Patient/p1",
        "http://a/fhir/Patient/p1/_history/1",
    ],
)
def test_a_reference_with_or_without_server_and_version(loaded: Load, reference: str) -> None:
    assert loaded(condition(subject={"reference": reference})).quarantined == 0


@pytest.mark.parametrize(
    ("vocabulary", "written", "code"),
    [
        ("ICD10CM", "C711", "C71.1"),
        ("ICD10CM", "c71.1", "C71.1"),
        ("ICD10CM", " C71.1 ", "C71.1"),
        ("ICD10GM", "C71.1+", "C71.1"),
        ("ICD10GM", "G09*", "G09"),
        ("ICD10GM", "C71.-", "C71"),
        ("ICD10", "C71", "C71"),
        ("ICD10CM", "s72001a", "S72.001A"),
        ("ICD9CM", "1911", "191.1"),
        ("ICD9CM", "V101", "V10.1"),
        ("ICD9CM", "E8120", "E812.0"),
        ("ICDO3", "C711", "C71.1"),
        ("ICDO3", "8140/3", "8140/3"),
        ("ATC", "l01xa01", "L01XA01"),
        ("LOINC", "29463-7", "29463-7"),
        ("ICD10CM", "no code at all", "no code at all"),
    ],
)
def test_a_code_is_the_same_however_it_is_written(vocabulary: str, written: str, code: str) -> None:
    assert normal_code(vocabulary, written) == code


@pytest.mark.parametrize(
    "system",
    [
        "http://snomed.info/sct/11000274103",
        "http://snomed.info/sct/900000000000207008/version/20240101",
        "http://snomed.info/sct|http://snomed.info/sct/900000000000207008",
    ],
)
def test_an_edition_of_snomed_is_snomed(system: str) -> None:
    assert vocabulary_id_of(system) == "SNOMED"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["all.ndjson", "all.json"])
def test_a_file_in_any_encoding_with_a_mark(
    sqlite_engine: Engine, tmp_path: Path, encoding: str, name: str
) -> None:
    resources = [PATIENT, condition()]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": one} for one in resources],
    }
    text = json.dumps(bundle) if name.endswith(".json") else "\n".join(map(json.dumps, resources))
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (tmp_path / name).write_bytes(mark + text.encode(encoding))
    assert load(sqlite_engine, fhir.read(tmp_path), "fhir", Identity(b"k" * 32)).quarantined == 0
    assert diagnoses(sqlite_engine) == 1


def test_files_joined_into_one_keep_their_marks(sqlite_engine: Engine, tmp_path: Path) -> None:
    lines = (json.dumps(one).encode("utf-8-sig") + b"\n" for one in (PATIENT, condition()))
    (tmp_path / "all.ndjson").write_bytes(b"".join(lines))
    assert load(sqlite_engine, fhir.read(tmp_path), "fhir", Identity(b"k" * 32)).quarantined == 0
    assert diagnoses(sqlite_engine) == 1


@pytest.mark.parametrize(
    ("resource", "table"),
    [
        ({"resourceType": "Procedure", "status": "completed", "notDone": True}, procedure_occurrence),
        ({"resourceType": "Procedure", "status": "completed", "notPerformed": True}, procedure_occurrence),
        ({"resourceType": "Immunization", "status": "completed", "notGiven": True}, drug_exposure),
        ({"resourceType": "Immunization", "status": "completed", "wasNotGiven": True}, drug_exposure),
        ({"resourceType": "MedicationStatement", "status": "active", "taken": "n", **DRUG}, drug_exposure),
        (
            {"resourceType": "MedicationStatement", "status": "active", "wasNotTaken": True, **DRUG},
            drug_exposure,
        ),
        (
            {
                "resourceType": "MedicationStatement",
                "status": "recorded",
                "adherence": {"code": {"coding": [{"code": "not-taking"}]}},
                **DRUG,
            },
            drug_exposure,
        ),
        (
            {"resourceType": "MedicationAdministration", "status": "completed", "notGiven": True, **DRUG},
            drug_exposure,
        ),
        (
            {"resourceType": "AllergyIntolerance", "status": "refuted", "substance": {"text": "x"}},
            observation,
        ),
    ],
)
def test_what_older_versions_negate_did_not_happen(
    sqlite_engine: Engine, loaded: Load, resource: dict[str, Any], table: Any
) -> None:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "108290001"}]}
    days = dict.fromkeys(("performedDateTime", "effectiveDateTime", "date", "onsetDateTime"), "2015-06-10")
    about = {"patient": {"reference": "Patient/p1"}, **SUBJECT}
    summary = loaded({"id": "x1", "code": code, "vaccineCode": code, **about, **days, **resource})
    assert summary.quarantined == 0
    assert count(sqlite_engine, table) == 0


def test_shapes_of_dstu2_are_read(sqlite_engine: Engine, loaded: Load) -> None:
    """Condition with `patient` and a category outside of a list; Encounter whose class is a word."""
    patient = {"patient": {"reference": "Patient/p1"}}
    code = {"coding": [{"system": ICD, "code": "C71.1"}]}
    category = {"coding": [{"code": "diagnosis"}]}
    old = {"resourceType": "Condition", "id": "c1", **patient, "code": code, "category": category}
    stay = {"resourceType": "Encounter", "id": "e1", **patient, "status": "finished", "class": "inpatient"}
    day = {"period": {"start": "2015-06-10", "end": "2015-06-12"}}
    summary = loaded(
        {
            **old,
            "onsetDateTime": "2015-06-10",
            "verificationStatus": "confirmed",
            "clinicalStatus": "relapse",
        },
        {**stay, **day},
    )
    assert summary.quarantined == 0
    assert diagnoses(sqlite_engine) == 1
    with sqlite_engine.connect() as connection:
        assert connection.scalar(select(visit_occurrence.c.visit_concept_id)) == 9201
        assert connection.scalar(select(condition_occurrence.c.condition_status_source_value)) == "relapse"


def test_a_search_result_deletes_nothing(sqlite_engine: Engine, loaded: Load, tmp_path: Path) -> None:
    loaded(condition())
    entry = {"request": {"method": "DELETE", "url": "Condition/c1"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    (tmp_path / "b.json").write_text(json.dumps(bundle))
    assert load(sqlite_engine, fhir.read(tmp_path / "b.json"), "fhir", Identity(b"k" * 32)).quarantined == 1
    assert diagnoses(sqlite_engine) == 1


def test_a_panel_makes_no_row_beside_its_members(sqlite_engine: Engine, loaded: Load) -> None:
    code = {"coding": [{"system": "http://loinc.org", "code": "85353-1"}]}
    panel = {"resourceType": "Observation", "id": "panel", "status": "final", **SUBJECT, "code": code}
    member = observation_of(effectiveDateTime="2020-05-01")
    loaded(
        {**panel, "effectiveDateTime": "2020-05-01", "hasMember": [{"reference": "Observation/o1"}]}, member
    )
    assert count(sqlite_engine, measurement) == 1
    assert count(sqlite_engine, observation) == 0


@pytest.mark.parametrize(
    ("resource", "table", "column", "right"),
    [
        (
            {
                "resourceType": "Encounter",
                "status": "finished",
                "period": {"start": "2015-06-20", "end": "2015-06-01"},
            },
            visit_occurrence,
            "visit_end_date",
            "2015-06-20",
        ),
        (condition(abatementDateTime="2014-01-01"), condition_occurrence, "condition_end_date", "None"),
        (
            {
                "resourceType": "Procedure",
                "status": "completed",
                "code": {"coding": [{"system": "urn:own", "code": "biopsy"}]},
                "performedPeriod": {"start": "2015-06-20", "end": "2015-06-19"},
            },
            procedure_occurrence,
            "procedure_end_date",
            "None",
        ),
        (
            {
                "resourceType": "MedicationAdministration",
                "status": "completed",
                **DRUG,
                "effectivePeriod": {"start": "2015-06-20", "end": "2015-06-02"},
            },
            drug_exposure,
            "drug_exposure_end_date",
            "2015-06-20",
        ),
    ],
)
def test_an_end_before_the_beginning_is_none(
    sqlite_engine: Engine, loaded: Load, resource: dict[str, Any], table: Any, column: str, right: str
) -> None:
    """OMOP needs an end of visits and exposures: the day on which they began."""
    assert loaded({"id": "x1", **SUBJECT, **resource}).quarantined == 0
    with sqlite_engine.connect() as connection:
        assert [str(day) for day in connection.scalars(select(table.c[column]))] == [right]
    assert [(one["doubt"], one["records"]) for one in doubts(sqlite_engine)] == [("end-before-start", 1)]


def test_two_days_of_two_time_zones_are_no_end_before_the_beginning(
    sqlite_engine: Engine, loaded: Load
) -> None:
    period = {"start": "2015-06-11T00:30:00+02:00", "end": "2015-06-10T23:00:00Z"}
    loaded({"resourceType": "Encounter", "id": "e1", "status": "finished", **SUBJECT, "period": period})
    with sqlite_engine.connect() as connection:
        assert str(connection.scalar(select(visit_occurrence.c.visit_end_date))) == "2015-06-11"
    assert doubts(sqlite_engine) == []


@pytest.mark.parametrize(
    ("value", "doubt"),
    [
        ({"valueString": "<70"}, "number-as-text"),
        ({"valueString": "70 /min"}, "number-as-text"),
        ({"valueRange": {"low": {"value": 60}, "high": {"value": 80}}}, "number-as-text"),
        ({"valueQuantity": {"value": 0, "code": "/min"}, "dataAbsentReason": {"text": "x"}}, "value-absent"),
        ({"valueQuantity": {"value": 70, "unit": "lb", "code": "kg"}}, "unit-contradicts"),
        ({"valueQuantity": {"value": 45, "unit": "%", "code": "1"}}, "unit-contradicts"),
        ({"valueQuantity": {"value": 5, "unit": "Mg/dL"}}, "unit-unknown"),
        ({"valueQuantity": {"value": 5, "code": "Pg/mL"}}, "unit-unknown"),
        ({"valueQuantity": {"value": 5, "code": "Mmol/L"}}, "unit-unknown"),
        ({"valueQuantity": {"value": 5, "unit": "K/uL", "code": "10*3/uL"}}, ""),
        ({"valueQuantity": {"value": 5, "unit": "lbs", "code": "[lb_av]"}}, ""),
        ({"valueQuantity": {"value": 37, "unit": "C", "code": "Cel"}}, ""),
        ({"valueQuantity": {"value": 5, "code": "MBq"}}, ""),
        ({"valueString": "not done"}, ""),
    ],
)
def test_a_value_that_no_study_can_read_is_in_doubt(
    sqlite_engine: Engine, loaded: Load, value: dict[str, Any], doubt: str
) -> None:
    observed = observation_of(
        effectiveDateTime="2015-06-11", category=[{"coding": [{"code": "vital-signs"}]}]
    )
    del observed["valueQuantity"]
    assert loaded({**observed, **value}).quarantined == 0
    assert [one["doubt"] for one in doubts(sqlite_engine)] == ([doubt] if doubt else [])
    with sqlite_engine.connect() as connection:
        number, unit = connection.execute(
            select(measurement.c.value_as_number, measurement.c.unit_source_value)
        ).one()
    if doubt in ("number-as-text", "value-absent"):
        assert number is None
    elif doubt:
        assert all(conversion(unit, to) is None for to in ("kg", "1", "mg/dL", "pg/mL", "mmol/L"))
