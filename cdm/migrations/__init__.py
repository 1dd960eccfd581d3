"""The history of the schema, one revision per change; `cdm.database.migrate` brings a database to its end.

A new revision, after the tables in `cdm.schema` were changed:

    python -m cdm.migrations "add the pathology tables"

A revision that has been released never changes.
"""

from alembic.config import Config
from sqlalchemy import Connection


def configuration(connection: Connection) -> Config:
    """Alembic's settings for one open connection; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", "cdm:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
