"""Writes the next revision: the difference between `cdm.schema` and where the revisions lead."""

import sys

from alembic import command
from alembic.operations.ops import MigrationScript
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
        command.revision(
            config, message, autogenerate=True, rev_id=number, process_revision_directives=_drop_if_empty
        )


def _drop_if_empty(_: object, __: object, directives: list[MigrationScript]) -> None:
    operations = directives[0].upgrade_ops
    if operations is None or operations.is_empty():
        directives.clear()
        print("the tables are where the revisions lead: there is nothing to write", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
