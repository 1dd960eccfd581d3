"""DICOM studies, series and regions as rows: the imaging extension (MI-CDM) and what the scanner was set to.

DicomStudy becomes one procedure_occurrence.
DicomSeries becomes one image_occurrence, one image_acquisition, and a measurement for each parameter in it.
DicomRegions (an RTSTRUCT or SEG series) becomes an image_occurrence and image_acquisition too, and for every
region an observation with its name and an image_feature that joins this name to the image_occurrence of the
*image* it is drawn on. They are dated by the image's study: who draws a region meets no patient.

The acquisition parameters are stored twice, since they are asked for in two ways. `image_acquisition` (ours)
has a column per parameter, named after DICOM's keyword with its unit: a batch label needs several of an image
side by side, so a scanner is read by joining it on image_occurrence_id. A `measurement` a parameter is how
the MI-CDM guide has it: its concept and source value are the DICOM attribute's (`DICOM:00180060`), which a
study can name, and measurement_event_id is the image_occurrence_id.

The keys of procedure_occurrence and image_occurrence come from the UIDs alone, so that a series and FHIR's
ImagingStudy that tells of it are one row, for which the header counts.
"""

from cdm.etl.context import Context
from cdm.etl.fhir.words.dates import stated_day
from cdm.etl.record import Body, Row

EHR = 32817  # Type Concept
OBSERVATION_TABLE = 1147304  # the CDM's own concept of the table, as the MI-CDM guide asks (section 7)
STUDY = "imaging study"
REGION = "region of interest"
PARAMETERS = {  # column of image_acquisition -> DICOM attribute, UCUM unit; None for words
    "manufacturer": ("00080070", None),
    "manufacturer_model_name": ("00081090", None),
    "convolution_kernel": ("00181210", None),
    "contrast_bolus_agent": ("00180010", None),
    "slice_thickness_mm": ("00180050", "mm"),
    "pixel_spacing_row_mm": ("00280030", "mm"),
    "kvp": ("00180060", "kV"),
    "magnetic_field_strength_tesla": ("00180087", "T"),
    "repetition_time_ms": ("00180080", "ms"),
    "echo_time_ms": ("00180081", "ms"),
    "flip_angle_degrees": ("00181314", "deg"),
}


def map_study(body: Body, context: Context) -> list[Row]:
    """The procedure that a study is."""
    return [
        Row(
            "procedure_occurrence",
            {
                "procedure_occurrence_id": context.study_procedure_id(body["study_uid"]),
                "person_id": context.person_id(body["patient_id"]),
                "procedure_concept_id": 0,
                "procedure_date": stated_day(context, body["date"]),
                "procedure_type_concept_id": EHR,
                "procedure_source_value": STUDY,
                "procedure_source_concept_id": 0,
            },
        )
    ]


def map_series(body: Body, context: Context) -> list[Row]:
    """The image_occurrence of an image series and its acquisition parameters."""
    return [
        *_series(body, context),
        *(
            _parameter(body, column, attribute, unit, context)
            for column, (attribute, unit) in PARAMETERS.items()
            if column in body["facts"]
        ),
    ]


def _series(body: Body, context: Context) -> list[Row]:
    """What every series is, of images or of regions."""
    key = context.image_occurrence_id(body["series_uid"])
    occurrence = {
        "image_occurrence_id": key,
        "person_id": context.person_id(body["patient_id"]),
        "procedure_occurrence_id": context.study_procedure_id(body["study_uid"]),
        "local_path": body["local_path"],
        "image_occurrence_date": stated_day(context, body["date"]),
        "image_study_uid": body["study_uid"],
        "image_series_uid": body["series_uid"],
        "modality_concept_id": context.resolve("DICOM", body["modality"]).concept_id,
    }
    acquisition = {"image_occurrence_id": key, "modality": body["modality"], **body["facts"]}
    return [Row("image_occurrence", occurrence), Row("image_acquisition", acquisition)]


def _parameter(body: Body, column: str, attribute: str, unit: str | None, context: Context) -> Row:
    """One acquisition parameter as a measurement of its image."""
    value = body["facts"][column]
    found = context.lookup("DICOM", attribute)
    measurement = {
        "measurement_id": context.row_id(f"DicomSeries/{body['series_uid']}", "measurement", attribute),
        "person_id": context.person_id(body["patient_id"]),
        "measurement_concept_id": found.concept_id,
        "measurement_date": stated_day(context, body["date"]),
        "measurement_type_concept_id": EHR,
        "value_as_number": value if unit else None,
        "unit_concept_id": context.lookup("UCUM", unit).concept_id if unit else None,
        "unit_source_value": unit,
        "measurement_source_value": f"DICOM:{attribute}",
        "measurement_source_concept_id": found.source_concept_id,
        "value_source_value": None if unit else str(value)[:50],
        "measurement_event_id": context.image_occurrence_id(body["series_uid"]),
        "meas_event_field_concept_id": 0,
    }
    return Row("measurement", measurement)


def map_regions(body: Body, context: Context) -> list[Row]:
    """The rows of the series that holds the regions, and two for each region."""
    rows = _series(body, context)
    for number, region in enumerate(body["regions"], start=1):
        rows += _region(body, region["name"], region["image_series_uid"], number, context)
    return rows


def _region(body: Body, name: str, image_series_uid: str, number: int, context: Context) -> list[Row]:
    """The name of a region as an observation, and the image_feature that says on which image it is drawn."""
    record_id, part = f"DicomRegions/{body['series_uid']}", str(number)
    observation_id = context.row_id(record_id, "observation", part)
    observation = {
        "observation_id": observation_id,
        "person_id": context.person_id(body["patient_id"]),
        "observation_concept_id": 0,
        "observation_date": stated_day(context, body["date"]),
        "observation_type_concept_id": EHR,
        "value_as_string": name[:60],
        "observation_source_value": REGION,
        "observation_source_concept_id": 0,
        "qualifier_source_value": body["modality"],
    }
    feature = {
        "image_feature_id": context.row_id(record_id, "image_feature", part),
        "person_id": observation["person_id"],
        "image_occurrence_id": context.image_occurrence_id(image_series_uid),
        "image_feature_concept_id": 0,
        "image_feature_type_concept_id": EHR,
        "image_feature_event_field_concept_id": OBSERVATION_TABLE,
        "image_feature_event_id": observation_id,
        "alg_system": " ".join(
            str(body["facts"][column])
            for column in ("manufacturer", "manufacturer_model_name", "software_versions")
            if column in body["facts"]
        ),
    }
    return [Row("observation", observation), Row("image_feature", feature)]
