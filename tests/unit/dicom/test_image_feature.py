"""One number about one image, as rows."""

from datetime import date
from typing import Any

import pytest

from cdm.database import connect, migrate
from cdm.etl import Context, Identity
from cdm.etl.imaging.image_feature import MEASUREMENT_TABLE, feature_rows, radiomic_name
from cdm.vocabulary.concepts import Vocabulary


@pytest.fixture(scope="module")
def context() -> Context:
    engine = connect("sqlite://")
    migrate(engine)
    return Context("radiomics", Identity(bytes(32)), Vocabulary(engine))


def rows(context: Context, **changes: Any) -> list[dict[str, Any]]:
    given = {"person_id": 7, "image_occurrence_id": 8, "name": "vasari_f5", "value": 2.0}
    made = feature_rows(context, day=date(2024, 3, 5), algorithm="reader", **{**given, **changes})
    return [row.values for row in made]


def test_the_image_feature_points_to_the_measurement(context: Context) -> None:
    measurement, feature = rows(context)
    assert (measurement["measurement_source_value"], measurement["value_as_number"]) == ("vasari_f5", 2.0)
    assert feature["image_feature_event_field_concept_id"] == MEASUREMENT_TABLE
    assert feature["image_feature_event_id"] == measurement["measurement_id"]
    assert feature["image_occurrence_id"] == measurement["measurement_event_id"] == 8


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_missing_with_its_reason(context: Context, value: float | None) -> None:
    measurement, _ = rows(context, value=value, missing_reason="not-scored")
    assert measurement["value_as_number"] is None
    assert measurement["value_source_value"] == "not-scored"


def test_without_an_image_there_is_the_measurement_alone(context: Context) -> None:
    assert len(rows(context, image_occurrence_id=None)) == 1


def test_a_new_number_of_one_name_replaces_the_old(context: Context) -> None:
    before, after = rows(context)[0], rows(context, value=3.0)[0]
    assert before["measurement_id"] == after["measurement_id"]
    assert before["measurement_id"] != rows(context, image_occurrence_id=9)[0]["measurement_id"]


def test_radiomic_names_are_short_and_stay_apart() -> None:
    assert radiomic_name("CT", "GTV", "cm_joint_entr_3D_avg") == "CT:GTV:none:cm_joint_entr_3D_avg"
    assert radiomic_name("CT", " Left: GTV ", "stat_mean") == "CT:Left_GTV:none:stat_mean"
    long = [radiomic_name("MR", "R" * 60 + end, "stat_mean") for end in "ab"]
    assert [len(name) for name in long] == [50, 50]
    assert long[0] != long[1]
