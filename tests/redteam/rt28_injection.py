"""RT28: SQL in the codes of an approved study, against a site's own database."""

from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Connection, text

from cdm.database import connect, migrate
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.errors import ShadowgraphError
from site_node.study_table import cohort
from tests.lib.small_hospital import loaded, records
from tests.lib.studies import a_study
from tests.redteam.attack import Figure, attack

PEOPLE = 12
HOSTILE = ("x' OR '1'='1", "x' OR 1=1 --", "x' UNION SELECT person_id FROM person --")
PASTED = "SELECT DISTINCT person_id FROM condition_occurrence WHERE condition_source_value = '"


def _selected(connection: Connection, code: str, pasted: bool) -> int:
    """How many people a site finds by a code; the weakened one pastes it into its query."""
    if pasted:
        return len(connection.execute(text(f"{PASTED}{code}'")).all())
    with suppress(ShadowgraphError, ValidationError):
        study = a_study(cohort={"index": {"domain": "condition", "concept": f"ICD10CM:{code}"}})
        return len(cohort.evaluate(connection, study.cohort, Vocabulary(connection.engine)).people)
    return 0


@attack("RT28", "codes of a study that end the query and ask for everybody", works_from=3)
def hostile_codes(folder: Path, weakened: bool) -> Figure:
    engine = connect(f"sqlite:///{folder / 'cdm.sqlite'}")
    migrate(engine)
    loaded(engine, records(PEOPLE))
    with engine.connect() as connection:
        assert _selected(connection, "C71.1", pasted=False) == PEOPLE  # an honest code finds them
        got = sum(_selected(connection, code, weakened) == PEOPLE for code in HOSTILE)
    engine.dispose()
    return Figure(got, f"of {len(HOSTILE)} codes give everybody")
