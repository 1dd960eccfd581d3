"""Keep what the quality checks found."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "quality_result",
        sa.Column("checked_at", sa.DateTime(), nullable=False),
        sa.Column("check_name", sa.String(length=50), nullable=False),
        sa.Column("table_name", sa.String(length=63), nullable=False),
        sa.Column("column_name", sa.String(length=63), nullable=False),
        sa.Column("what", sa.String(length=100), nullable=False),
        sa.Column("rows_checked", sa.Integer(), nullable=False),
        sa.Column("violations", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "checked_at", "check_name", "table_name", "column_name", "what", name=op.f("pk_quality_result")
        ),
    )
