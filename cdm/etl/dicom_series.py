"""DICOM studies, series and regions as rows: the imaging extension (MI-CDM) and what the scanner was set to.

DicomStudy becomes one procedure_occurrence.
DicomSeries becomes one image_occurrence and one image_acquisition.
DicomRegions (an RTSTRUCT or SEG series) becomes the same two, and for every region an observation with its
name and an image_feature that joins this name to the image_occurrence of the *image* it is drawn on.

`image_acquisition` has a column a parameter, named after DICOM's keyword with its unit; a scanner is read by
joining it on image_occurrence_id and putting `manufacturer`, `manufacturer_model_name` (and
`convolution_kernel`, …) together. Rows of `measurement` were rejected for this: a batch label needs several
parameters of one image side by side.
The keys of procedure_occurrence and image_occurrence come from the UIDs alone, so that a series and FHIR's
ImagingStudy that tells of it are one row, for which the header counts.
"""

from datetime import date

from cdm.etl.context import Context
from cdm.etl.record import Body, Row

EHR = 32817  # Type Concept
OBSERVATION_ID_FIELD = 1147165  # the CDM's own concept for observation.observation_id
STUDY = "imaging study"
REGION = "region of interest"


def map_study(body: Body, context: Context) -> list[Row]:
    """The procedure that a study is."""
    return [
        Row(
            "procedure_occurrence",
            {
                "procedure_occurrence_id": context.study_procedure_id(body["study_uid"]),
                "person_id": context.person_id(body["patient_id"]),
                "procedure_concept_id": 0,
                "procedure_date": date.fromisoformat(body["date"]),
                "procedure_type_concept_id": EHR,
                "procedure_source_value": STUDY,
                "procedure_source_concept_id": 0,
            },
        )
    ]


def map_series(body: Body, context: Context) -> list[Row]:
    """The image_occurrence of a series and its acquisition parameters."""
    occurrence = Row(
        "image_occurrence",
        {
            "image_occurrence_id": context.image_occurrence_id(body["series_uid"]),
            "person_id": context.person_id(body["patient_id"]),
            "procedure_occurrence_id": context.study_procedure_id(body["study_uid"]),
            "local_path": body["local_path"],
            "image_occurrence_date": date.fromisoformat(body["date"]),
            "image_study_uid": body["study_uid"],
            "image_series_uid": body["series_uid"],
            "modality_concept_id": context.resolve("DICOM", body["modality"]).concept_id,
        },
    )
    key = {"image_occurrence_id": occurrence.values["image_occurrence_id"], "modality": body["modality"]}
    return [occurrence, Row("image_acquisition", {**key, **body["facts"]})]


def map_regions(body: Body, context: Context) -> list[Row]:
    """The rows of the series that holds the regions, and two for each region."""
    rows = map_series(body, context)
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
        "observation_date": date.fromisoformat(body["date"]),
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
        "image_feature_event_field_concept_id": OBSERVATION_ID_FIELD,
        "image_feature_event_id": observation_id,
        "alg_system": " ".join(
            str(body["facts"][column])
            for column in ("manufacturer", "manufacturer_model_name", "software_versions")
            if column in body["facts"]
        ),
    }
    return [Row("observation", observation), Row("image_feature", feature)]
