"""However the records arrive, the CDM is the same: in any order, in parts, twice, killed at any moment."""

import random
import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, event

from cdm.database import connect
from cdm.etl import Identity, SourceRecord
from cdm.etl.loader.load import load
from site_node.sources.fhir import read
from tests.lib.cdm_rows import cdm_rows
from tests.lib.hospital_records import coded, dicom_records, fhir_records, record, version
from tests.lib.shared import shared

IDENTITY = Identity(b"a site's secret")


def named_by_identifier() -> list[SourceRecord]:
    """Two versions of a patient, and what names the patient by an identifier of either."""
    patient = record("Patient", "named", birthDate="1960")
    old, new = ({"system": "urn:mrn", "value": value} for value in ("old", "new"))
    said = {"code": coded("http://snomed.info/sct", "1"), "onsetDateTime": "2010-01-05"}
    return [
        version(patient, 1, identifier=[old]),
        version(patient, 2, identifier=[new]),
        record("Condition", "of-the-old", subject={"identifier": old}, **said),
        record("Condition", "of-the-new", subject={"type": "Patient", "identifier": new}, **said),
        record("Condition", "by-condition", subject={"reference": "Patient?identifier=urn:mrn|new"}, **said),
    ]


FHIR, DICOM = [*fhir_records(), *named_by_identifier()], dicom_records()
ALL = [("fhir", record) for record in FHIR] + [("pacs", record) for record in DICOM]
Arrival = Sequence[tuple[str, SourceRecord]]


@pytest.fixture(scope="module")
def fresh(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Engine]]:
    """Makes empty databases: each call of `empty` puts one more here, and all are closed at the end."""
    engines: list[Engine] = []
    yield engines
    for engine in engines:
        engine.dispose()


def empty(template: Path, folder: Path, engines: list[Engine]) -> Engine:
    path = folder / f"{len(engines)}.sqlite"
    shutil.copy(template, path)
    engines.append(connect(f"sqlite:///{path}"))
    return engines[-1]


def arrive(engine: Engine, records: Arrival, batch_size: int = 2000) -> None:
    """Load the records of each source in one load, in their order."""
    for source in ("fhir", "pacs"):
        load(
            engine, [one for name, one in records if name == source], source, IDENTITY, batch_size=batch_size
        )


@pytest.fixture(scope="module")
def expected(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, fresh: list[Engine]) -> object:
    engine = empty(sqlite_template, tmp_path_factory.mktemp("expected"), fresh)
    arrive(engine, ALL)
    return cdm_rows(engine)


@pytest.mark.slow
@settings(
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    order=st.permutations(ALL),
    cuts=st.lists(st.integers(0, len(ALL)), max_size=9),
    repeated=st.booleans(),
    batch_size=st.integers(1, 50),
)
def test_any_order_in_up_to_ten_parts_and_twice_gives_the_same_cdm(
    order: list[tuple[str, SourceRecord]],
    cuts: list[int],
    repeated: bool,
    batch_size: int,
    expected: object,
    sqlite_template: Path,
    tmp_path: Path,
    fresh: list[Engine],
) -> None:
    engine = empty(sqlite_template, tmp_path, fresh)
    bounds = [0, *sorted(cuts), len(order)]
    for _ in range(2 if repeated else 1):
        for start, end in pairwise(bounds):
            arrive(engine, order[start:end], batch_size)
    assert cdm_rows(engine) == expected


class Killed(BaseException):
    """The process ends here; nothing of ours may catch it."""


def killed_at(engine: Engine, commit: int, records: Arrival) -> bool:
    """Whether loading ended at its n-th commit, which does not happen."""
    seen = 0

    def count(connection: Connection) -> None:
        nonlocal seen
        seen += 1
        if seen == commit:
            raise Killed

    event.listen(engine, "commit", count)
    try:
        arrive(engine, records, batch_size=5)
    except Killed:
        return True
    finally:
        event.remove(engine, "commit", count)
    return False


@pytest.mark.slow
def test_killed_at_any_commit_and_run_again_gives_the_same_cdm(
    expected: object, sqlite_template: Path, tmp_path: Path, fresh: list[Engine]
) -> None:
    commit = 1
    while True:
        engine = empty(sqlite_template, tmp_path, fresh)
        killed = killed_at(engine, commit, ALL)
        arrive(engine, ALL)
        assert cdm_rows(engine) == expected, commit
        if not killed:
            break
        commit += 1
    assert commit > 10  # each batch, run and derivation was one of the moments


@pytest.mark.parametrize("first", ["fhir", "pacs"])
def test_a_patient_who_is_taken_back_leaves_what_the_images_tell(
    engine: Engine, first: str, sqlite_engine: Engine
) -> None:
    """The person stays, since there are images of them, but nothing that only the Patient said."""
    patients = [record for record in FHIR if record.kind == "Patient"]
    for source in (first, "pacs" if first == "fhir" else "fhir"):
        load(engine, patients if source == "fhir" else DICOM, source, IDENTITY)
    load(engine, [one._replace(body={}, deleted=True) for one in patients], "fhir", IDENTITY)
    load(sqlite_engine, DICOM, "pacs", IDENTITY)
    assert cdm_rows(engine)["person"] == cdm_rows(sqlite_engine)["person"]


@pytest.mark.slow
def test_synthea_shuffled_in_ten_parts_and_twice_gives_the_same_cdm(
    sqlite_template: Path, tmp_path: Path, fresh: list[Engine]
) -> None:
    # Of a place that Synthea exports in several contents the last counts; a shuffle needs one of each.
    newest = {(one.kind, one.record_id): one for one in read(shared("data/synthea/ndjson"))}  # type: ignore[union-attr]
    records = list(newest.values())
    at_once = empty(sqlite_template, tmp_path, fresh)
    load(at_once, records, "fhir", IDENTITY)
    random.Random(2026).shuffle(records)
    in_parts = empty(sqlite_template, tmp_path, fresh)
    for part in range(10):
        load(in_parts, records[part::10], "fhir", IDENTITY)
    assert cdm_rows(in_parts) == cdm_rows(at_once)
    assert not load(in_parts, records, "fhir", IDENTITY).changed
