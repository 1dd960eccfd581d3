"""DICOM records as rows of the CDM."""

import json
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine

from cdm.database import connect, migrate
from cdm.etl import Context, Identity, Row
from cdm.etl.imaging.dicom_series import OBSERVATION_TABLE, map_regions, map_series, map_study
from cdm.vocabulary.concepts import Vocabulary

SERIES: dict[str, Any] = {
    "series_uid": "1.2.3",
    "study_uid": "1.2",
    "patient_id": "P-0042",
    "modality": "CT",
    "date": "2024-03-05",
    "local_path": "images/1.2.3",
    "instances": "ab",
    "facts": {"manufacturer": "ACME", "manufacturer_model_name": "Scan 9", "slice_thickness_mm": 3.0},
}
REGIONS = {
    **SERIES,
    "series_uid": "1.2.4",
    "modality": "RTSTRUCT",
    "date": "2024-04-01",
    "regions": [{"name": "GTV", "image_series_uid": "1.2.3"}, {"name": "PTV", "image_series_uid": "1.2.3"}],
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    made = connect("sqlite://")
    migrate(made)
    return made


@pytest.fixture
def context(engine: Engine) -> Context:
    return Context("pacs", Identity(bytes(32)), Vocabulary(engine))


def of(rows: list[Row], table: str) -> list[dict[str, Any]]:
    return [row.values for row in rows if row.table == table]


def test_a_study_is_a_procedure(context: Context) -> None:
    (row,) = map_study({"study_uid": "1.2", "patient_id": "P-0042", "date": "2024-03-05"}, context)
    assert row.table == "procedure_occurrence"
    assert row.values["procedure_occurrence_id"] == context.study_procedure_id("1.2")
    assert row.values["person_id"] == context.person_id("P-0042")
    assert row.values["procedure_date"] == date(2024, 3, 5)


def test_a_series_is_an_image_occurrence_that_fhir_can_name(context: Context) -> None:
    (row,) = of(map_series(SERIES, context), "image_occurrence")
    assert row["image_occurrence_id"] == context.image_occurrence_id("1.2.3")
    assert row["procedure_occurrence_id"] == context.study_procedure_id("1.2")
    assert row["image_series_uid"] == "1.2.3"
    assert (
        row["modality_concept_id"] == 2128009190
    )  # DICOM: CT, in the shared vocabulary/dicom_concepts.csv.gz
    assert row["image_occurrence_date"] == date(2024, 3, 5)


def test_what_makes_a_batch_stands_beside_the_image(context: Context) -> None:
    (row,) = of(map_series(SERIES, context), "image_acquisition")
    assert row == {
        "image_occurrence_id": context.image_occurrence_id("1.2.3"),
        "modality": "CT",
        "manufacturer": "ACME",
        "manufacturer_model_name": "Scan 9",
        "slice_thickness_mm": 3.0,
    }


def test_a_parameter_is_a_measurement_of_its_image_too(context: Context) -> None:
    rows = {row["measurement_source_value"]: row for row in of(map_series(SERIES, context), "measurement")}
    assert sorted(rows) == ["DICOM:00080070", "DICOM:00081090", "DICOM:00180050"]  # Manufacturer, …
    assert (rows["DICOM:00180050"]["value_as_number"], rows["DICOM:00180050"]["unit_source_value"]) == (
        3.0,
        "mm",
    )
    assert rows["DICOM:00080070"]["value_source_value"] == "ACME"
    assert {row["measurement_event_id"] for row in rows.values()} == {context.image_occurrence_id("1.2.3")}


def test_a_region_is_a_feature_of_the_image_it_is_drawn_on(context: Context) -> None:
    rows = map_regions(REGIONS, context)
    observations, features = of(rows, "observation"), of(rows, "image_feature")
    assert [row["value_as_string"] for row in observations] == ["GTV", "PTV"]
    assert {row["image_occurrence_id"] for row in features} == {context.image_occurrence_id("1.2.3")}
    assert [row["image_feature_event_id"] for row in features] == [
        row["observation_id"] for row in observations
    ]
    assert {row["image_feature_event_field_concept_id"] for row in features} == {OBSERVATION_TABLE}
    assert of(rows, "image_occurrence")[0]["modality_concept_id"] == 2128009263  # DICOM: RTSTRUCT


def test_the_patients_id_stands_in_no_row(context: Context) -> None:
    rows = [*map_series(SERIES, context), *map_regions(REGIONS, context)]
    assert "P-0042" not in json.dumps([row.values for row in rows], default=str)
