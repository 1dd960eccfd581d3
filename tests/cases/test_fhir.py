"""FHIR of public reports rebuilt small: a test bears its case's name, whose EXPECT.txt says what is right."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, Table, func, select

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.loader.report import doubts, quarantined, unmapped, write_codes
from cdm.etl.loader.summary import LoadSummary
from cdm.schema import (
    condition_occurrence,
    death,
    drug_exposure,
    measurement,
    metadata,
    observation,
    person,
    source_to_concept_map,
)
from cdm.vocabulary.source_map import load_source_map
from protocols.core.errors import SpecError
from protocols.core.study import Study
from site_node.sources import fhir
from site_node.study_table.build import Built, build_table
from tests.lib.shared import shared

GLIOMA = "ICD10CM:C71%"
Columns = dict[str, list[float | None]]


@pytest.fixture
def case(engine: Engine) -> Callable[..., LoadSummary]:
    """Loads the files of a case, one after the other."""

    def loaded(name: str, *files: str) -> LoadSummary:
        for file in files or ("all.ndjson",):
            summary = load(engine, fhir.read(shared(f"cases/{name}/{file}")), "fhir", Identity(b"k" * 32))
        return summary

    return loaded


def table(engine: Engine, variables: dict[str, Any], concept: str = GLIOMA) -> Columns:
    """name -> the values of the cohort's people, ascending; None is missing."""
    columns = built(engine, variables, concept).table.columns
    return {name: _plain(values) for name, values in columns.items()}


def built(engine: Engine, variables: dict[str, Any], concept: str = GLIOMA) -> Built:
    study = Study.model_validate(
        {
            "name": "case",
            "title": "a case",
            "cohort": {"index": {"domain": "condition", "concept": concept}},
            "variables": {"age": {"kind": "age"}, **variables},
            "analyses": [{"name": "n", "spec": {"protocol": "summary", "of": ["age"]}}],
        }
    )
    return build_table(engine, study, "site")


def _plain(values: Any) -> list[float | None]:
    found = sorted(float(value) for value in values if not np.isnan(value))
    return [*found, *(None for value in values if np.isnan(value))]


def rows(engine: Engine, of: Table, *columns: str) -> list[tuple[Any, ...]]:
    """The rows of a table, as tuples of the named columns, ascending."""
    with engine.connect() as connection:
        found = connection.execute(select(*(of.c[name] for name in columns))).all()
    return sorted((tuple(row) for row in found), key=repr)


def people_without_a_person(engine: Engine) -> int:
    """How many rows of any table of people belong to nobody in `person`."""
    tables = [one for one in metadata.sorted_tables if "person_id" in one.c and one.name != "person_link"]
    with engine.connect() as connection:
        return sum(
            connection.scalar(select(func.count()).where(one.c.person_id.not_in(select(person.c.person_id))))
            or 0
            for one in tables
        )


def measured(code: str, **more: Any) -> dict[str, Any]:
    return {"x": {"kind": "measurement", "concept": code, **more}}


OS = {"os": {"kind": "survival", "endpoint": "overall"}}


