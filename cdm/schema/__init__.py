"""Every table of a site's database, under its OMOP name; `metadata` is SQLAlchemy's collection of them.

The OMOP table that is itself called `metadata` is `omop_metadata` here. A table is also found by its name in
the database: `metadata.tables["measurement"]`.
"""

from cdm.schema.about import cdm_source, omop_metadata
from cdm.schema.clinical import (
    condition_occurrence,
    death,
    device_exposure,
    drug_exposure,
    fact_relationship,
    measurement,
    note,
    note_nlp,
    observation,
    observation_period,
    person,
    procedure_occurrence,
    specimen,
    visit_detail,
    visit_occurrence,
)
from cdm.schema.columns import metadata
from cdm.schema.consent import research_consent
from cdm.schema.derived import condition_era, dose_era, drug_era, episode, episode_event
from cdm.schema.genomics import (
    genomic_profile,
    genomic_test,
    genotype_sample,
    target_gene,
    variant_annotation,
    variant_occurrence,
)
from cdm.schema.health_economics import cost, payer_plan_period
from cdm.schema.health_system import care_site, location, provider
from cdm.schema.imaging import image_acquisition, image_feature, image_occurrence
from cdm.schema.provenance import (
    derivation_due,
    load_run,
    person_link,
    person_merge,
    quarantine,
    record_doubt,
    source_body,
    source_name,
    source_need,
    source_position,
    source_record,
    source_row,
    unmapped_code,
)
from cdm.schema.quality import quality_result
from cdm.schema.results import cohort, cohort_definition
from cdm.schema.vocabularies import (
    concept,
    concept_ancestor,
    concept_class,
    concept_relationship,
    concept_synonym,
    domain,
    drug_strength,
    relationship,
    source_to_concept_map,
    vocabulary,
)

__all__ = [
    "care_site",
    "cdm_source",
    "cohort",
    "cohort_definition",
    "concept",
    "concept_ancestor",
    "concept_class",
    "concept_relationship",
    "concept_synonym",
    "condition_era",
    "condition_occurrence",
    "cost",
    "death",
    "derivation_due",
    "device_exposure",
    "domain",
    "dose_era",
    "drug_era",
    "drug_exposure",
    "drug_strength",
    "episode",
    "episode_event",
    "fact_relationship",
    "genomic_profile",
    "genomic_test",
    "genotype_sample",
    "image_acquisition",
    "image_feature",
    "image_occurrence",
    "load_run",
    "location",
    "measurement",
    "metadata",
    "note",
    "note_nlp",
    "observation",
    "observation_period",
    "omop_metadata",
    "payer_plan_period",
    "person",
    "person_link",
    "person_merge",
    "procedure_occurrence",
    "provider",
    "quality_result",
    "quarantine",
    "record_doubt",
    "relationship",
    "research_consent",
    "source_body",
    "source_name",
    "source_need",
    "source_position",
    "source_record",
    "source_row",
    "source_to_concept_map",
    "specimen",
    "target_gene",
    "unmapped_code",
    "variant_annotation",
    "variant_occurrence",
    "visit_detail",
    "visit_occurrence",
    "vocabulary",
]
