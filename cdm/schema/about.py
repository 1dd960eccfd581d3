"""The metadata tables of OMOP CDM 5.4: what this database is and where it came from."""

from sqlalchemy import Table, UniqueConstraint

from cdm.schema.columns import concept_id, day, key, metadata, moment, number, text

# The standard calls this table `metadata`, which is what SQLAlchemy calls the collection of all tables.
omop_metadata = Table(
    "metadata",
    metadata,
    key("metadata_id"),
    concept_id("metadata_concept_id", required=True),
    concept_id("metadata_type_concept_id", required=True),
    text("name", 250, required=True),
    text("value_as_string", 250),
    concept_id("value_as_concept_id"),
    number("value_as_number"),
    day("metadata_date"),
    moment("metadata_datetime"),
)

cdm_source = Table(
    "cdm_source",
    metadata,
    text("cdm_source_name", 255, required=True),
    text("cdm_source_abbreviation", 25, required=True),
    text("cdm_holder", 255, required=True),
    text("source_description"),
    text("source_documentation_reference", 255),
    text("cdm_etl_reference", 255),
    day("source_release_date", required=True),
    day("cdm_release_date", required=True),
    text("cdm_version", 10),
    concept_id("cdm_version_concept_id", required=True),
    text("vocabulary_version", 20, required=True),
    UniqueConstraint("cdm_source_name"),
)
