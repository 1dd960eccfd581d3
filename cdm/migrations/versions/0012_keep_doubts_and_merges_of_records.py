"""Keep what a load did not wholly understand of a record, and which patients are one person."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "record_doubt",
        sa.Column("source_record_id", LONG, nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("occurrences", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source_record_id", "code", name=op.f("pk_record_doubt")),
    )
    op.create_table(
        "person_merge",
        sa.Column("source_record_id", LONG, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("survivor", sa.String(length=255), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source_record_id", "name", name=op.f("pk_person_merge")),
    )
