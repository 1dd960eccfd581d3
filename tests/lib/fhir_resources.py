"""FHIR resources of one or two patients, written in few words, and what became of them in the CDM."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from cdm.cohorts.cohort import CohortDefinition
from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.loader.summary import LoadSummary
from cdm.etl.record import SourceRecord
from cdm.vocabulary.concepts import Vocabulary
from site_node.sources import fhir
from site_node.study_table.codes import CONDITION, OBSERVATION, Codes
from site_node.study_table.cohort import evaluate

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
SUBJECT = {"subject": {"reference": "Patient/p1"}}
PATIENT = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1950-05-05"}
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
    vocabulary, concepts = Vocabulary(engine), ["ICD10CM:C71%", "ICD10GM:C71%"]
    with engine.connect() as connection:
        return sum(
            len(connection.execute(select(one[0].c.person_id).where(is_it)).all())
            for one in (CONDITION, OBSERVATION)
            for is_it in Codes().carrying(connection, vocabulary, one, concepts)
        )


def count(engine: Engine, table: Any) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(table)).all())


def days_of(engine: Engine, table: Any, column: str) -> list[str]:
    with engine.connect() as connection:
        return sorted(str(day) for day in connection.scalars(select(table.c[column])))


def observation_of(**more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    base = {"resourceType": "Observation", "id": "o1", "status": "final", **SUBJECT, "code": code}
    return {**base, "valueQuantity": {"value": 70, "unit": "/min", "code": "/min"}, **more}


VISIT = {"period": {"start": "2020-05-01", "end": "2020-05-01"}, "status": "finished", **SUBJECT}
ENCOUNTER = {"resourceType": "Encounter", "id": "e1", "class": {"code": "AMB"}, **VISIT}


def cohort_of(engine: Engine, concept: str = "ICD10CM:C71%") -> int:
    """How many people a study's cohort has."""
    definition = CohortDefinition.model_validate({"index": {"domain": "condition", "concept": concept}})
    with engine.connect() as connection:
        return len(evaluate(connection, definition, Vocabulary(engine)).people)


def patient(name: str, *links: tuple[str, str], **more: Any) -> dict[str, Any]:
    others = [{"other": {"reference": f"Patient/{other}"}, "type": kind} for kind, other in links]
    linked = {"link": others} if others else {}
    return {
        "resourceType": "Patient",
        "id": name,
        "gender": "female",
        "birthDate": "1950-05-05",
        **linked,
        **more,
    }


def ill(name: str, day: str = "2015-06-10") -> dict[str, Any]:
    return {**condition(subject={"reference": f"Patient/{name}"}, onsetDateTime=day), "id": f"of-{name}"}


def loads(engine: Engine, *resources: dict[str, Any], source: str = "fhir") -> LoadSummary:
    records = [SourceRecord(one["resourceType"], one["id"], "f:1", one) for one in resources]
    return load(engine, records, source, Identity(b"k" * 32))


def take_back(engine: Engine, kind: str, record_id: str) -> LoadSummary:
    gone = SourceRecord(kind, record_id, "f:1", {}, deleted=True)
    return load(engine, [gone], "fhir", Identity(b"k" * 32))
