"""Several loads at once of one source make the same CDM as one alone, on either database."""

import random
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Engine, select

from cdm.database import connect
from cdm.etl import Identity, SourceRecord
from cdm.etl.loader.load import finish_parts, load
from cdm.etl.loader.parts import Part
from cdm.etl.loader.runs import begin_run, finish_run
from cdm.etl.loader.summary import LoadSummary
from cdm.etl.profile import Profile
from cdm.schema import load_run, quarantine
from tests.lib.cdm_rows import cdm_rows
from tests.lib.hospital_records import fhir_records, record

IDENTITY = Identity(b"a site's secret")
PARTS = 3


def at_once(url: str, records: Sequence[SourceRecord]) -> dict[str, object]:
    """What three loads of a part each, begun together, did."""

    def part(number: int) -> object:
        engine = connect(url)
        try:
            return load(engine, records, "fhir", IDENTITY, batch_size=4, part=Part(number, PARTS))
        finally:
            engine.dispose()

    with ThreadPoolExecutor(PARTS) as pool:
        done = list(pool.map(part, range(PARTS)))
    engine = connect(url)
    try:
        return finish_parts(engine, done, IDENTITY).as_dict()  # type: ignore[arg-type]
    finally:
        engine.dispose()


def quarantined(engine: Engine) -> set[tuple[str, str, bool]]:
    columns = quarantine.c
    with engine.connect() as connection:
        return {
            tuple(row) for row in connection.execute(select(columns.position, columns.code, columns.resolved))
        }


@pytest.mark.parametrize(
    "seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_parts_at_once_make_what_one_load_makes(
    database_url: str, sqlite_template: Path, tmp_path: Path, seed: int
) -> None:
    """References across the parts, versions, and records taken back, in any order."""
    shutil.copy(sqlite_template, tmp_path / "whole.sqlite")
    whole = connect(f"sqlite:///{tmp_path}/whole.sqlite")
    records = fhir_records(6)
    random.Random(seed).shuffle(records)
    expected = load(whole, records, "fhir", IDENTITY).as_dict()
    engine = connect(database_url)
    found = at_once(database_url, records)
    assert cdm_rows(engine) == cdm_rows(whole)
    assert quarantined(engine) == quarantined(whole)
    assert found["kinds"] == expected["kinds"]
    with engine.connect() as connection:
        assert set(connection.scalars(select(load_run.c.status))) == {"done"}
    mended = [record("Observation", f"bad{number}", status="cancelled") for number in range(6)]
    assert at_once(database_url, mended)["partial"] is False
    assert {resolved for *_, resolved in quarantined(engine)} == {True}
    engine.dispose()
    whole.dispose()


def test_runs_that_end_at_once_wait_for_one_another(engine: Engine) -> None:
    """Each closes the others' rows that are still open, in any order."""
    for _ in range(15):
        runs = [begin_run(engine, "fhir", Profile(), Part(number, PARTS)) for number in range(PARTS)]
        together = Barrier(PARTS)

        def end(run_id: int, together: Barrier = together) -> None:
            together.wait()
            finish_run(engine, run_id, LoadSummary("fhir", run_id))

        with ThreadPoolExecutor(PARTS) as pool:
            list(pool.map(end, runs))
    with engine.connect() as connection:
        assert set(connection.scalars(select(load_run.c.status))) == {"done"}
