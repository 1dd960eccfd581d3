"""How far a server has been read, so that a pull goes on where the last one ended, killed or not."""

from datetime import UTC, datetime

from sqlalchemy import Engine, select

from cdm.database import upsert, writing
from cdm.schema import source_position


def position_of(engine: Engine, source: str) -> str:
    """The position that a source has reached, in the words of its server; empty of one never read."""
    statement = select(source_position.c.position).where(source_position.c.source == source)
    with engine.connect() as connection:
        return connection.scalar(statement) or ""


def reach(engine: Engine, source: str, position: str) -> None:
    """Keep the position that a source has reached."""
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    with writing(engine) as connection:
        upsert(connection, source_position, [{"source": source, "position": position, "reached_at": now}])
