"""Four real hospitals, from their own files to the numbers that R gives with all rows in one place.

Reference: R 4.2.2, survival 3.5.3, on the pooled files (`reference/tcga_lgg.json`). Tolerance 1e-8 relative:
R iterates to 1e-9 in the log-likelihood, which is 1e-5 in a coefficient before Newton's last step squares it.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, func, select

from cdm.database import connect, migrate
from cdm.schema import metadata, quarantine
from cdm.vocabulary.athena import load_athena
from protocols.core.study import Study, read_study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from site_node.study_table.build import build_table
from tests.lib.lgg import HOSPITALS, ONE_SET, load_hospital, write_consortium
from tests.lib.shared import shared

STUDY = Path(__file__).parents[2] / "docs" / "examples" / "lgg.yaml"
MALFORMED_UIDS = {"CS": 3, "DU": 1, "FG": 2, "HT": 2}  # ImagingStudy resources, counted in the source's CSV
NOT_NUMBERS = {"CS": 0, "DU": 0, "FG": 2, "HT": 4}  # cells of the VASARI files
LOG_KEPT = ("load_run",)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lgg")
    write_consortium(folder)
    return folder


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study(STUDY)


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(shared("reference/tcga_lgg.json").read_text())
    return content | ONE_SET


def engines_of(url_of: Callable[[str], str]) -> dict[str, Engine]:
    engines = {hospital: connect(url_of(hospital)) for hospital in HOSPITALS}
    for engine in engines.values():
        migrate(engine)
    return engines


def tables_of(engines: dict[str, Engine], study: Study) -> list[AnalysisTable]:
    return [build_table(engine, study, hospital).table for hospital, engine in engines.items()]


@pytest.fixture(scope="module")
def loaded(files: Path) -> Iterator[dict[str, Engine]]:
    engines = engines_of(lambda hospital: f"sqlite:///{files}/{hospital}.sqlite")
    for hospital, engine in engines.items():
        load_hospital(engine, files / hospital)
    yield engines
    for engine in engines.values():
        engine.dispose()


@pytest.fixture(scope="module")
def outcome(loaded: dict[str, Engine], study: Study) -> Outcome:
    return run_locally(study, tables_of(loaded, study))


def row_counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata.sorted_tables
            if table.name not in LOG_KEPT
        }


def test_every_resource_and_reading_is_loaded_or_reported(files: Path, tmp_path: Path) -> None:
    for hospital in HOSPITALS:
        engine = connect(f"sqlite:///{tmp_path}/{hospital}.sqlite")
        migrate(engine)
        kinds = load_hospital(engine, files / hospital)["fhir"].kinds
        for kind, counts in kinds.items():
            lines = (files / hospital / "fhir" / f"{kind}.ndjson").read_text().count("\n")
            assert counts.loaded + counts.quarantined + sum(counts.excluded.values()) == lines
        with engine.connect() as connection:
            reported = dict(
                connection.execute(select(quarantine.c.code, func.count()).group_by(quarantine.c.code)).all()
            )
        engine.dispose()
        expected = {"malformed-uid": MALFORMED_UIDS[hospital], "not-a-number": NOT_NUMBERS[hospital]}
        assert reported == {code: count for code, count in expected.items() if count}


def test_loading_twice_changes_nothing(files: Path, loaded: dict[str, Engine]) -> None:
    before = row_counts(loaded["FG"])
    load_hospital(loaded["FG"], files / "FG")
    assert row_counts(loaded["FG"]) == before


def test_the_cohort_is_every_patient(
    loaded: dict[str, Engine], study: Study, reference: dict[str, Any]
) -> None:
    attrition = {site: build_table(engine, study, site).attrition for site, engine in loaded.items()}
    assert attrition == {site: [("index event", n)] for site, n in reference["n_by_hospital"].items()}


def test_tested_and_mutated_by_hospital(
    loaded: dict[str, Engine], study: Study, reference: dict[str, Any]
) -> None:
    for table in tables_of(loaded, study):
        idh1 = table.column("idh1_mutated")
        expected = reference["idh1_by_hospital"][table.site]
        assert (np.count_nonzero(~np.isnan(idh1)), np.nansum(idh1)) == (expected["n"], expected["mutated"])


@pytest.mark.parametrize("name", ["cox_os_strata", "cox_os_strata_breslow"])
def test_cox_model_equals_r(name: str, outcome: Outcome, reference: dict[str, Any]) -> None:
    result: Any = outcome.results[name]
    expected = reference[name]
    assert list(result.terms) == expected["term"]
    assert (result.n, result.n_events) == (expected["n"], expected["nevent"])
    np.testing.assert_allclose(result.coef, expected["coef"], rtol=1e-8)
    np.testing.assert_allclose(result.se, expected["se"], rtol=1e-8)
    np.testing.assert_allclose([result.loglik_null, result.loglik], expected["loglik"], rtol=1e-8)


def test_logistic_model_equals_r(outcome: Outcome, reference: dict[str, Any]) -> None:
    result: Any = outcome.results["logit_idh1"]
    expected = reference["logit_idh1"]
    assert list(result.terms) == expected["term"]
    assert result.n == expected["n"]
    np.testing.assert_allclose(result.coef, expected["coef"], rtol=1e-8)
    np.testing.assert_allclose(result.se, expected["se"], rtol=1e-8)
    np.testing.assert_allclose(result.deviance, expected["deviance"], rtol=1e-8)


def test_counts_and_age_equal_r(outcome: Outcome, reference: dict[str, Any]) -> None:
    counts: Any = outcome.results["counts"]
    assert {site: one.people.item() for site, one in counts.by_site.items()} == reference["people"]
    age: Any = outcome.results["age"]
    assert age.total.n.item() == reference["age"]["n"]
    np.testing.assert_allclose(age.total.mean.item(), reference["age"]["mean"], rtol=1e-8)
    np.testing.assert_allclose(age.total.sd.item(), reference["age"]["sd"], rtol=1e-8)


def test_who_is_left_out_is_told_by_hospital(outcome: Outcome, reference: dict[str, Any]) -> None:
    found: Any = outcome.results["left_out"]
    assert {site: people for site, (people, _, _) in found.by_site.items()} == reference["n_by_hospital"]
    assert {site: counted.tolist() for site, (_, counted, _) in found.by_site.items()} == {
        site: [n] * 3 for site, n in reference["people"].items()
    }
    assert found.people - found.counted[0] == sum(reference["n_by_hospital"].values()) - 172


def assert_same(one: AnalysisTable, other: AnalysisTable) -> None:
    np.testing.assert_array_equal(one.persons, other.persons)
    np.testing.assert_array_equal(one.fold_hashes, other.fold_hashes)
    for name, column in one.columns.items():
        np.testing.assert_array_equal(column, other.column(name), err_msg=name)


def test_a_site_with_a_vocabulary_gives_the_same_table(
    files: Path, tmp_path: Path, loaded: dict[str, Engine], study: Study
) -> None:
    engine = connect(f"sqlite:///{tmp_path}/cdm.sqlite")
    migrate(engine)
    load_athena(engine, shared("data/vocabulary/athena_mini.zip"))
    load_hospital(engine, files / "CS")
    assert_same(build_table(engine, study, "CS").table, build_table(loaded["CS"], study, "CS").table)
    engine.dispose()


def test_postgresql_gives_the_same_table(
    files: Path, postgresql: Any, loaded: dict[str, Engine], study: Study
) -> None:
    engine = connect(postgresql.create("migrated"))
    load_hospital(engine, files / "DU")
    assert_same(build_table(engine, study, "DU").table, build_table(loaded["DU"], study, "DU").table)
    engine.dispose()
