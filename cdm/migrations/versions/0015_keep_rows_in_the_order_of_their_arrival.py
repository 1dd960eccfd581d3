"""Keep the rows of the large tables in the order of their arrival on SQLite, apart from the tree of keys.

By their hashed keys each batch of a load wrote every page of every table. PostgreSQL has it so always.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

LARGE = (
    *("visit_occurrence", "condition_occurrence", "drug_exposure", "procedure_occurrence", "device_exposure"),
    *("measurement", "observation", "note", "specimen", "drug_era", "condition_era"),
    *("variant_occurrence", "variant_annotation", "image_feature", "source_record"),
)


def upgrade() -> None:
    op.drop_index("ix_source_record_run_id", table_name="source_record")  # nothing asked by it
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    schema = sa.text(
        "SELECT sql FROM sqlite_master WHERE tbl_name = :table AND type = :kind AND sql IS NOT NULL"
    )
    for table in LARGE:
        created = str(connection.scalar(schema, {"table": table, "kind": "table"}))
        indexes = connection.scalars(schema, {"table": table, "kind": "index"}).all()
        columns = created[created.index("(") :]
        was, becomes = f"{table}_id INTEGER NOT NULL", f"{table}_id BIGINT NOT NULL"
        assert was in columns, table
        op.execute(f"CREATE TABLE new_{table} {columns.replace(was, becomes, 1)}")
        order = "ORDER BY person_id" if "person_id INTEGER" in columns else ""
        op.execute(f"INSERT INTO new_{table} SELECT * FROM {table} {order}")  # noqa: S608 - names of our tables
        op.execute(f"DROP TABLE {table}")
        op.execute(f"ALTER TABLE new_{table} RENAME TO {table}")
        for index in indexes:
            op.execute(index)
