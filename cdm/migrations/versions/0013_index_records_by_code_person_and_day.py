"""Index records by their codes, person and day: by it a study finds them without reading the others.

It begins with the concept, whose own index it replaces.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

RECORDS = (
    ("visit_occurrence", "visit", "visit_start_date"),
    ("condition_occurrence", "condition", "condition_start_date"),
    ("drug_exposure", "drug", "drug_exposure_start_date"),
    ("procedure_occurrence", "procedure", "procedure_date"),
    ("measurement", "measurement", "measurement_date"),
    ("observation", "observation", "observation_date"),
)


def upgrade() -> None:
    for table, prefix, day in RECORDS:
        codes = [f"{prefix}_concept_id", f"{prefix}_source_concept_id", f"{prefix}_source_value"]
        op.create_index(op.f(f"ix_{table}_codes"), table, [*codes, "person_id", day])
        op.drop_index(op.f(f"ix_{table}_{prefix}_concept_id"), table_name=table)
