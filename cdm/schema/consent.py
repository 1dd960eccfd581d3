"""What a person allows: ours, since OMOP has no table that could be asked before somebody is counted."""

from sqlalchemy import Boolean, Column, Table

from cdm.schema.columns import day, key, metadata, moment, reference, text

# One Consent. A person is left out of every cohort while their newest one does not permit research.
research_consent = Table(
    "research_consent",
    metadata,
    key("research_consent_id"),
    reference("person_id", "person", required=True, index=True),
    text("status", 20, required=True),
    Column("permits", Boolean, nullable=False),
    moment("stated_at", required=True),  # the newest statement counts
    day("valid_from"),
    day("valid_to"),
)
