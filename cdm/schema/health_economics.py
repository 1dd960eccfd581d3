"""The health economics tables of OMOP CDM 5.4: who paid, and how much."""

from sqlalchemy import Table

from cdm.schema.columns import concept_id, day, integer, key, large, metadata, number, reference, text

payer_plan_period = Table(
    "payer_plan_period",
    metadata,
    key("payer_plan_period_id"),
    reference("person_id", "person", required=True, index=True),
    day("payer_plan_period_start_date", required=True),
    day("payer_plan_period_end_date", required=True),
    concept_id("payer_concept_id"),
    text("payer_source_value", 50),
    concept_id("payer_source_concept_id"),
    concept_id("plan_concept_id"),
    text("plan_source_value", 50),
    concept_id("plan_source_concept_id"),
    concept_id("sponsor_concept_id"),
    text("sponsor_source_value", 50),
    concept_id("sponsor_source_concept_id"),
    text("family_source_value", 50),
    concept_id("stop_reason_concept_id"),
    text("stop_reason_source_value", 50),
    concept_id("stop_reason_source_concept_id"),
)

cost = Table(
    "cost",
    metadata,
    key("cost_id"),
    large("cost_event_id", required=True),
    text("cost_domain_id", 20, references="domain", required=True),
    concept_id("cost_type_concept_id", required=True),
    concept_id("currency_concept_id"),
    number("total_charge"),
    number("total_cost"),
    number("total_paid"),
    number("paid_by_payer"),
    number("paid_by_patient"),
    number("paid_patient_copay"),
    number("paid_patient_coinsurance"),
    number("paid_patient_deductible"),
    number("paid_by_primary"),
    number("paid_ingredient_cost"),
    number("paid_dispensing_fee"),
    integer("payer_plan_period_id"),
    number("amount_allowed"),
    concept_id("revenue_code_concept_id"),
    text("revenue_code_source_value", 50),
    concept_id("drg_concept_id"),
    text("drg_source_value", 3),
)
