"""Create the rest of OMOP CDM 5.4: health system, economics, derived elements, metadata, results."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "care_site",
        sa.Column("care_site_id", LONG, autoincrement=False, nullable=False),
        sa.Column("care_site_name", sa.String(length=255)),
        sa.Column("place_of_service_concept_id", sa.Integer()),
        sa.Column("location_id", LONG),
        sa.Column("care_site_source_value", sa.String(length=50)),
        sa.Column("place_of_service_source_value", sa.String(length=50)),
        sa.PrimaryKeyConstraint("care_site_id", name=op.f("pk_care_site")),
    )
    op.create_table(
        "cdm_source",
        sa.Column("cdm_source_name", sa.String(length=255), nullable=False),
        sa.Column("cdm_source_abbreviation", sa.String(length=25), nullable=False),
        sa.Column("cdm_holder", sa.String(length=255), nullable=False),
        sa.Column("source_description", sa.Text()),
        sa.Column("source_documentation_reference", sa.String(length=255)),
        sa.Column("cdm_etl_reference", sa.String(length=255)),
        sa.Column("source_release_date", sa.Date(), nullable=False),
        sa.Column("cdm_release_date", sa.Date(), nullable=False),
        sa.Column("cdm_version", sa.String(length=10)),
        sa.Column("cdm_version_concept_id", sa.Integer(), nullable=False),
        sa.Column("vocabulary_version", sa.String(length=20), nullable=False),
        sa.UniqueConstraint("cdm_source_name", name=op.f("uq_cdm_source")),
    )
    op.create_table(
        "cohort",
        sa.Column("cohort_definition_id", LONG, nullable=False),
        sa.Column("subject_id", LONG, nullable=False),
        sa.Column("cohort_start_date", sa.Date(), nullable=False),
        sa.Column("cohort_end_date", sa.Date(), nullable=False),
        sa.UniqueConstraint(
            "cohort_definition_id", "subject_id", "cohort_start_date", name=op.f("uq_cohort")
        ),
    )
    op.create_table(
        "cohort_definition",
        sa.Column("cohort_definition_id", LONG, nullable=False),
        sa.Column("cohort_definition_name", sa.String(length=255), nullable=False),
        sa.Column("cohort_definition_description", sa.Text()),
        sa.Column("definition_type_concept_id", sa.Integer(), nullable=False),
        sa.Column("cohort_definition_syntax", sa.Text()),
        sa.Column("subject_concept_id", sa.Integer(), nullable=False),
        sa.Column("cohort_initiation_date", sa.Date()),
        sa.UniqueConstraint("cohort_definition_id", name=op.f("uq_cohort_definition")),
    )
    op.create_table(
        "condition_era",
        sa.Column("condition_era_id", LONG, autoincrement=False, nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("condition_concept_id", sa.Integer(), nullable=False),
        sa.Column("condition_era_start_date", sa.Date(), nullable=False),
        sa.Column("condition_era_end_date", sa.Date(), nullable=False),
        sa.Column("condition_occurrence_count", sa.Integer()),
        sa.PrimaryKeyConstraint("condition_era_id", name=op.f("pk_condition_era")),
    )
    op.create_index(op.f("ix_condition_era_condition_concept_id"), "condition_era", ["condition_concept_id"])
    op.create_index(op.f("ix_condition_era_person_id"), "condition_era", ["person_id"])
    op.create_table(
        "cost",
        sa.Column("cost_id", LONG, autoincrement=False, nullable=False),
        sa.Column("cost_event_id", LONG, nullable=False),
        sa.Column("cost_domain_id", sa.String(length=20), nullable=False),
        sa.Column("cost_type_concept_id", sa.Integer(), nullable=False),
        sa.Column("currency_concept_id", sa.Integer()),
        sa.Column("total_charge", sa.Double()),
        sa.Column("total_cost", sa.Double()),
        sa.Column("total_paid", sa.Double()),
        sa.Column("paid_by_payer", sa.Double()),
        sa.Column("paid_by_patient", sa.Double()),
        sa.Column("paid_patient_copay", sa.Double()),
        sa.Column("paid_patient_coinsurance", sa.Double()),
        sa.Column("paid_patient_deductible", sa.Double()),
        sa.Column("paid_by_primary", sa.Double()),
        sa.Column("paid_ingredient_cost", sa.Double()),
        sa.Column("paid_dispensing_fee", sa.Double()),
        sa.Column("payer_plan_period_id", sa.Integer()),
        sa.Column("amount_allowed", sa.Double()),
        sa.Column("revenue_code_concept_id", sa.Integer()),
        sa.Column("revenue_code_source_value", sa.String(length=50)),
        sa.Column("drg_concept_id", sa.Integer()),
        sa.Column("drg_source_value", sa.String(length=3)),
        sa.PrimaryKeyConstraint("cost_id", name=op.f("pk_cost")),
    )
    op.create_table(
        "dose_era",
        sa.Column("dose_era_id", LONG, autoincrement=False, nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("drug_concept_id", sa.Integer(), nullable=False),
        sa.Column("unit_concept_id", sa.Integer(), nullable=False),
        sa.Column("dose_value", sa.Double(), nullable=False),
        sa.Column("dose_era_start_date", sa.Date(), nullable=False),
        sa.Column("dose_era_end_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("dose_era_id", name=op.f("pk_dose_era")),
    )
    op.create_index(op.f("ix_dose_era_drug_concept_id"), "dose_era", ["drug_concept_id"])
    op.create_index(op.f("ix_dose_era_person_id"), "dose_era", ["person_id"])
    op.create_table(
        "drug_era",
        sa.Column("drug_era_id", LONG, autoincrement=False, nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("drug_concept_id", sa.Integer(), nullable=False),
        sa.Column("drug_era_start_date", sa.Date(), nullable=False),
        sa.Column("drug_era_end_date", sa.Date(), nullable=False),
        sa.Column("drug_exposure_count", sa.Integer()),
        sa.Column("gap_days", sa.Integer()),
        sa.PrimaryKeyConstraint("drug_era_id", name=op.f("pk_drug_era")),
    )
    op.create_index(op.f("ix_drug_era_drug_concept_id"), "drug_era", ["drug_concept_id"])
    op.create_index(op.f("ix_drug_era_person_id"), "drug_era", ["person_id"])
    op.create_table(
        "episode",
        sa.Column("episode_id", LONG, autoincrement=False, nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("episode_concept_id", sa.Integer(), nullable=False),
        sa.Column("episode_start_date", sa.Date(), nullable=False),
        sa.Column("episode_start_datetime", sa.DateTime()),
        sa.Column("episode_end_date", sa.Date()),
        sa.Column("episode_end_datetime", sa.DateTime()),
        sa.Column("episode_parent_id", sa.Integer()),
        sa.Column("episode_number", sa.Integer()),
        sa.Column("episode_object_concept_id", sa.Integer(), nullable=False),
        sa.Column("episode_type_concept_id", sa.Integer(), nullable=False),
        sa.Column("episode_source_value", sa.String(length=50)),
        sa.Column("episode_source_concept_id", sa.Integer()),
        sa.PrimaryKeyConstraint("episode_id", name=op.f("pk_episode")),
    )
    op.create_index(op.f("ix_episode_episode_concept_id"), "episode", ["episode_concept_id"])
    op.create_index(op.f("ix_episode_person_id"), "episode", ["person_id"])
    op.create_table(
        "episode_event",
        sa.Column("episode_id", LONG, nullable=False),
        sa.Column("event_id", LONG, nullable=False),
        sa.Column("episode_event_field_concept_id", sa.Integer(), nullable=False),
        sa.UniqueConstraint(
            "episode_id", "event_id", "episode_event_field_concept_id", name=op.f("uq_episode_event")
        ),
    )
    op.create_table(
        "location",
        sa.Column("location_id", LONG, autoincrement=False, nullable=False),
        sa.Column("address_1", sa.String(length=50)),
        sa.Column("address_2", sa.String(length=50)),
        sa.Column("city", sa.String(length=50)),
        sa.Column("state", sa.String(length=2)),
        sa.Column("zip", sa.String(length=9)),
        sa.Column("county", sa.String(length=20)),
        sa.Column("location_source_value", sa.String(length=50)),
        sa.Column("country_concept_id", sa.Integer()),
        sa.Column("country_source_value", sa.String(length=80)),
        sa.Column("latitude", sa.Double()),
        sa.Column("longitude", sa.Double()),
        sa.PrimaryKeyConstraint("location_id", name=op.f("pk_location")),
    )
    op.create_table(
        "metadata",
        sa.Column("metadata_id", LONG, autoincrement=False, nullable=False),
        sa.Column("metadata_concept_id", sa.Integer(), nullable=False),
        sa.Column("metadata_type_concept_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=250), nullable=False),
        sa.Column("value_as_string", sa.String(length=250)),
        sa.Column("value_as_concept_id", sa.Integer()),
        sa.Column("value_as_number", sa.Double()),
        sa.Column("metadata_date", sa.Date()),
        sa.Column("metadata_datetime", sa.DateTime()),
        sa.PrimaryKeyConstraint("metadata_id", name=op.f("pk_metadata")),
    )
    op.create_table(
        "payer_plan_period",
        sa.Column("payer_plan_period_id", LONG, autoincrement=False, nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("payer_plan_period_start_date", sa.Date(), nullable=False),
        sa.Column("payer_plan_period_end_date", sa.Date(), nullable=False),
        sa.Column("payer_concept_id", sa.Integer()),
        sa.Column("payer_source_value", sa.String(length=50)),
        sa.Column("payer_source_concept_id", sa.Integer()),
        sa.Column("plan_concept_id", sa.Integer()),
        sa.Column("plan_source_value", sa.String(length=50)),
        sa.Column("plan_source_concept_id", sa.Integer()),
        sa.Column("sponsor_concept_id", sa.Integer()),
        sa.Column("sponsor_source_value", sa.String(length=50)),
        sa.Column("sponsor_source_concept_id", sa.Integer()),
        sa.Column("family_source_value", sa.String(length=50)),
        sa.Column("stop_reason_concept_id", sa.Integer()),
        sa.Column("stop_reason_source_value", sa.String(length=50)),
        sa.Column("stop_reason_source_concept_id", sa.Integer()),
        sa.PrimaryKeyConstraint("payer_plan_period_id", name=op.f("pk_payer_plan_period")),
    )
    op.create_index(op.f("ix_payer_plan_period_person_id"), "payer_plan_period", ["person_id"])
    op.create_table(
        "provider",
        sa.Column("provider_id", LONG, autoincrement=False, nullable=False),
        sa.Column("provider_name", sa.String(length=255)),
        sa.Column("npi", sa.String(length=20)),
        sa.Column("dea", sa.String(length=20)),
        sa.Column("specialty_concept_id", sa.Integer()),
        sa.Column("care_site_id", LONG),
        sa.Column("year_of_birth", sa.Integer()),
        sa.Column("gender_concept_id", sa.Integer()),
        sa.Column("provider_source_value", sa.String(length=50)),
        sa.Column("specialty_source_value", sa.String(length=50)),
        sa.Column("specialty_source_concept_id", sa.Integer()),
        sa.Column("gender_source_value", sa.String(length=50)),
        sa.Column("gender_source_concept_id", sa.Integer()),
        sa.PrimaryKeyConstraint("provider_id", name=op.f("pk_provider")),
    )
