"""The health system tables of OMOP CDM 5.4: where care was given and by whom."""

from sqlalchemy import Table

from cdm.schema.columns import concept_id, integer, key, metadata, number, reference, text

location = Table(
    "location",
    metadata,
    key("location_id"),
    text("address_1", 50),
    text("address_2", 50),
    text("city", 50),
    text("state", 2),
    text("zip", 9),
    text("county", 20),
    text("location_source_value", 50),
    concept_id("country_concept_id"),
    text("country_source_value", 80),
    number("latitude"),
    number("longitude"),
)

care_site = Table(
    "care_site",
    metadata,
    key("care_site_id"),
    text("care_site_name", 255),
    concept_id("place_of_service_concept_id"),
    reference("location_id", "location"),
    text("care_site_source_value", 50),
    text("place_of_service_source_value", 50),
)

provider = Table(
    "provider",
    metadata,
    key("provider_id"),
    text("provider_name", 255),
    text("npi", 20),
    text("dea", 20),
    concept_id("specialty_concept_id"),
    reference("care_site_id", "care_site"),
    integer("year_of_birth"),
    concept_id("gender_concept_id", domain="Gender"),
    text("provider_source_value", 50),
    text("specialty_source_value", 50),
    concept_id("specialty_source_concept_id"),
    text("gender_source_value", 50),
    concept_id("gender_source_concept_id"),
)
