"""Readers' scores from a CSV: every number is kept, every cell that is none is reported."""

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord, Unreadable
from cdm.schema import image_feature, measurement, observation_period, quarantine
from protocols.core.errors import InputError
from site_node.sources import image_features
from tests.lib.damage import spoilt
from tests.lib.patients import patient, visit

HEADER = "patient,series_uid,vasari_f5,vasari_f9"
UID = "1.2.840.1"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> tuple[list[dict[str, float]], list[tuple[str, str]]]:
    """The features of each line, and place and code of what could not be read."""
    found = list(image_features.read(path))
    features = [one.body["features"] for one in found if isinstance(one, SourceRecord)]
    return features, [(one.position, one.code) for one in found if isinstance(one, Unreadable)]


def test_an_empty_cell_is_missing_and_another_that_is_no_number_is_reported(tmp_path: Path) -> None:
    path = write(
        tmp_path / "v.csv", HEADER, f"p1,{UID},3.0,", f"p2,{UID},?,2", f'p3,{UID},"few, only T2",inf'
    )
    features, faults = read(path)
    assert features == [{"vasari_f5": 3.0}, {"vasari_f9": 2.0}, {}]
    places = ["v.csv:3:vasari_f5", "v.csv:4:vasari_f5", "v.csv:4:vasari_f9"]
    assert faults == [(place, "not-a-number") for place in places]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("p1,1.2,3", "wrong-field-count"),
        ("p1,1.2,3,4,5", "wrong-field-count"),
        (",1.2,3,4", "no-patient"),
        ('p1,1.2,"3,4', "malformed-csv"),
        ("3" * (2 << 20), "malformed-csv"),
    ],
    ids=["too few fields", "too many fields", "nobody", "an open quote", "two million digits"],
)
def test_a_broken_line_is_reported_and_the_others_load(tmp_path: Path, line: str, code: str) -> None:
    features, faults = read(write(tmp_path / "v.csv", HEADER, line, f"p2,{UID},1,2"))
    assert (len(features), faults) == (1, [("v.csv:2", code)])


def test_columns_that_are_no_features_are_left_out_and_words_are_told_ten_times(tmp_path: Path) -> None:
    header = "SubjectID,good,two words,diagnostics_Versions_Numpy,maker"
    features, faults = read(write(tmp_path / "v.csv", header, *("p1,1,2,1.26,ACME" for _ in range(30))))
    assert features == [{"good": 1.0}] * 30
    told = Counter((code, place.rpartition(":")[2]) for place, code in faults)
    assert told == {("feature-name", "3"): 1, ("not-a-number", "maker"): 10}


@pytest.mark.parametrize("header", ["subject,vasari_f5", "patient,vasari f5", "patient,f5,f5", ""])
def test_a_header_that_does_not_name_patient_and_features_is_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(InputError, match=r"header of v\.csv"):
        read(write(tmp_path / "v.csv", header, "canary,1"))


@pytest.mark.parametrize("files", [100, pytest.param(2_000, marks=pytest.mark.slow)])
def test_broken_files_are_read_or_reported(tmp_path: Path, files: int) -> None:
    sound = "\n".join([HEADER, f"p1,{UID},3.0,", f'"p2",{UID},1,2', f"p3,{UID},,4"]).encode()
    path = tmp_path / "v.csv"
    for seed in range(files):
        path.write_bytes(spoilt(sound, seed, likely=b',"\n0-'))
        try:
            features, faults = read(path)
        except InputError:  # of the header
            continue
        assert len(features) <= 12
        assert all(code.replace("-", "").isalpha() for _, code in faults)


def test_a_file_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_features, "MAX_LINES", 3)
    features, faults = read(write(tmp_path / "v.csv", HEADER, *[f"p1,{UID},1,2"] * 5))
    assert (len(features), faults) == (2, [("v.csv", "too-many-lines")])


def test_a_malformed_series_keeps_the_scores_as_measurements(engine: Engine, tmp_path: Path) -> None:
    path = write(tmp_path / "v.csv", HEADER, f"p1,{UID},3,1", "p2,(brain MRI),4,2", "p3,,?,5")
    identity = Identity(b"k" * 32)
    for _ in range(2):
        load(engine, image_features.read(path), "vasari", identity)
    with engine.connect() as connection:
        values = connection.scalars(
            select(measurement.c.value_as_number).order_by(measurement.c.value_as_number)
        )
        assert list(values) == [1, 2, 3, 4, 5]
        # MI-CDM: an image_feature names its series, so only those of a known one exist.
        assert connection.scalar(select(func.count()).select_from(image_feature)) == 2
        reported = select(quarantine.c.position, quarantine.c.code, quarantine.c.resolved)
        assert [tuple(row) for row in connection.execute(reported)] == [
            ("v.csv:4:vasari_f5", "not-a-number", False)
        ]


def test_scores_without_a_date_do_not_stretch_the_observation_period(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    identity = Identity(b"k" * 32)
    load(sqlite_engine, [patient("p1"), visit("p1", "2020-03-01")], "fhir", identity)
    load(sqlite_engine, image_features.read(write(tmp_path / "v.csv", HEADER, "p1,,3,1")), "vasari", identity)
    with sqlite_engine.connect() as connection:
        start = connection.scalar(select(observation_period.c.observation_period_start_date))
    assert str(start) == "2020-03-01"


def test_a_corrected_file_replaces_the_scores(sqlite_engine: Engine, tmp_path: Path) -> None:
    identity = Identity(b"k" * 32)
    for cell in ("?", "7"):
        path = write(tmp_path / "v.csv", HEADER, f"p1,{UID},{cell},1")
        load(sqlite_engine, image_features.read(path), "vasari", identity)
    with sqlite_engine.connect() as connection:
        assert sorted(connection.scalars(select(measurement.c.value_as_number))) == [1, 7]
        assert list(connection.scalars(select(quarantine.c.resolved))) == [True]
