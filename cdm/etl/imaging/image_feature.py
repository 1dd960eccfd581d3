"""One number about one image as rows of the CDM: one convention for radiomic and reader-scored features.

The number is a row of `measurement`:
    measurement_source_value        the feature's name (below); measurement_concept_id is 0: none has one
    value_as_number, unit_*         the number; NULL where it is missing, and then value_source_value says why
    measurement_type_concept_id     COMPUTED or SCORED_BY_READER
    measurement_event_id            the image_occurrence_id; no vocabulary has a concept for this field,
                                    so that meas_event_field_concept_id is 0
What it was measured on and by whom is a row of `image_feature` (MI-CDM), where the image is known:
    image_occurrence_id             the series
    image_feature_event_field_concept_id, image_feature_event_id
                                    MEASUREMENT_TABLE and the measurement_id
    alg_system, alg_datetime        the engine, its version and the hash of its settings; or who read it

Names are at most 50 characters, longer ones end in their hash (`stored_name`). A reader's score keeps the
column's name (`vasari_f5`). A radiomic feature is `modality:region:filter:tag`, made by `radiomic_name`, with
IBSI's tag and aggregation, since one IBSI code may stand for several numbers: as in
`CT:GTV:none:cm_joint_entr_3D_avg`. One image has one row per radiomic name: computing again with other
settings replaces the number. Each reading of a reader has its own row.

So a variable is read by
    SELECT person_id, value_as_number, measurement_date
    FROM measurement WHERE measurement_source_value = :name
and, when the image matters, by joining image_feature on image_feature_event_id = measurement_id.
"""

import math
import re
from datetime import date, datetime
from hashlib import blake2b

from cdm.etl.context import Context
from cdm.etl.record import Row

MEASUREMENT_TABLE = 1147330  # the CDM's own concept of the table, as the MI-CDM guide asks (section 7)
COMPUTED = 32880  # Type Concept "Standard algorithm"
SCORED_BY_READER = 32809  # Type Concept "Case Report Form"
NAME_LENGTH = 50


def feature_rows(
    context: Context,
    *,
    person_id: int,
    image_occurrence_id: int | None,
    name: str,
    value: float | None,
    day: date,
    algorithm: str,
    unit: str = "",
    type_concept_id: int = COMPUTED,
    computed_at: datetime | None = None,
    missing_reason: str = "",
    reading: str = "",
) -> list[Row]:
    """The measurement that holds the number and, if the image is known, the image_feature that points to it.

    A value that is None or not finite is missing, with `missing_reason` (`not-scored`) beside it. An image
    has one row of a name, a person without an image too; what readers scored has one per `reading`.
    """
    missing = value is None or not math.isfinite(value)
    record_id = reading or f"ImageFeature/{image_occurrence_id or person_id}"
    measurement_id = context.row_id(record_id, "measurement", name)
    unit_concept_id = context.lookup("UCUM", unit).concept_id if unit else None
    measurement = Row(
        "measurement",
        {
            "measurement_id": measurement_id,
            "person_id": person_id,
            "measurement_concept_id": 0,
            "measurement_date": day,
            "measurement_type_concept_id": type_concept_id,
            "value_as_number": None if missing else value,
            "unit_concept_id": unit_concept_id,
            "unit_source_value": unit or None,
            "measurement_source_value": stored_name(name),
            "measurement_source_concept_id": 0,
            "measurement_event_id": image_occurrence_id,
            "meas_event_field_concept_id": 0 if image_occurrence_id else None,
            "value_source_value": (missing_reason or "not-a-number") if missing else None,
        },
    )
    if image_occurrence_id is None:
        return [measurement]
    feature = Row(
        "image_feature",
        {
            "image_feature_id": context.row_id(record_id, "image_feature", name),
            "person_id": person_id,
            "image_occurrence_id": image_occurrence_id,
            "image_feature_concept_id": 0,
            "image_feature_type_concept_id": type_concept_id,
            "image_feature_event_field_concept_id": MEASUREMENT_TABLE,
            "image_feature_event_id": measurement_id,
            "alg_system": algorithm,
            "alg_datetime": computed_at,
        },
    )
    return [measurement, feature]


def radiomic_name(modality: str, region: str, tag: str, filter_name: str = "none") -> str:
    """`modality:region:filter:tag`, at most 50 characters; feature store and table builder call it.

    `tag` is IBSI's, followed by the aggregation where there is one. What is too long ends in eight
    hexadecimal digits of its hash, so that two long names stay two.
    """
    return stored_name(":".join(word_of(part) for part in (modality, region, filter_name, tag)))


def word_of(text: str) -> str:
    """The text as a part of a feature's name: without the separator and without white space."""
    return re.sub(r"[\s:]+", "_", text.strip()) or "_"


def stored_name(name: str) -> str:
    """The name of a feature as measurement_source_value holds it: what is too long ends in its hash."""
    if len(name) <= NAME_LENGTH:
        return name
    return f"{name[: NAME_LENGTH - 9]}~{blake2b(name.encode(), digest_size=4).hexdigest()}"
