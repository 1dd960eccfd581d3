"""A consent that is withdrawn, refused or out of its time takes the person out of every cohort."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine

from cdm.cohorts.cohort import CohortDefinition
from cdm.etl import Identity, SourceRecord
from cdm.etl.loader.load import load
from cdm.vocabulary.concepts import Vocabulary
from site_node.study_table import cohort
from tests.lib.hospital_records import coded, record

IDENTITY = Identity(b"a site's secret")
GLIOMA = CohortDefinition.model_validate(
    {"index": {"domain": "condition", "concept": "ICD10CM:C71%", "pick": "first"}}
)
PATIENT = {"patient": {"reference": "Patient/p0"}}


def consent(consent_id: str, day: str, status: str = "active", **elements: Any) -> SourceRecord:
    scope = coded("http://terminology.hl7.org/CodeSystem/consentscope", "research")
    return record("Consent", consent_id, **PATIENT, scope=scope, dateTime=day, status=status, **elements)


def people(engine: Engine, *consents: SourceRecord, today: date = date(2026, 11, 20)) -> int:
    diagnoses = [
        record(
            *("Condition", f"c{number}"),
            subject={"reference": f"Patient/p{number}"},
            code=coded("http://hl7.org/fhir/sid/icd-10-cm", "C71.1"),
            onsetDateTime="2010-01-05",
        )
        for number in range(3)
    ]
    patients = [record("Patient", f"p{number}") for number in range(3)]
    load(engine, [*patients, *diagnoses, *consents], "fhir", IDENTITY)
    with engine.connect() as connection:
        return len(cohort.evaluate(connection, GLIOMA, Vocabulary(engine), today).people)


def test_whoever_said_nothing_or_agreed_is_counted(engine: Engine) -> None:
    assert people(engine, consent("k1", "2020-01-01")) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        consent("k2", "2021-01-01", status="inactive"),
        consent("k2", "2021-01-01", status="rejected"),
        consent("k2", "2021-01-01", provision={"type": "deny"}),
        consent("k2", "2021-01-01", provision={"period": {"end": "2025-12-31"}}),
        consent("k2", "2021-01-01", provision={"provision": [{"type": "deny"}]}),
    ],
)
def test_the_newest_consent_counts_when_it_refuses(engine: Engine, refusal: SourceRecord) -> None:
    assert people(engine, consent("k1", "2020-01-01"), refusal) == 2


def test_whoever_agrees_again_is_counted_again(engine: Engine) -> None:
    assert people(engine, consent("k1", "2020-01-01", status="rejected"), consent("k2", "2022-01-01")) == 3


def test_withdrawing_a_consent_removes_the_person(engine: Engine) -> None:
    assert people(engine, consent("k1", "2020-01-01")) == 3
    assert people(engine, consent("k1", "2020-01-01", status="inactive")) == 2


def test_a_consent_ends_with_its_period(engine: Engine) -> None:
    until = consent("k1", "2020-01-01", provision={"period": {"start": "2020-01-01", "end": "2026-11-20"}})
    assert people(engine, until, today=date(2026, 11, 20)) == 3
    assert people(engine, until, today=date(2026, 11, 21)) == 2
