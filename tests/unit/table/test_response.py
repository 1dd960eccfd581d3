"""Response by RECIST 1.1 from the CDM: from drawn regions of several dates, and from readers' numbers."""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from pydicom.dataset import Dataset
from sqlalchemy import Engine

from cdm.etl import Identity
from cdm.etl.loader.load import load
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.variables.imaging import Response
from site_node.features.radiomics import Settings
from site_node.images.feature_store import compute
from site_node.sources import image_features
from site_node.sources.dicom import read
from site_node.study_table.people import People
from tests.lib.columns_read import columns_read
from tests.lib.dicom_files import ROOT, Change, write_rtstruct, write_series

IDENTITY = Identity(b"k" * 32)
RESPONSE = {"kind": "response", "modality": "CT", "targets": ["target_1", "target_2"], "new": ["new_1"]}
COLUMNS = "patient,date,recist_target_1,recist_target_2,recist_node_1,recist_new_1,recist_progression"


def values(
    engine: Engine, patients: tuple[str, ...], doubts: Counter[str] | None = None, **changes: Any
) -> list[float]:
    """What a variable says of each patient, with the index date 2024-03-05."""
    ids = np.array([IDENTITY.person_id("", patient) for patient in patients], dtype=np.int64)
    order = np.argsort(ids)
    index = np.full(len(ids), np.datetime64(date(2024, 3, 5)), dtype="datetime64[D]")
    with engine.connect() as connection:
        counted = Counter() if doubts is None else doubts
        people = People(connection, Vocabulary(engine), ids[order], index, counted)
        (found,) = columns_read({**RESPONSE, "kind": "response", **changes}, people)
    back = np.empty_like(found)
    back[order] = found
    return list(back)


def readings(engine: Engine, folder: Path, *lines: str) -> None:
    path = folder / "lesions.csv"
    path.write_text("\n".join([COLUMNS, *lines]) + "\n")
    load(engine, image_features.read(path), "readings", IDENTITY)


def same(found: list[float], *expected: float) -> bool:
    return found == pytest.approx(list(expected), nan_ok=True)


def on(day: str, study: int) -> Change:
    def change(_: int, dataset: Dataset) -> None:
        dataset.StudyDate = dataset.SeriesDate = day
        dataset.StudyInstanceUID = f"{ROOT}9.{study}"

    return change


