"""Who does not let their data be used: asked before anybody is counted."""

from datetime import date

from sqlalchemy import Connection, select

from cdm.schema import research_consent


def refusing(connection: Connection, today: date) -> set[int]:
    """The people whose newest consent does not permit research today: refused, withdrawn, or out of its time.

    Of two statements of the same moment the refusal counts. Whoever never stated anything is not among them:
    whether that may be so is the site's policy, and not a row.
    """
    columns = research_consent.c
    statement = select(columns.person_id, columns.permits, columns.valid_from, columns.valid_to).order_by(
        columns.person_id, columns.stated_at, columns.permits.desc()
    )
    newest = {row.person_id: row for row in connection.execute(statement)}
    return {
        person_id
        for person_id, row in newest.items()
        if not row.permits
        or (row.valid_from is not None and today < row.valid_from)
        or (row.valid_to is not None and today > row.valid_to)
    }
