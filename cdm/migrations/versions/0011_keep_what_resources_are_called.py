"""Keep, as keyed hashes, what resources are called, for references by an identifier."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "source_name",
        sa.Column("source_record_id", LONG, nullable=False),
        sa.Column("name_key", LONG, nullable=False),
        sa.PrimaryKeyConstraint("source_record_id", "name_key", name=op.f("pk_source_name")),
    )
    op.create_index(op.f("ix_source_name_name_key"), "source_name", ["name_key"])
