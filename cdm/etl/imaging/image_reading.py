"""A reader's scores of one image: a measurement per feature, and the image_feature that ties it to a series.

MI-CDM requires of an image_feature that it names its series. Where the file names none, or not a DICOM
UID, the scores load as measurements alone: they are known to be the person's, and no image is invented.
A file without dates gives the day by which this CDM says "not known", 1 January 1900, with the precision of a
year; a study takes a reading with a date before one without.
"""

from cdm.etl.context import Context
from cdm.etl.fhir.imaging_study import is_uid
from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN, stated_day
from cdm.etl.imaging.image_feature import SCORED_BY_READER, feature_rows
from cdm.etl.record import Body, Row


def map_image_reading(body: Body, context: Context) -> list[Row]:
    """Two rows per feature where the series is known, else one."""
    series_uid = body["series_uid"]
    rows = [
        row
        for name, value in body["features"].items()
        for row in feature_rows(
            context,
            person_id=context.person_id(body["patient"]),
            image_occurrence_id=context.image_occurrence_id(series_uid) if is_uid(series_uid) else None,
            name=name,
            value=value,
            day=stated_day(context, body["date"]) if body["date"] else DAY_NOT_KNOWN,
            algorithm=f"reader {body['reader']}" if body["reader"] else "reader",
            type_concept_id=SCORED_BY_READER,
            reading=f"ImageReading/{body['id']}",
        )
    ]
    return rows if body["date"] else [row._replace(precision="year") for row in rows]
