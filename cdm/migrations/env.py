"""What Alembic runs: the revisions, on the connection and in the transaction of the caller."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from cdm.schema import metadata
from cdm.schema.columns import LONG


def render_long(kind: str, item: object, _: AutogenContext) -> str | Literal[False]:
    """`LONG` for our 63-bit integers, which every revision defines; Alembic's own way for the rest."""
    return "LONG" if kind == "type" and item is LONG else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_item=render_long,
    render_as_batch=False,
    transactional_ddl=True,
)
context.run_migrations()
