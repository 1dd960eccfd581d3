"""The neighbours of the cases: other ways in which hospitals write the same things."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, select

from cdm.cohorts.cohort import CohortDefinition
from cdm.etl.identity import Identity
from cdm.etl.loader import report
from cdm.etl.loader.load import load
from cdm.etl.loader.summary import LoadSummary
from cdm.etl.omop_concepts import IMPUTED
from cdm.schema import (
    condition_occurrence,
    death,
    drug_exposure,
    measurement,
    observation,
    observation_period,
    person,
    procedure_occurrence,
    visit_occurrence,
)
from cdm.vocabulary.concepts import Vocabulary
from cdm.vocabulary.names import normal_code, vocabulary_id_of
from site_node.features.clinical import one_each
from site_node.sources import fhir
from site_node.study_table.cohort import evaluate
from site_node.study_table.people import CONDITION, OBSERVATION, People, as_days, has_concept
from site_node.study_table.records import numbers

GERMAN = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
SUBJECT = {"subject": {"reference": "Patient/p1"}}
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1950-05-05"}
DRUG = {"medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01XA01"}]}}

Load = Callable[..., LoadSummary]


@pytest.fixture
def loaded(sqlite_engine: Engine, tmp_path: Path) -> Load:
    """Loads resources, beside one patient, from a file."""

    def loads(*resources: dict[str, Any]) -> LoadSummary:
        path = tmp_path / "all.ndjson"
        path.write_bytes(b"".join(json.dumps(one).encode() + b"\n" for one in (PATIENT, *resources)))
        return load(sqlite_engine, fhir.read(path), "fhir", Identity(b"k" * 32))

    return loads


def condition(code: str = "C71.1", system: str = ICD, **more: Any) -> dict[str, Any]:
    coding = {"system": system, "code": code}
    base = {"resourceType": "Condition", "id": "c1", **SUBJECT, "code": {"coding": [coding]}}
    return {**base, "onsetDateTime": "2015-06-10", **more}


def diagnoses(engine: Engine) -> int:
    """How many rows a cohort of C71 would find, wherever the ETL put them."""
    vocabulary = Vocabulary(engine)
    with engine.connect() as connection:
        return sum(
            len(
                connection.execute(
                    select(one[0].c.person_id).where(
                        has_concept(one, ["ICD10CM:C71%", "ICD10GM:C71%"], vocabulary)
                    )
                ).all()
            )
            for one in (CONDITION, OBSERVATION)
        )


def count(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(table)).all())


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
def test_a_diagnosis_that_is_none_is_in_no_cohort(
    sqlite_engine: Engine, loaded: Load, status: object
) -> None:
    assert loaded(condition(verificationStatus=status)).quarantined == 0
    assert diagnoses(sqlite_engine) == 0


@pytest.mark.parametrize(
    "status", ["perhaps", {"text": "Mrs Canary says so"}, {"coding": [{"code": "410605003"}]}]
)
def test_a_status_that_nobody_knows_is_refused(sqlite_engine: Engine, loaded: Load, status: object) -> None:
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


def days_of(engine: Engine, table: Any, column: str) -> list[str]:
    with engine.connect() as connection:
        return sorted(str(day) for day in connection.scalars(select(table.c[column])))


def observation_of(**more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    base = {"resourceType": "Observation", "id": "o1", "status": "final", **SUBJECT, "code": code}
    return {**base, "valueQuantity": {"value": 70, "unit": "/min", "code": "/min"}, **more}


VISIT = {"period": {"start": "2020-05-01", "end": "2020-05-01"}, "status": "finished", **SUBJECT}
ENCOUNTER = {"resourceType": "Encounter", "id": "e1", "class": {"code": "AMB"}, **VISIT}


@pytest.mark.parametrize(
    "day", ["9999-12-31", "0001-01-01", "1900-01-01", "1753-01-01", "2190-01-01", "9999"]
)
def test_a_date_that_cannot_be_is_none(sqlite_engine: Engine, loaded: Load, day: str) -> None:
    """The next date stands in, an end is left out, and the person neither dies nor is born then."""
    visit = {**ENCOUNTER, "period": {"start": "2020-05-01", "end": day}}
    summary = loaded(
        {**PATIENT, "birthDate": day if day < "1900-02" or day > "2100" else "1950", "deceasedDateTime": day},
        condition(onsetDateTime=day, recordedDate="2020-05-02"),
        visit,
    )
    assert summary.quarantined == 0
    assert summary.doubts["date-implausible"] == 4
    assert days_of(sqlite_engine, condition_occurrence, "condition_start_date") == ["2020-05-02"]
    assert days_of(sqlite_engine, visit_occurrence, "visit_end_date") == ["2020-05-01"]
    assert days_of(sqlite_engine, death, "death_date") == []
    assert days_of(sqlite_engine, person, "year_of_birth") == ["0"]
    assert days_of(sqlite_engine, observation_period, "observation_period_end_date") == ["2020-05-01"]
    codes = {(one["doubt"], one["kind"]) for one in report.doubts(sqlite_engine)}
    assert codes == {("date-implausible", kind) for kind in ("Patient", "Condition", "Encounter")}


def test_only_a_date_that_cannot_be_is_refused(loaded: Load, sqlite_engine: Engine) -> None:
    assert loaded(condition(onsetDateTime="0001-01-01")).quarantined == 1
    assert {one["code"] for one in report.quarantined(sqlite_engine)} == {"implausible-date"}


@pytest.mark.parametrize(
    ("stated", "day"), [("2015", "2015-12-31"), ("2016-02", "2016-02-29"), ("2015-03-04", "2015-03-04")]
)
def test_a_death_of_which_the_day_is_not_known(
    sqlite_engine: Engine, loaded: Load, stated: str, day: str
) -> None:
    summary = loaded({**PATIENT, "deceasedDateTime": stated})
    assert days_of(sqlite_engine, death, "death_date") == [day]
    assert summary.doubts["date-partial"] == (0 if len(stated) == 10 else 1)


def test_a_death_this_year_is_not_after_today(sqlite_engine: Engine, loaded: Load) -> None:
    today = datetime.now(UTC).date()
    loaded({**PATIENT, "deceasedDateTime": str(today.year)})
    assert days_of(sqlite_engine, death, "death_date") == [str(today)]


def test_no_death_before_birth(sqlite_engine: Engine, loaded: Load) -> None:
    assert loaded({**PATIENT, "deceasedDateTime": "1949-01-01"}).doubts["date-implausible"] == 1
    assert days_of(sqlite_engine, death, "death_date") == []


def test_a_period_begins_with_the_birth(engine: Engine, tmp_path: Path) -> None:
    """A diagnosis of 1940 of somebody born in 1950 begins no period, and is no index event."""
    path = tmp_path / "all.ndjson"
    lines = (PATIENT, condition(onsetDateTime="1940-01-01"), ENCOUNTER)
    path.write_text("\n".join(map(json.dumps, lines)))
    load(engine, fhir.read(path), "fhir", Identity(b"k" * 32))
    assert days_of(engine, observation_period, "observation_period_start_date") == ["1950-05-05"]
    with engine.connect() as connection:
        index = {"domain": "condition", "concept": "ICD10CM:C71%"}
        definition = CohortDefinition.model_validate({"index": index})
        assert len(evaluate(connection, definition, Vocabulary(engine)).people) == 0


@pytest.mark.parametrize(
    ("beside", "more"),
    [
        (ENCOUNTER, {"encounter": {"reference": "Encounter/e1"}}),
        (ENCOUNTER, {"context": {"reference": "Encounter/e1/_history/1"}}),
        (
            {
                "resourceType": "DiagnosticReport",
                "id": "r1",
                "status": "final",
                **SUBJECT,
                "effectiveDateTime": "2020-05-01",
                "result": [{"reference": "Observation/o1"}],
            },
            {},
        ),
        (
            {
                "resourceType": "Specimen",
                "id": "s1",
                **SUBJECT,
                "collection": {"collectedDateTime": "2020-05-01"},
            },
            {"specimen": {"reference": "Specimen/s1"}},
        ),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_what_a_record_belongs_to_dates_it(
    sqlite_engine: Engine, loaded: Load, beside: dict[str, Any], more: dict[str, Any], order: int
) -> None:
    summary = loaded(*[beside, observation_of(**more)][::order])
    assert summary.quarantined == 0
    assert summary.doubts["date-of-visit"] == 1
    assert days_of(sqlite_engine, measurement, "measurement_date") == ["2020-05-01"]
    with sqlite_engine.connect() as connection:
        assert connection.scalar(select(measurement.c.measurement_type_concept_id)) == IMPUTED


def test_a_record_waits_for_the_visit_that_dates_it(sqlite_engine: Engine, loaded: Load) -> None:
    """It is counted until then, and mapped when the visit comes in a later load."""
    first = loaded(observation_of(encounter={"reference": "Encounter/e1"}))
    assert first.quarantined == 0
    assert [one["doubt"] for one in report.doubts(sqlite_engine)] == ["date-awaited"]
    loaded(ENCOUNTER)
    assert days_of(sqlite_engine, measurement, "measurement_date") == ["2020-05-01"]
    assert [one["doubt"] for one in report.doubts(sqlite_engine)] == ["date-of-visit"]


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        ([("2015-06-11T16:00:00+02:00", 40), ("2015-06-11T08:00:00+02:00", 60)], 60, 40),
        ([("2015-06-11T00:30:00+02:00", 9), ("2015-06-11T23:30:00+02:00", 1)], 9, 1),
        ([("2015-06-11", 40), ("2015-06-11T08:00:00+02:00", 60)], 40, 60),
        ([("2015-06-11T08:00:00Z", 60), ("2015-06-12", 1)], 60, 1),
    ],
)
def test_the_time_of_day_decides_first_and_last(
    sqlite_engine: Engine, loaded: Load, values: list[tuple[str, float]], first: float, last: float
) -> None:
    """Where one value of a day has no time the smallest is first and the largest last, as before."""
    loaded(
        *(
            observation_of(
                id=f"o{n}", effectiveDateTime=moment, valueQuantity={"value": value, "code": "/min"}
            )
            for n, (moment, value) in enumerate(values)
        )
    )
    with sqlite_engine.connect() as connection:
        persons = np.array(connection.scalars(select(person.c.person_id)).all())
        people = People(connection, Vocabulary(sqlite_engine), persons, as_days(["2015-01-01"]))
        events = numbers(people, ["LOINC:8867-4"])
    assert (one_each(events, 1, "first")[0], one_each(events, 1, "last")[0]) == (first, last)
