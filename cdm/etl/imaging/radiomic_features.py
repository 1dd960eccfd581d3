"""The radiomic features of one region in one image, as the site's engine computed them."""

from datetime import date, datetime

from cdm.etl.context import Context
from cdm.etl.imaging.image_feature import feature_rows, radiomic_name
from cdm.etl.record import Body, Row


def map_radiomic_features(body: Body, context: Context) -> list[Row]:
    """Two rows per feature: its measurement, and the image_feature that names its series and engine."""
    return [
        row
        for feature in body["features"]
        for row in feature_rows(
            context,
            person_id=body["person_id"],
            image_occurrence_id=body["image_occurrence_id"],
            name=radiomic_name(body["modality"], body["region"], feature["tag"], feature["filter"]),
            value=feature["value"],
            unit=feature["unit"],
            day=date.fromisoformat(body["date"]),
            algorithm=body["algorithm"],
            computed_at=datetime.fromisoformat(body["computed_at"]),
            missing_reason=feature["reason"],
        )
    ]
