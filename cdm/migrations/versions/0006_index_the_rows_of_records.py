"""Index source_row by row: which records tell of a row is asked whenever one of them changes."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index(op.f("ix_source_row_row_id"), "source_row", ["row_id"])
