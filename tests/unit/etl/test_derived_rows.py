"""Periods and eras of the people whom a load touched alone, and they are as if everybody's were made anew."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from cdm.database import upsert, writing
from cdm.etl import Identity, SourceRecord
from cdm.etl.loader.load import load
from cdm.etl.loader.periods import derive
from cdm.schema import concept, concept_ancestor, derivation_due, observation_period
from tests.lib.cdm_rows import cdm_rows
from tests.lib.hospital_records import ICD10, coded, dicom_records, fhir_records, record, version

IDENTITY = Identity(b"a site's secret")
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
PEOPLE = 9
LATER = datetime.now(UTC).date() + timedelta(days=3)


LEVELS = ("min_levels_of_separation", "max_levels_of_separation")


def vocabulary(engine: Engine) -> None:
    """A diagnosis, and two drugs of which one has two ingredients."""
    ingredient = {"domain_id": "Drug", "vocabulary_id": "RxNorm", "standard_concept": "S"}
    valid = {"valid_start_date": date(1970, 1, 1), "valid_end_date": date(2099, 12, 31)}
    named = [
        {
            "concept_id": number,
            "concept_name": str(number),
            "concept_code": str(number),
            **ingredient,
            **valid,
        }
        for number in (11, 12, 21, 22)
    ]
    for one in named:
        one["concept_class_id"] = "Ingredient" if one["concept_id"] > 20 else "Clinical Drug"  # type: ignore[operator]
    tumour = {"concept_id": 31, "concept_code": "C71.1", "vocabulary_id": "ICD10CM", "domain_id": "Condition"}
    named.append({**named[0], **tumour})
    below = [
        {"ancestor_concept_id": up, "descendant_concept_id": low, **dict.fromkeys(LEVELS, 1)}
        for up, low in ((21, 11), (21, 12), (22, 12))
    ]
    with writing(engine) as connection:
        upsert(connection, concept, named)
        upsert(connection, concept_ancestor, below)


def prescribed(name: str, subject: dict[str, Any], drug: str, day: str) -> SourceRecord:
    """A prescription; its day may be one to come."""
    given = {"medicationCodeableConcept": coded(RXNORM, drug)}
    return record(
        "MedicationRequest", name, **subject, **given, status="active", intent="order", authoredOn=day
    )


def increments(chance: random.Random) -> Iterator[tuple[str, list[SourceRecord]]]:
    """What arrives: new and changed records, some taken back, of a patient who comes, goes and is merged."""
    everything = [("fhir", one) for one in fhir_records(PEOPLE)] + [("pacs", one) for one in dicom_records(3)]
    hour = 3
    for number in range(90):
        subject = {"subject": {"reference": f"Patient/p{chance.randrange(PEOPLE)}"}}
        day = (date(2009, 1, 1) + timedelta(days=chance.randrange(900))).isoformat()
        kind = chance.choice(("Condition", "Drug", "Encounter", "Planned"))
        name = f"{kind}{chance.randrange(25)}"
        if kind == "Condition":
            one = record(kind, name, **subject, code=coded(ICD10, "C71.1"), onsetDateTime=day)
        elif kind == "Encounter":
            one = record("Encounter", name, **subject, status="finished", period={"start": day})
        else:
            drug = chance.choice(("11", "12"))
            one = prescribed(name, subject, drug, day if kind == "Drug" else LATER.isoformat())
        everything.append(("fhir", version(one, hour + number % 20)._replace(deleted=chance.random() < 0.15)))
    chance.shuffle(everything)
    while everything:
        size = chance.choice((2, 5, 20))
        part, everything = everything[:size], everything[size:]
        for source in ("fhir", "pacs"):
            if records := [one for name, one in part if name == source]:
                yield source, records


@pytest.mark.slow
def test_many_increments_derive_what_everybody_anew_would(engine: Engine) -> None:
    """After each increment: what was made for its people alone is all that there is to make."""
    vocabulary(engine)
    for source, records in increments(random.Random(1)):
        load(engine, records, source, IDENTITY)
        made = cdm_rows(engine)
        derive(engine)
        assert cdm_rows(engine) == made
    assert {"drug_era", "condition_era", "observation_period"} <= made.keys()


def test_a_load_touches_the_derived_rows_of_its_people_alone(engine: Engine) -> None:
    load(engine, fhir_records(PEOPLE), "fhir", IDENTITY)
    written: list[str] = []

    def watch(connection: object, cursor: object, statement: str, *_: object) -> None:
        written.append(statement)

    with engine.connect() as connection:
        before = connection.execute(select(observation_period)).all()
    event.listen(engine, "before_cursor_execute", watch)
    new = record(
        "Encounter",
        "new",
        subject={"reference": "Patient/p1"},
        status="finished",
        period={"start": "2011-01-01"},
    )
    load(engine, [new], "fhir", IDENTITY)
    event.remove(engine, "before_cursor_execute", watch)
    with engine.connect() as connection:
        after = connection.execute(select(observation_period)).all()
    assert len(set(after) - set(before)) == 1
    of_derived = [
        one for one in written if one.startswith(("DELETE FROM observation_period", "DELETE FROM drug_era"))
    ]
    assert len(of_derived) == 2
    assert all("person_id IN" in one for one in of_derived)


def test_a_drug_that_is_planned_counts_when_its_day_has_come(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a person of whom nothing arrives that day."""
    subject = {"subject": {"reference": "Patient/p1"}}
    condition = record("Condition", "c1", **subject, code=coded(ICD10, "C71.1"), onsetDateTime="2010-01-05")
    people = [record("Patient", name, birthDate="1970") for name in ("p1", "p2")]
    load(
        engine,
        [*people, condition, prescribed("planned", subject, "11", LATER.isoformat())],
        "fhir",
        IDENTITY,
    )
    end = select(observation_period.c.observation_period_end_date)
    with engine.connect() as connection:
        assert connection.scalar(end) == date(2010, 1, 5)
        assert connection.scalars(select(derivation_due.c.due_day)).all() == [LATER]
    for module in ("due", "periods"):
        monkeypatch.setattr(f"cdm.etl.loader.{module}.latest_day", lambda today=None: LATER)
    load(engine, [record("Patient", "p2", birthDate="1971")], "fhir", IDENTITY)
    with engine.connect() as connection:
        assert connection.scalar(end) == LATER
        assert connection.execute(select(derivation_due)).all() == []