def test_24_fhir_status_as_a_string(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("24_fhir_status_as_a_string")
    assert rows(engine, condition_occurrence, "condition_source_value") == []
    assert rows(engine, observation, "qualifier_source_value") == [("refuted",)]
    assert table(engine, {})["age"] == []


def test_25_fhir_relative_reference_with_version(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("25_fhir_relative_reference_with_version")
    assert quarantined(engine) == []
    assert len(table(engine, {})["age"]) == 1


def test_29_fhir_byte_order_mark(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    summary = case("29_fhir_byte_order_mark")
    assert summary.quarantined == 0
    assert len(table(engine, {})["age"]) == 1


def test_30_fhir_icd_without_dot(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("30_fhir_icd_without_dot")
    assert len(table(engine, {}, "ICD10CM:C71.1")["age"]) == 1
    assert len(table(engine, {}, "ICD10CM:C71%")["age"]) == 1


def test_atc_german(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("cdm", "atc_german.ndjson")
    assert rows(engine, drug_exposure, "drug_source_value") == [("ATC:L01XA01",)] * 2


def test_bom_bundle(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    summary = case("cdm", "bom_bundle.json")
    assert summary.quarantined == 0
    assert rows(engine, measurement, "value_as_number") == [(62.0,)]


def test_category_second(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("cdm", "category_second.ndjson")
    assert rows(engine, condition_occurrence, "condition_type_concept_id") == [(32840,)]


def test_dispense(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("cdm", "dispense.ndjson")
    found = rows(
        engine, drug_exposure, "drug_source_value", "drug_exposure_start_date", "days_supply", "quantity"
    )
    assert [(value, str(day), days, n) for value, day, days, n in found] == [
        ("RxNorm:8640", "2020-02-01", 30, 30.0)
    ]


def test_csv_injection(engine: Engine, case: Callable[..., LoadSummary], tmp_path: Path) -> None:
    """No cell begins as a formula does or holds an escape; `data map` understands it all the same."""
    case("cdm", "csv_injection.ndjson")
    lines = unmapped(engine, Identity(b"k" * 32))
    path = tmp_path / "codes.csv"
    write_codes(lines, path)
    with path.open(encoding="utf-8", newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell]
    assert not [cell for cell in cells for sign in cell if ord(sign) < 32]
    filled = path.read_text(encoding="utf-8").replace(",,1", ",0,1")
    path.write_text(filled, encoding="utf-8")
    load_source_map(engine, path)
    codes = {code for (code,) in rows(engine, source_to_concept_map, "source_code")}
    assert {'=HYPERLINK("http://x")', "\x1b[31mred"} <= codes


def test_20_fhir_visit_ends_in_9999(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("20_fhir_visit_ends_in_9999")
    found = table(engine, OS)
    assert found["os.time"] == [52] or found["os.time"] == [None]


def test_23_fhir_death_by_month(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("23_fhir_death_by_month")
    assert [str(day) for (day,) in rows(engine, death, "death_date")] == ["2015-06-30"]
    found = table(engine, OS)
    assert found["os.time"] == [20]
    assert found["os.event"] == [1]


def test_28_fhir_last_of_one_day(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("28_fhir_last_of_one_day")
    assert table(engine, measured("LOINC:89243-0", pick="last"))["x"] == [40]
    assert table(engine, measured("LOINC:89243-0", pick="first"))["x"] == [60]


def test_asserted_date(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    """a: assertedDate before recordedDate; b: assertedDate alone; c: the age at onset, 60, born in 1950."""
    summary = case("cdm", "asserted_date.ndjson")
    assert summary.quarantined == 0
    days = rows(engine, condition_occurrence, "condition_start_date")
    assert [str(day) for (day,) in days] == ["2010-02-03", "2021-06-10", "2021-06-10"]


def test_encounter_date(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    summary = case("cdm", "encounter_date.ndjson")
    assert summary.quarantined == 0
    days = rows(engine, measurement, "measurement_date") + rows(engine, observation, "observation_date")
    assert {str(day) for (day,) in days} == {"2020-05-01"}  # being alive is stated as of the last contact
    assert len(days) == 3


def test_26_fhir_merged_patient(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("26_fhir_merged_patient")
    assert len(table(engine, {})["age"]) == 1


def test_27_fhir_deleted_patient(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("27_fhir_deleted_patient", "1.ndjson", "2.json")
    assert table(engine, {})["age"] == []
    assert people_without_a_person(engine) == 0


def test_21_fhir_mixed_units(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    """A study that names a unit has every weight in it; one that names none is refused."""
    case("21_fhir_mixed_units")
    assert table(engine, measured("LOINC:29463-7", unit="kg"))["x"] == pytest.approx([70, 70, 70], rel=1e-3)
    with pytest.raises(SpecError, match="several units"):
        table(engine, measured("LOINC:29463-7"))


def test_22_fhir_comparator_in_a_study(engine: Engine, case: Callable[..., LoadSummary]) -> None:
    case("22_fhir_comparator_in_a_study")
    assert table(engine, measured("LOINC:2857-1"))["x"] == [None]
    assert table(engine, measured("LOINC:2857-1", comparator="half"))["x"] == [0.05]
    assert table(engine, measured("LOINC:2857-1", comparator="limit"))["x"] == [0.1]
    assert [(one["doubt"], one["records"]) for one in doubts(engine)] == [("comparator", 1)]
    assert built(engine, measured("LOINC:2857-1", comparator="half")).table.doubtful == {
        "x": {"comparator": 1}
    }
