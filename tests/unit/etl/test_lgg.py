"""Four real hospitals (TCGA-LGG): every resource is accounted for, the counts are those of the reference."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from cdm.database import connect, migrate
from cdm.etl import Identity
from cdm.etl.loader.load import load
from cdm.etl.loader.summary import LoadSummary
from site_node.sources.fhir import read
from tests.lib.cdm_rows import cdm_rows
from tests.lib.shared import shared

HOSPITALS = ("CS", "DU", "FG", "HT")
Loaded = dict[str, tuple[Engine, LoadSummary]]


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """Each hospital's database after loading its own files."""
    folder = tmp_path_factory.mktemp("lgg")
    maker = shared("tools/make_lgg_consortium.py")
    data = shared("data/tcga_lgg")
    subprocess.run(
        [sys.executable, str(maker), str(folder), "--data", str(data)], check=True, capture_output=True
    )
    loaded: Loaded = {}
    for hospital in HOSPITALS:
        engine = connect(f"sqlite:///{folder / hospital / 'cdm.sqlite'}")
        migrate(engine)
        summary = load(
            engine, read(folder / hospital / "fhir"), "fhir", Identity(hospital.encode().ljust(32))
        )
        loaded[hospital] = (engine, summary)
    yield loaded
    for engine, _ in loaded.values():
        engine.dispose()


@pytest.fixture(scope="module")
def reference() -> dict[str, dict[str, object]]:
    """Numbers of R on the source's own CSV (the file names the versions)."""
    content: dict[str, dict[str, object]] = json.loads(shared("reference/tcga_lgg.json").read_text())
    return content


def one(engine: Engine, query: str) -> tuple[object, ...]:
    with engine.connect() as connection:
        return tuple(connection.execute(text(query)).one())


def clinical() -> list[dict[str, str]]:
    """The source's own lines of the four hospitals' patients."""
    with shared("data/tcga_lgg/clinical.csv").open(newline="") as file:
        return [line for line in csv.DictReader(file) if line["hospital"] in HOSPITALS]


def test_every_resource_is_loaded_or_reported(hospitals: Loaded) -> None:
    summaries = [summary for _, summary in hospitals.values()]
    assert sum(summary.records for summary in summaries) == 2990
    kinds = [counts for summary in summaries for counts in summary.kinds.values()]
    assert sum(counts.loaded for counts in kinds) == 2982
    assert sum(sum(counts.excluded.values()) + counts.not_mapped_yet for counts in kinds) == 0
    # The six of the data's README (a text, a suffix, underscores), and two more: `Na` and `3`.
    assert sum(counts.quarantined for counts in kinds) == 8
    codes = [
        one(engine, "SELECT min(code), max(code), count(*) FROM quarantine")
        for engine, _ in hospitals.values()
    ]
    assert sum(int(str(count)) for _, _, count in codes) == 8
    assert {code for row in codes for code in row[:2] if code} == {"malformed-uid"}


def test_people_are_those_of_the_reference(
    hospitals: Loaded, reference: dict[str, dict[str, object]]
) -> None:
    found = {name: one(engine, "SELECT count(*) FROM person")[0] for name, (engine, _) in hospitals.items()}
    assert found == reference["n_by_hospital"]


def test_idh1_states_are_those_of_the_reference(
    hospitals: Loaded, reference: dict[str, dict[str, object]]
) -> None:
    tested = """
        SELECT count(DISTINCT test.person_id), count(DISTINCT variant.person_id)
        FROM genomic_test test
        JOIN target_gene gene ON gene.genomic_test_id = test.genomic_test_id
        LEFT JOIN variant_occurrence variant
            ON variant.person_id = test.person_id AND variant.target_gene1_symbol = gene.hgnc_symbol
        WHERE gene.hgnc_symbol = 'IDH1'
    """
    found = {}
    for name, (engine, _) in hospitals.items():
        n, mutated = one(engine, tested)
        found[name] = {"n": n, "mutated": mutated}
    assert found == reference["idh1_by_hospital"]