@pytest.mark.slow
def test_regions_drawn_at_three_visits_are_a_confirmed_response(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    for visit, (day, high) in enumerate((("20240305", 5.5), ("20240505", 3.5), ("20240705", 3.5))):
        series = f"{ROOT}1.{visit + 5}"
        write_series(folder / f"{visit}", series_uid=series, change=on(day, visit))
        box = [(0.5, 0.5, 1.0), (high, 0.5, 1.0), (high, high, 1.0), (0.5, high, 1.0)]
        write_rtstruct(
            folder / f"{visit}.rs", {"target_1": [box]}, series_uid=series, object_uid=f"{ROOT}2.{visit}"
        )
    load(sqlite_engine, read(folder, tmp_path), "pacs", IDENTITY)
    compute(sqlite_engine, tmp_path, IDENTITY, settings=Settings(families=(), lesion_axes=True))
    # five by five pixels of 2 x 1.5 mm measure 10 mm from centre to centre, three by three 5 mm
    assert same(values(sqlite_engine, ("P-0042",), says="best_change"), -50.0)
    assert same(values(sqlite_engine, ("P-0042",)), 1.0)
    # a reader's number of the last visit counts before the computed one: no second visit confirms
    readings(sqlite_engine, tmp_path, "P-0042,2024-07-05,9,,,,")
    assert same(values(sqlite_engine, ("P-0042",)), 0.0)


def test_readers_numbers_of_many_courses(engine: Engine, tmp_path: Path) -> None:
    readings(
        engine,
        tmp_path,
        *("partial,2024-03-01,30,20,,,", "partial,2024-05-01,15,10,,,", "partial,2024-07-01,14,10,,,"),
        *("once,2024-03-05,30,20,,,", "once,2024-05-01,15,10,,,", "once,2024-07-01,28,18,,,"),
        *("gone,2024-03-05,30,20,,,", "gone,2024-05-01,0,0,,,", "gone,2024-07-01,0,0,,,"),
        *("appeared,2024-03-05,30,20,,,", "appeared,2024-05-01,20,10,,8,"),
        *("worse,2024-03-05,30,20,,,", "worse,2024-05-01,40,21,,,"),
        *("stable,2024-03-05,30,20,,,", "stable,2024-05-01,31,20,,,"),
        *("late,2024-04-05,30,20,,,", "late,2024-06-01,10,10,,,"),
        *("old,2023-12-05,30,20,,,", "old,2024-06-01,10,10,,,"),
        "baseline_only,2024-03-05,30,20,,,",
        *("unmeasured,2024-03-05,30,,,,", "unmeasured,2024-06-01,10,10,,,"),
        *("small,2024-03-05,8,9,,,", "small,2024-06-01,4,4,,,"),
    )
    names = (
        *("partial", "once", "gone", "appeared", "worse", "stable"),
        *("late", "old", "baseline_only", "unmeasured", "small"),
    )
    missing = [np.nan] * 5
    assert same(values(engine, names), 1, 0, 1, 0, 0, 0, *missing)
    assert same(values(engine, names, confirmed=False), 1, 1, 1, 0, 0, 0, *missing)
    assert same(values(engine, names, says="disease_control"), 1, 1, 1, 0, 0, 1, *missing)
    changes = (-52, -50, -100, -40, 22, 2)
    assert same(values(engine, names, says="best_change"), *changes, *missing)
    assert same(values(engine, ("old",), baseline_days=100, confirmed=False), 1)


def test_a_node_counts_by_its_short_axis_and_is_gone_below_10_mm(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    readings(
        sqlite_engine,
        tmp_path,
        *("node,2024-03-05,30,,22,,", "node,2024-05-01,0,,9,,", "node,2024-07-01,0,,9,,"),
        *("left,2024-03-05,30,,22,,", "left,2024-05-01,0,,10,,", "left,2024-07-01,0,,10,,"),
        *("normal,2024-03-05,30,,9,,", "normal,2024-05-01,29,,14,,"),
    )
    found = values(sqlite_engine, ("node", "left", "normal"), nodes=["node_1"], says="best_change")
    assert same(found, 100 * (9 / 52 - 1), 100 * (10 / 52 - 1), 100 * (29 / 30 - 1))
    assert same(values(sqlite_engine, ("node", "left", "normal"), nodes=["node_1"]), 1, 1, 0)


def test_two_numbers_of_a_day_that_differ_do_not_count(sqlite_engine: Engine, tmp_path: Path) -> None:
    lines = ("p,2024-03-05,30,20,,,", "p,2024-05-01,10,10,,,", "p,2024-05-01,29,10,,,")
    readings(sqlite_engine, tmp_path, *lines)
    doubts: Counter[str] = Counter()
    assert same(values(sqlite_engine, ("p",), doubts, confirmed=False), np.nan)
    assert doubts == {"reading-undated": 1}


def test_unequivocal_progression_is_what_a_reader_says(sqlite_engine: Engine, tmp_path: Path) -> None:
    readings(sqlite_engine, tmp_path, "p,2024-03-05,30,20,,,0", "p,2024-05-01,10,10,,,1")
    assert same(values(sqlite_engine, ("p",), says="disease_control", confirmed=False), 0)


@pytest.mark.parametrize(
    "changes",
    [{"targets": []}, {"nodes": ["n1", "n2", "n3", "n4"]}, {"new": ["target_1"]}, {"baseline_days": -1}],
    ids=["no lesion", "six lesions", "named twice", "no day"],
)
def test_a_variable_that_recist_does_not_know_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Response.model_validate({**RESPONSE, **changes})
