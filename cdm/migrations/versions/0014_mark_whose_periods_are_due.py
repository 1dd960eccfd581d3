"""Mark whose periods and eras are to be made anew; the keys of eras made so far hang on other people's."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "derivation_due",
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("due_day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "due_day", name=op.f("pk_derivation_due")),
    )
    op.execute("INSERT INTO derivation_due SELECT person_id, '0001-01-01' FROM person")
