"""The vocabulary tables of OMOP CDM 5.4, in the shape of an Athena export."""

from sqlalchemy import Column, Index, Integer, Table, UniqueConstraint

from cdm.schema.columns import concept_id, day, integer, metadata, number, text

concept = Table(
    "concept",
    metadata,
    Column("concept_id", Integer, primary_key=True, autoincrement=False),
    text("concept_name", 255, required=True),
    text("domain_id", 20, references="domain", required=True),
    text("vocabulary_id", 20, references="vocabulary", required=True),
    text("concept_class_id", 20, references="concept_class", required=True),
    text("standard_concept", 1),
    text("concept_code", 50, required=True),
    day("valid_start_date", required=True),
    day("valid_end_date", required=True),
    text("invalid_reason", 1),
    Index(None, "vocabulary_id", "concept_code"),
)

vocabulary = Table(
    "vocabulary",
    metadata,
    text("vocabulary_id", 20, primary_key=True),
    text("vocabulary_name", 255, required=True),
    text("vocabulary_reference", 255),
    text("vocabulary_version", 255),
    concept_id("vocabulary_concept_id", required=True),
)

domain = Table(
    "domain",
    metadata,
    text("domain_id", 20, primary_key=True),
    text("domain_name", 255, required=True),
    concept_id("domain_concept_id", required=True),
)

concept_class = Table(
    "concept_class",
    metadata,
    text("concept_class_id", 20, primary_key=True),
    text("concept_class_name", 255, required=True),
    concept_id("concept_class_concept_id", required=True),
)

concept_relationship = Table(
    "concept_relationship",
    metadata,
    concept_id("concept_id_1", required=True),
    concept_id("concept_id_2", required=True),
    text("relationship_id", 20, references="relationship", required=True),
    day("valid_start_date", required=True),
    day("valid_end_date", required=True),
    text("invalid_reason", 1),
    UniqueConstraint("concept_id_1", "concept_id_2", "relationship_id"),
)

relationship = Table(
    "relationship",
    metadata,
    text("relationship_id", 20, primary_key=True),
    text("relationship_name", 255, required=True),
    text("is_hierarchical", 1, required=True),
    text("defines_ancestry", 1, required=True),
    text("reverse_relationship_id", 20, required=True),
    concept_id("relationship_concept_id", required=True),
)

concept_synonym = Table(
    "concept_synonym",
    metadata,
    concept_id("concept_id", required=True, index=True),
    text("concept_synonym_name", 1000, required=True),
    concept_id("language_concept_id", required=True),
)

concept_ancestor = Table(
    "concept_ancestor",
    metadata,
    concept_id("ancestor_concept_id", required=True),
    concept_id("descendant_concept_id", required=True, index=True),
    integer("min_levels_of_separation", required=True),
    integer("max_levels_of_separation", required=True),
    UniqueConstraint("ancestor_concept_id", "descendant_concept_id"),
)

source_to_concept_map = Table(
    "source_to_concept_map",
    metadata,
    text("source_code", 50, required=True),
    concept_id("source_concept_id", required=True),
    text("source_vocabulary_id", 20, required=True),
    text("source_code_description", 255),
    concept_id("target_concept_id", required=True),
    text("target_vocabulary_id", 20, references="vocabulary", required=True),
    day("valid_start_date", required=True),
    day("valid_end_date", required=True),
    text("invalid_reason", 1),
    UniqueConstraint("source_vocabulary_id", "source_code", "target_concept_id", "valid_end_date"),
)

drug_strength = Table(
    "drug_strength",
    metadata,
    concept_id("drug_concept_id", required=True, index=True),
    concept_id("ingredient_concept_id", required=True),
    number("amount_value"),
    concept_id("amount_unit_concept_id"),
    number("numerator_value"),
    concept_id("numerator_unit_concept_id"),
    number("denominator_value"),
    concept_id("denominator_unit_concept_id"),
    integer("box_size"),
    day("valid_start_date", required=True),
    day("valid_end_date", required=True),
    text("invalid_reason", 1),
)
