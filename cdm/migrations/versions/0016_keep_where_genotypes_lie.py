"""Keep where the genotypes of a sample lie, in files that stay as they are."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "genotype_sample",
        sa.Column("genotype_sample_id", LONG, autoincrement=False, nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("genomic_test_id", LONG, nullable=False),
        sa.Column("reference_genome", sa.String(length=25), nullable=False),
        sa.Column("local_path", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("strand", sa.String(length=10), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("genotype_sample_id", name=op.f("pk_genotype_sample")),
    )
    op.create_index(op.f("ix_genotype_sample_person_id"), "genotype_sample", ["person_id"])
