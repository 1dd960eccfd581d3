"""The imaging extension of OMOP (MI-CDM, OHDSI Imaging WG 2026-04) and what a scanner was set to.

One `image_occurrence` is one DICOM series. An `image_feature` points to the row of `measurement` or
`observation` that holds its value, and names in `alg_system` what computed it.
"""

from sqlalchemy import Table

from cdm.schema.columns import (
    concept_id,
    day,
    hashed_key,
    integer,
    key,
    large,
    metadata,
    moment,
    number,
    reference,
    text,
)

image_occurrence = Table(
    "image_occurrence",
    metadata,
    key("image_occurrence_id"),
    reference("person_id", "person", required=True, index=True),
    reference("visit_occurrence_id", "visit_occurrence"),
    reference("procedure_occurrence_id", "procedure_occurrence", required=True),
    text("wadors_uri"),
    text("local_path"),
    day("image_occurrence_date", required=True),
    text("image_study_uid", 250, required=True),
    text("image_series_uid", 250, required=True, index=True),
    concept_id("modality_concept_id", domain="Procedure", required=True),
    concept_id("anatomic_site_concept_id", domain="Spec Anatomic Site"),
)

image_feature = Table(
    "image_feature",
    metadata,
    hashed_key("image_feature_id"),
    reference("person_id", "person", required=True, index=True),
    reference("image_occurrence_id", "image_occurrence", required=True, index=True),
    concept_id("image_feature_concept_id", domain="Metadata", required=True),
    concept_id("image_feature_type_concept_id", domain="Type Concept", required=True),
    concept_id("image_feature_event_field_concept_id", domain="Metadata"),
    large("image_feature_event_id"),
    concept_id("image_finding_concept_id", domain="Condition"),
    large("image_finding_id"),
    concept_id("anatomic_site_concept_id", domain="Spec Anatomic Site"),
    text("alg_system"),
    moment("alg_datetime"),
)

# Ours: the DICOM attributes that harmonization and feature extraction ask for, under DICOM's own names.
image_acquisition = Table(
    "image_acquisition",
    metadata,
    key("image_occurrence_id"),
    text("modality", 16, required=True),
    text("manufacturer", 64),
    text("manufacturer_model_name", 64),
    text("software_versions", 64),
    text("body_part_examined", 16),
    text("frame_of_reference_uid", 64),
    integer("number_of_instances"),
    integer("rows"),
    integer("columns"),
    number("pixel_spacing_row_mm"),
    number("pixel_spacing_column_mm"),
    number("slice_thickness_mm"),
    number("slice_spacing_mm"),
    number("kvp"),
    text("convolution_kernel", 64),
    number("magnetic_field_strength_tesla"),
    number("repetition_time_ms"),
    number("echo_time_ms"),
    number("flip_angle_degrees"),
    text("contrast_bolus_agent", 64),
)