def test_age_at_diagnosis_is_that_of_the_reference(
    hospitals: Loaded, reference: dict[str, dict[str, object]]
) -> None:
    ages = """
        SELECT CAST(strftime('%Y', c.condition_start_date) AS INTEGER) - p.year_of_birth
        FROM person p JOIN condition_occurrence c ON c.person_id = p.person_id
        WHERE p.year_of_birth > 0
    """
    found: list[int] = []
    for engine, _ in hospitals.values():
        with engine.connect() as connection:
            found += connection.scalars(text(ages))
    assert len(found) == reference["age"]["n"]
    # One rounding of a sum of small integers: equal to the last digits of the reference's 15.
    assert sum(found) / len(found) == pytest.approx(reference["age"]["mean"], rel=1e-13)


def test_overall_survival_comes_out_of_the_cdm(hospitals: Loaded) -> None:
    """The source's own columns, read back: days and events of all who have them, and of nobody else."""
    survival = """
        SELECT link.source_person_id,
            julianday(coalesce(d.death_date, CASE WHEN alive.person_id IS NOT NULL
                THEN o.observation_period_end_date END)) - julianday(c.condition_start_date),
            d.death_date IS NOT NULL
        FROM person p
        JOIN person_link link ON link.person_id = p.person_id
        JOIN condition_occurrence c ON c.person_id = p.person_id
        JOIN observation_period o ON o.person_id = p.person_id
        LEFT JOIN death d ON d.person_id = p.person_id
        LEFT JOIN observation alive ON alive.person_id = p.person_id
            AND alive.observation_source_value = 'LOINC:67162-8'
            AND alive.value_source_value = 'SNOMED:438949009'
    """
    found: dict[str, tuple[float | None, int]] = {}
    for engine, _ in hospitals.values():
        with engine.connect() as connection:
            found |= {patient: (days, event) for patient, days, event in connection.execute(text(survival))}
    expected: dict[str, tuple[float | None, int]] = {
        line["patient"]: (float(line["os_days"]), int(line["death"]))
        if line["os_days"] and line["death"]
        else (None, 0)
        for line in clinical()
    }
    assert found == expected
    assert sum(days is not None for days, _ in found.values()) == 183


def test_progression_comes_out_of_the_cdm(hospitals: Loaded) -> None:
    """The last assessment of the disease: its day, and whether the patient had become worse by then."""
    assessed = """
        SELECT link.source_person_id,
            julianday(o.observation_date) - julianday(c.condition_start_date),
            o.value_source_value = 'SNOMED:271299001'
        FROM observation o
        JOIN person_link link ON link.person_id = o.person_id
        JOIN condition_occurrence c ON c.person_id = o.person_id
        WHERE o.observation_source_value = 'LOINC:97509-4'
    """
    found: dict[str, tuple[float, int]] = {}
    for engine, _ in hospitals.values():
        with engine.connect() as connection:
            found |= {patient: (days, worse) for patient, days, worse in connection.execute(text(assessed))}
    assert found == {
        line["patient"]: (float(line["pfs_days"]), int(line["progression"]))
        for line in clinical()
        if line["pfs_days"]
    }


def test_a_bundle_and_ndjson_of_the_same_hospital_give_the_same_cdm(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    bundles = shared("data/synthea/bundles")
    first = sorted(bundles.iterdir())[0]
    identity = Identity(b"a site's secret")
    load(sqlite_engine, read(first), "fhir", identity)
    before = cdm_rows(sqlite_engine)
    patient = first.name.split(".")[0]
    same = (
        record
        for record in read(shared("data/synthea/ndjson"))
        if patient in (record.body["id"], str(record.body.get("subject", {}).get("reference"))[-36:])
    )
    summary = load(sqlite_engine, same, "fhir", identity)
    assert not summary.changed
    assert cdm_rows(sqlite_engine) == before
