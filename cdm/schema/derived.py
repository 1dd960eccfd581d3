"""The derived elements of OMOP CDM 5.4: spans and episodes computed from the clinical tables."""

from sqlalchemy import Table, UniqueConstraint

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

drug_era = Table(
    "drug_era",
    metadata,
    hashed_key("drug_era_id"),
    reference("person_id", "person", required=True, index=True),
    concept_id("drug_concept_id", domain="Drug", concept_class="Ingredient", required=True, index=True),
    day("drug_era_start_date", required=True),
    day("drug_era_end_date", required=True),
    integer("drug_exposure_count"),
    integer("gap_days"),
)

dose_era = Table(
    "dose_era",
    metadata,
    key("dose_era_id"),
    reference("person_id", "person", required=True, index=True),
    concept_id("drug_concept_id", domain="Drug", concept_class="Ingredient", required=True, index=True),
    concept_id("unit_concept_id", domain="Unit", required=True),
    number("dose_value", required=True),
    day("dose_era_start_date", required=True),
    day("dose_era_end_date", required=True),
)

condition_era = Table(
    "condition_era",
    metadata,
    hashed_key("condition_era_id"),
    reference("person_id", "person", required=True, index=True),
    concept_id("condition_concept_id", domain="Condition", required=True, index=True),
    day("condition_era_start_date", required=True),
    day("condition_era_end_date", required=True),
    integer("condition_occurrence_count"),
)

episode = Table(
    "episode",
    metadata,
    key("episode_id"),
    reference("person_id", "person", required=True, index=True),
    concept_id("episode_concept_id", domain="Episode", required=True, index=True),
    day("episode_start_date", required=True),
    moment("episode_start_datetime"),
    day("episode_end_date"),
    moment("episode_end_datetime"),
    integer("episode_parent_id"),
    integer("episode_number"),
    concept_id("episode_object_concept_id", domain="Procedure, Regimen", required=True),
    concept_id("episode_type_concept_id", domain="Type Concept", required=True),
    text("episode_source_value", 50),
    concept_id("episode_source_concept_id"),
)

episode_event = Table(
    "episode_event",
    metadata,
    reference("episode_id", "episode", required=True),
    large("event_id", required=True),
    concept_id("episode_event_field_concept_id", domain="Metadata", required=True),
    UniqueConstraint("episode_id", "event_id", "episode_event_field_concept_id"),
)
