"""A load that is killed at any moment: running it again is all that has to be done."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, inspect, select

from cdm.database import connect
from cdm.etl import SourceRecord
from cdm.etl.loader.indexes import LARGE
from cdm.etl.loader.load import load
from cdm.schema import load_run
from tests.lib.cdm_rows import cdm_rows
from tests.lib.small_hospital import IDENTITY, PATIENT, loaded, records

KILLED = """
import os, signal, sys
from sqlalchemy import event
from cdm.database import connect
from cdm.etl.loader.load import load
from tests.lib.small_hospital import IDENTITY, records

engine = connect(sys.argv[1])
commits = 0

def kill(connection):
    global commits
    commits += 1
    if commits == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(engine, "commit", kill)
load(engine, records(20), "fhir", IDENTITY, batch_size=10)
"""


# Of 14 commits the first begins the run, ten are batches, the thirteenth is of what is derived.
@pytest.mark.slow
@pytest.mark.parametrize("at_commit", [7, 13])
def test_a_load_that_was_killed_is_finished_by_running_it_again(
    database_url: str, sqlite_engine: Engine, at_commit: int
) -> None:
    loaded(sqlite_engine, records(20))
    root = Path(__file__).resolve().parents[3]
    child = subprocess.run(
        [sys.executable, "-c", KILLED, database_url, str(at_commit)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    engine = connect(database_url)
    loaded(engine, records(20))
    assert cdm_rows(engine) == cdm_rows(sqlite_engine)
    with engine.connect() as connection:
        running = select(func.count()).select_from(load_run).where(load_run.c.status == "running")
        assert connection.scalar(running) == 0
    engine.dispose()


def test_a_first_load_leaves_all_indexes_and_the_next_makes_those_of_one_that_was_killed(
    sqlite_engine: Engine,
) -> None:
    """On SQLite a first load waits with the indexes of events; else it would write them with every batch."""

    def indexes() -> set[str | None]:
        return {one["name"] for name in LARGE for one in inspect(sqlite_engine).get_indexes(name)}

    def killed() -> Iterator[SourceRecord]:
        yield PATIENT
        raise KeyboardInterrupt

    before = indexes()
    with pytest.raises(KeyboardInterrupt):
        load(sqlite_engine, killed(), "fhir", IDENTITY, batch_size=1)
    assert not indexes()
    load(sqlite_engine, records(), "fhir", IDENTITY)
    assert indexes() == before
    assert before
