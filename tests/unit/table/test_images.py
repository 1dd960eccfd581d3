"""Radiomic features and scanners of people: which image counts, and by which names a study finds a number."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from cdm.database import upsert, writing
from cdm.etl.context import Context
from cdm.etl.identity import Identity
from cdm.etl.imaging.image_feature import feature_rows
from cdm.etl.loader.load import load
from cdm.schema import image_acquisition, image_occurrence, metadata
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from site_node.study_table.build import build_table
from tests.lib.patients import condition, patient

IDENTITY = Identity(b"k" * 32)
INDEX = date(2020, 3, 1)


@pytest.fixture
def cdm(engine: Engine) -> Engine:
    names = ("ann", "bob")
    ill = [condition(name, "ICD10CM:C71.1", "2020-03-01") for name in names]
    load(engine, [*map(patient, names), *ill], "fhir", IDENTITY)
    return engine


def image(engine: Engine, key: int, name: str, days: int, facts: dict[str, Any], **features: float) -> None:
    """Write a CT series of so many days after the index date, with radiomic features of its GTV by tag."""
    context = Context("test", IDENTITY, Vocabulary(engine))
    day, person_id = INDEX + timedelta(days), context.person_id(name)
    occurrence = {
        "image_occurrence_id": key,
        "person_id": person_id,
        "procedure_occurrence_id": key,
        "image_occurrence_date": day,
        "image_study_uid": "1.2",
        "image_series_uid": f"1.2.{key}",
        "modality_concept_id": 0,
    }
    measured = [
        row
        for tag, value in features.items()
        for row in feature_rows(
            context,
            person_id=person_id,
            image_occurrence_id=key,
            name=f"CT:GTV:none:{tag}",
            value=value,
            day=day,
            algorithm="test 1",
        )
    ]
    with writing(engine) as connection:
        upsert(connection, image_occurrence, [occurrence])
        upsert(connection, image_acquisition, [{"image_occurrence_id": key, "modality": "CT", **facts}])
        for row in measured:
            upsert(connection, metadata.tables[row.table], [row.values])


def table(engine: Engine, variable: dict[str, Any], *rules: dict[str, Any]) -> AnalysisTable:
    study = Study.model_validate(
        {
            "name": "s",
            "title": "S",
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}, "rules": rules},
            "variables": {"age": {"kind": "age"}, "x": variable},
            "analyses": [{"name": "n", "spec": {"protocol": "summary", "of": ["age"]}}],
        }
    )
    return build_table(engine, study, "site").table


def row_of(name: str, found: AnalysisTable) -> int:
    return int(np.searchsorted(found.persons, IDENTITY.person_id("fhir", name)))


def radiomic(engine: Engine, feature: str, name: str) -> float:
    """The feature of one person, as a study asks for it."""
    asked = {"kind": "radiomic", "feature": feature, "modality": "CT", "region": "GTV"}
    found = table(engine, asked)
    return float(found.column("x")[row_of(name, found)])


@pytest.mark.parametrize("feature", ["cm_joint_entr_3D_avg", "TU9B", "Joint entropy", "cm_joint_entr"])
def test_a_study_names_a_feature_by_tag_code_or_name(cdm: Engine, feature: str) -> None:
    image(cdm, 1, "ann", 0, {}, cm_joint_entr_2D_avg=2.0, cm_joint_entr_3D_avg=3.0, cm_contrast_3D_avg=4.0)
    assert radiomic(cdm, feature, "ann") == 3.0
    assert np.isnan(radiomic(cdm, feature, "bob"))


def test_another_aggregation_is_asked_for_by_its_tag(cdm: Engine) -> None:
    image(cdm, 1, "ann", 0, {}, cm_joint_entr_2D_avg=2.0, cm_joint_entr_3D_avg=3.0)
    assert radiomic(cdm, "cm_joint_entr_2D_avg", "ann") == 2.0


def test_of_several_images_the_one_nearest_to_the_index_date_counts(cdm: Engine) -> None:
    image(cdm, 1, "ann", -90, {}, stat_mean=1.0)
    image(cdm, 2, "ann", 10, {}, stat_mean=2.0)
    assert radiomic(cdm, "Q4LE", "ann") == 2.0


def test_a_scanner_is_the_label_of_the_image_that_was_measured(cdm: Engine) -> None:
    siemens = {"manufacturer": "SIEMENS", "kvp": 120.0}
    image(cdm, 1, "ann", 20, {**siemens, "manufacturer_model_name": "Measured"}, stat_mean=1.0)
    image(cdm, 2, "ann", -2, {**siemens, "manufacturer_model_name": "Near"})
    image(cdm, 3, "bob", 0, {})
    found = table(cdm, {"kind": "scanner", "modality": "CT"})
    assert found.label("x")[row_of("ann", found)] == "SIEMENS / Measured"
    assert found.label("x")[row_of("bob", found)] is None
    tube = table(cdm, {"kind": "scanner", "modality": "CT", "by": ["manufacturer", "kvp"]})
    assert tube.label("x")[row_of("ann", tube)] == "SIEMENS / 120"


@pytest.mark.parametrize(
    ("part", "label"),
    [
        ("manufacturer", "SIEMENS"),
        ("model", "Biograph 64"),
        ("kernel", "B30f"),
        ("slice_thickness", "2.5"),
        ("field_strength", "1.5"),
        ("kvp", "120"),
        ("contrast", "Omnipaque"),
    ],
)
def test_a_batch_is_any_setting_of_the_scanner(cdm: Engine, part: str, label: str) -> None:
    facts = {
        "manufacturer": "SIEMENS",
        "manufacturer_model_name": "Biograph 64",
        "convolution_kernel": "B30f",
        "slice_thickness_mm": 2.5,
        "magnetic_field_strength_tesla": 1.5,
        "kvp": 120.0,
        "contrast_bolus_agent": "Omnipaque",
    }
    image(cdm, 1, "ann", 0, facts)
    found = table(cdm, {"kind": "scanner", "modality": "CT", "by": [part]})
    assert found.label("x")[row_of("ann", found)] == label


@pytest.mark.parametrize(("with_features", "people"), [(False, 2), (True, 1)])
def test_a_cohort_may_ask_for_images_or_for_measured_ones(
    cdm: Engine, with_features: bool, people: int
) -> None:
    image(cdm, 1, "ann", 0, {}, stat_mean=1.0)
    image(cdm, 2, "bob", 0, {})
    rule = {"kind": "imaging", "name": "has CT", "modality": "CT", "features": with_features}
    assert len(table(cdm, {"kind": "age"}, rule)) == people
    assert len(table(cdm, {"kind": "age"}, {**rule, "modality": "MR"})) == 0
