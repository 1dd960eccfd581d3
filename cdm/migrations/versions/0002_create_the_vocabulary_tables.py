"""Create the vocabulary tables of OMOP CDM 5.4."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "concept",
        sa.Column("concept_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("concept_name", sa.String(length=255), nullable=False),
        sa.Column("domain_id", sa.String(length=20), nullable=False),
        sa.Column("vocabulary_id", sa.String(length=20), nullable=False),
        sa.Column("concept_class_id", sa.String(length=20), nullable=False),
        sa.Column("standard_concept", sa.String(length=1)),
        sa.Column("concept_code", sa.String(length=50), nullable=False),
        sa.Column("valid_start_date", sa.Date(), nullable=False),
        sa.Column("valid_end_date", sa.Date(), nullable=False),
        sa.Column("invalid_reason", sa.String(length=1)),
        sa.PrimaryKeyConstraint("concept_id", name=op.f("pk_concept")),
    )
    op.create_index(
        op.f("ix_concept_vocabulary_id_concept_code"),
        "concept",
        ["vocabulary_id", "concept_code"],
    )
    op.create_table(
        "concept_ancestor",
        sa.Column("ancestor_concept_id", sa.Integer(), nullable=False),
        sa.Column("descendant_concept_id", sa.Integer(), nullable=False),
        sa.Column("min_levels_of_separation", sa.Integer(), nullable=False),
        sa.Column("max_levels_of_separation", sa.Integer(), nullable=False),
        sa.UniqueConstraint("ancestor_concept_id", "descendant_concept_id", name=op.f("uq_concept_ancestor")),
    )
    op.create_index(
        op.f("ix_concept_ancestor_descendant_concept_id"),
        "concept_ancestor",
        ["descendant_concept_id"],
    )
    op.create_table(
        "concept_class",
        sa.Column("concept_class_id", sa.String(length=20), nullable=False),
        sa.Column("concept_class_name", sa.String(length=255), nullable=False),
        sa.Column("concept_class_concept_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("concept_class_id", name=op.f("pk_concept_class")),
    )
    op.create_table(
        "concept_relationship",
        sa.Column("concept_id_1", sa.Integer(), nullable=False),
        sa.Column("concept_id_2", sa.Integer(), nullable=False),
        sa.Column("relationship_id", sa.String(length=20), nullable=False),
        sa.Column("valid_start_date", sa.Date(), nullable=False),
        sa.Column("valid_end_date", sa.Date(), nullable=False),
        sa.Column("invalid_reason", sa.String(length=1)),
        sa.UniqueConstraint(
            "concept_id_1", "concept_id_2", "relationship_id", name=op.f("uq_concept_relationship")
        ),
    )
    op.create_table(
        "concept_synonym",
        sa.Column("concept_id", sa.Integer(), nullable=False),
        sa.Column("concept_synonym_name", sa.String(length=1000), nullable=False),
        sa.Column("language_concept_id", sa.Integer(), nullable=False),
    )
    op.create_index(op.f("ix_concept_synonym_concept_id"), "concept_synonym", ["concept_id"])
    op.create_table(
        "domain",
        sa.Column("domain_id", sa.String(length=20), nullable=False),
        sa.Column("domain_name", sa.String(length=255), nullable=False),
        sa.Column("domain_concept_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("domain_id", name=op.f("pk_domain")),
    )
    op.create_table(
        "drug_strength",
        sa.Column("drug_concept_id", sa.Integer(), nullable=False),
        sa.Column("ingredient_concept_id", sa.Integer(), nullable=False),
        sa.Column("amount_value", sa.Double()),
        sa.Column("amount_unit_concept_id", sa.Integer()),
        sa.Column("numerator_value", sa.Double()),
        sa.Column("numerator_unit_concept_id", sa.Integer()),
        sa.Column("denominator_value", sa.Double()),
        sa.Column("denominator_unit_concept_id", sa.Integer()),
        sa.Column("box_size", sa.Integer()),
        sa.Column("valid_start_date", sa.Date(), nullable=False),
        sa.Column("valid_end_date", sa.Date(), nullable=False),
        sa.Column("invalid_reason", sa.String(length=1)),
    )
    op.create_index(op.f("ix_drug_strength_drug_concept_id"), "drug_strength", ["drug_concept_id"])
    op.create_table(
        "relationship",
        sa.Column("relationship_id", sa.String(length=20), nullable=False),
        sa.Column("relationship_name", sa.String(length=255), nullable=False),
        sa.Column("is_hierarchical", sa.String(length=1), nullable=False),
        sa.Column("defines_ancestry", sa.String(length=1), nullable=False),
        sa.Column("reverse_relationship_id", sa.String(length=20), nullable=False),
        sa.Column("relationship_concept_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("relationship_id", name=op.f("pk_relationship")),
    )
    op.create_table(
        "source_to_concept_map",
        sa.Column("source_code", sa.String(length=50), nullable=False),
        sa.Column("source_concept_id", sa.Integer(), nullable=False),
        sa.Column("source_vocabulary_id", sa.String(length=20), nullable=False),
        sa.Column("source_code_description", sa.String(length=255)),
        sa.Column("target_concept_id", sa.Integer(), nullable=False),
        sa.Column("target_vocabulary_id", sa.String(length=20), nullable=False),
        sa.Column("valid_start_date", sa.Date(), nullable=False),
        sa.Column("valid_end_date", sa.Date(), nullable=False),
        sa.Column("invalid_reason", sa.String(length=1)),
        sa.UniqueConstraint(
            "source_vocabulary_id",
            "source_code",
            "target_concept_id",
            "valid_end_date",
            name=op.f("uq_source_to_concept_map"),
        ),
    )
    op.create_table(
        "vocabulary",
        sa.Column("vocabulary_id", sa.String(length=20), nullable=False),
        sa.Column("vocabulary_name", sa.String(length=255), nullable=False),
        sa.Column("vocabulary_reference", sa.String(length=255)),
        sa.Column("vocabulary_version", sa.String(length=255)),
        sa.Column("vocabulary_concept_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("vocabulary_id", name=op.f("pk_vocabulary")),
    )
