"""The results tables of OMOP CDM 5.4: who is in which cohort."""

from sqlalchemy import Table, UniqueConstraint

from cdm.schema.columns import concept_id, day, large, metadata, text

cohort = Table(
    "cohort",
    metadata,
    large("cohort_definition_id", required=True),
    large("subject_id", required=True),
    day("cohort_start_date", required=True),
    day("cohort_end_date", required=True),
    UniqueConstraint("cohort_definition_id", "subject_id", "cohort_start_date"),
)

cohort_definition = Table(
    "cohort_definition",
    metadata,
    large("cohort_definition_id", required=True),
    text("cohort_definition_name", 255, required=True),
    text("cohort_definition_description"),
    concept_id("definition_type_concept_id", required=True),
    text("cohort_definition_syntax"),
    concept_id("subject_concept_id", required=True),
    day("cohort_initiation_date"),
    UniqueConstraint("cohort_definition_id"),
)
