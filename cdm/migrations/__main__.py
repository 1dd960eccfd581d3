"""Writes the next revision: the difference between `cdm.schema` and where the revisions lead."""

import sys
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from cdm.database import connect, migrate, writing
from cdm.migrations import configuration


def main(message: str) -> None:
    """Leave `versions/NNNN_message.py`, to be read, formatted and committed."""
    engine = connect("sqlite://")
    migrate(engine)
    with writing(engine) as connection:
        config = configuration(connection)
        number = f"{len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1:04d}"
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        command.revision(config, message, autogenerate=True, rev_id=number)
    print(f"written below {Path(__file__).parent / 'versions'}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
