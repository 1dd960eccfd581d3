"""Images and readings whose dates cannot be, as a site loads them."""

from datetime import date
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import Engine, func, select

from cdm.etl import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord
from cdm.schema import image_occurrence, measurement, person, procedure_occurrence
from site_node.sources.dicom import read
from tests.lib.dicom_files import write_series

IDENTITY = Identity(bytes(32))
IMPOSSIBLE = ["99991231", "20990101", "19000101", "00010101"]


def dated(folder: Path, **days: str) -> Path:
    def change(_: int, dataset: Dataset) -> None:
        for keyword, day in days.items():
            setattr(dataset, keyword, day)

    write_series(folder, change=change)
    return folder


@pytest.mark.parametrize("day", IMPOSSIBLE)
def test_an_image_of_a_day_that_cannot_be_is_quarantined(
    day: str, sqlite_engine: Engine, tmp_path: Path
) -> None:
    folder = dated(tmp_path / "in", StudyDate=day, SeriesDate=day)
    summary = load(sqlite_engine, read(folder, tmp_path / "home"), "dicom", IDENTITY)
    assert {kind: counts.quarantined for kind, counts in summary.kinds.items()} == {
        "DicomStudy": 1,
        "DicomSeries": 1,
    }
    with sqlite_engine.connect() as connection:
        for table in (image_occurrence, procedure_occurrence, person):
            assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_a_moment_of_acquisition_dates_an_image_without_another_date(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    folder = dated(tmp_path, StudyDate="", SeriesDate="", AcquisitionDateTime="20240229235959.5+0100")
    load(sqlite_engine, read(folder, tmp_path / "home"), "dicom", IDENTITY)
    with sqlite_engine.connect() as connection:
        found = connection.scalars(select(image_occurrence.c.image_occurrence_date)).all()
    assert found == [date(2024, 2, 29)]


@pytest.mark.parametrize("day", ["9999-12-31", "1900-01-01"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "ImageReading",
            {"id": "1", "patient": "P", "series_uid": "", "reader": "", "features": {"f5": 2.0}},
        ),
        ("SampleNumbers", {"patient": "P", "sample": "S", "numbers": {"ctdna_vaf": 0.1}}),
    ],
)
def test_readings_and_numbers_of_a_day_that_cannot_be_are_quarantined(
    kind: str, body: dict[str, object], day: str, sqlite_engine: Engine
) -> None:
    for stated, rows in ((day, 0), ("2024-02-29", 1)):
        record = SourceRecord(kind, "1", "a.csv:2", {**body, "date": stated})
        load(sqlite_engine, [record], "tables", IDENTITY)
        with sqlite_engine.connect() as connection:
            assert connection.scalar(select(func.count()).select_from(measurement)) == rows
