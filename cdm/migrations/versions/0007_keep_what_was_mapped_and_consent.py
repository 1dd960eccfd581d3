"""Keep what was mapped, to map it anew; which records look into which; research consent."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "source_body",
        sa.Column("source_body_id", LONG, autoincrement=False, nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source_body_id", name=op.f("pk_source_body")),
    )
    op.create_table(
        "source_need",
        sa.Column("source_record_id", LONG, nullable=False),
        sa.Column("needed_id", LONG, nullable=False),
        sa.PrimaryKeyConstraint("source_record_id", "needed_id", name=op.f("pk_source_need")),
    )
    op.create_index(op.f("ix_source_need_needed_id"), "source_need", ["needed_id"])
    op.create_table(
        "research_consent",
        sa.Column("research_consent_id", LONG, autoincrement=False, nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("permits", sa.Boolean(), nullable=False),
        sa.Column("stated_at", sa.DateTime(), nullable=False),
        sa.Column("valid_from", sa.Date()),
        sa.Column("valid_to", sa.Date()),
        sa.PrimaryKeyConstraint("research_consent_id", name=op.f("pk_research_consent")),
    )
    op.create_index(op.f("ix_research_consent_person_id"), "research_consent", ["person_id"])
    op.add_column(
        "source_row", sa.Column("fallback", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("source_record", sa.Column("source_body_id", LONG))
    op.add_column("source_record", sa.Column("body_line", sa.Integer()))
    op.create_index(op.f("ix_source_record_source_body_id"), "source_record", ["source_body_id"])
