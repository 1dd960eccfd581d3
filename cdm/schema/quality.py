"""What the data-quality checks found, run by run: ours, to compare a load with the one before."""

from sqlalchemy import Boolean, Column, PrimaryKeyConstraint, Table

from cdm.schema.columns import integer, metadata, moment, text

quality_result = Table(
    "quality_result",
    metadata,
    moment("checked_at", required=True),
    text("check_name", 50, required=True),
    text("table_name", 63, required=True),
    text("column_name", 63, required=True),
    text("what", 100, required=True),
    integer("rows_checked", required=True),
    integer("violations", required=True),
    Column("passed", Boolean, nullable=False),
    PrimaryKeyConstraint("checked_at", "check_name", "table_name", "column_name", "what"),
)
