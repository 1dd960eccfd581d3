"""Create the provenance tables."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "load_run",
        sa.Column("run_id", LONG, autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime()),
        sa.Column("cdm_version", sa.String(length=20), nullable=False),
        sa.Column("vocabulary_version", sa.String(length=50)),
        sa.Column("guide_version", sa.String(length=50)),
        sa.Column("software_version", sa.String(length=50), nullable=False),
        sa.Column("settings", sa.Text()),
        sa.Column("counts", sa.Text()),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_load_run")),
    )
    op.create_table(
        "person_link",
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("source_person_id", sa.String(length=255), nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.PrimaryKeyConstraint("source", "source_person_id", name=op.f("pk_person_link")),
    )
    op.create_index(op.f("ix_person_link_person_id"), "person_link", ["person_id"])
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", LONG, autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("position", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("code", sa.String(length=50), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("run_id", LONG, nullable=False),
        sa.Column("source_record_id", LONG),
        sa.Column("resolved", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("quarantine_id", name=op.f("pk_quarantine")),
    )
    op.create_index(op.f("ix_quarantine_run_id"), "quarantine", ["run_id"])
    op.create_index(op.f("ix_quarantine_source_record_id"), "quarantine", ["source_record_id"])
    op.create_table(
        "source_record",
        sa.Column("source_record_id", LONG, autoincrement=False, nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("record_id", sa.String(length=255), nullable=False),
        sa.Column("version_id", sa.String(length=64)),
        sa.Column("last_updated", sa.DateTime()),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("run_id", LONG, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source_record_id", name=op.f("pk_source_record")),
    )
    op.create_index(op.f("ix_source_record_run_id"), "source_record", ["run_id"])
    op.create_table(
        "source_row",
        sa.Column("source_record_id", LONG, nullable=False),
        sa.Column("table_name", sa.String(length=63), nullable=False),
        sa.Column("row_id", LONG, nullable=False),
        sa.Column("date_precision", sa.String(length=5)),
        sa.PrimaryKeyConstraint("source_record_id", "table_name", "row_id", name=op.f("pk_source_row")),
    )
    op.create_table(
        "unmapped_code",
        sa.Column("system", sa.String(length=255), nullable=False),
        sa.Column("code", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("occurrences", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("system", "code", "kind", name=op.f("pk_unmapped_code")),
    )
