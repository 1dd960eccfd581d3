"""Keep what kind of change a genomic test sees, how much it reads, and its numbers of many thousand genes."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("genomic_test", sa.Column("assay", sa.String(length=20)))
    op.add_column("genomic_test", sa.Column("target_megabases", sa.Double()))
    op.create_table(
        "genomic_profile",
        sa.Column("genomic_profile_id", LONG, autoincrement=False, nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("genomic_test_id", LONG, nullable=False),
        sa.Column("quantity", sa.String(length=20), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("genomic_profile_id", name=op.f("pk_genomic_profile")),
    )
    op.create_index(op.f("ix_genomic_profile_quantity_block"), "genomic_profile", ["quantity", "block"])
