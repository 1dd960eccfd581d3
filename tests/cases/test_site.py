"""The cases as a site loads and measures them: `data add`, `features radiomics compute`."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, select

from cdm.etl import Identity
from cdm.etl.imaging.image_feature import stored_name
from cdm.etl.loader.load import load
from cdm.schema import measurement
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.errors import InputError
from site_node.features.radiomics import Settings
from site_node.images.feature_store import Computed, compute, failures
from site_node.sources import image_features
from site_node.sources.dicom import read
from site_node.study_table import records
from site_node.study_table.people import People
from tests.lib.cases import case

IDENTITY = Identity(bytes(32))
SHAPE = Settings(families=("morphology",))


def measured(engine: Engine, folder: Path, home: Path) -> dict[str, float]:
    """`morph_vol_approx` of each region, or whatever else was measured under its name."""
    load(engine, read(folder, home), "dicom", IDENTITY)
    compute(engine, home, IDENTITY, settings=SHAPE)
    columns = measurement.c
    statement = select(columns.measurement_source_value, columns.value_as_number).where(
        columns.measurement_source_value.endswith(":none:morph_vol_approx")
    )
    with engine.connect() as connection:
        return {name.split(":")[1]: value for name, value in connection.execute(statement)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("71_region_named_like_the_second_of_another", {"GTV_(2)": 864, "GTV": 2560}),
        ("72_rtstruct_roi_in_another_frame_of_reference", {"GTV_ct": 864}),
        ("73_two_structure_sets_of_one_day", {"GTV": 2560}),
        ("79_structure_set_that_names_a_series_not_here", {"GTV": 864}),
        ("82_one_region_outside_refuses_the_others", {"GTV": 864}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_site_measures_each_region_that_is_told(
    name: str, expected: dict[str, float], sqlite_engine: Engine, tmp_path: Path
) -> None:
    found = measured(sqlite_engine, case(name), tmp_path)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("05_rtstruct_beyond_the_field_of_view", "dicom-region-outside"),
        ("72_rtstruct_roi_in_another_frame_of_reference", "dicom-other-frame-of-reference"),
        ("82_one_region_outside_refuses_the_others", "dicom-region-outside"),
    ],
)
def test_a_region_that_is_left_out_is_told_by_its_code(
    name: str, code: str, sqlite_engine: Engine, tmp_path: Path
) -> None:
    measured(sqlite_engine, case(name), tmp_path)
    assert [(row["code"], row["regions"]) for row in failures(sqlite_engine)] == [(code, 1)]


@pytest.mark.parametrize("name", ["11_regions_whose_names_fold_into_one"])
def test_regions_whose_names_fold_stay_three_and_are_measured_once(
    name: str, sqlite_engine: Engine, tmp_path: Path
) -> None:
    found = measured(sqlite_engine, case(name), tmp_path)
    assert sorted(found.values()) == pytest.approx([4 * 12, 24 * 12, 48 * 12])
    assert found["GTV_1"] == max(found.values())
    assert compute(sqlite_engine, tmp_path, IDENTITY, settings=SHAPE) == Computed(0, 3, 0, 0)


@pytest.mark.parametrize("name", ["81_seg_that_names_its_images_by_frame"])
def test_a_segmentation_is_measured_on_the_images_that_its_frames_name(
    name: str, sqlite_engine: Engine, tmp_path: Path
) -> None:
    assert list(measured(sqlite_engine, case(name), tmp_path)) == ["Tumour"]
    assert failures(sqlite_engine) == []


@pytest.mark.parametrize("name", ["31_two_readings_of_one_series"])
def test_the_readings_of_two_readers_are_two(name: str, sqlite_engine: Engine, tmp_path: Path) -> None:
    folder = case(name)
    load(sqlite_engine, read(folder / "ct", tmp_path), "dicom", IDENTITY)
    load(sqlite_engine, image_features.read(folder / "vasari.csv"), "dicom", IDENTITY)
    assert scores(sqlite_engine) == [3, 4]


@pytest.mark.parametrize("name", ["31_two_readings_of_one_series"])
def test_a_reader_who_hands_in_a_file_of_their_own_replaces_nobody(
    name: str, sqlite_engine: Engine, tmp_path: Path
) -> None:
    header, first, second = (case(name) / "vasari.csv").read_text().split()
    for file, line in (("a.csv", first), ("b.csv", second), ("b.csv", second.replace(",4", ",5"))):
        (tmp_path / file).write_text(f"{header}\n{line}\n")
        load(sqlite_engine, image_features.read(tmp_path / file), "dicom", IDENTITY)
    assert scores(sqlite_engine) == [3, 5]


def scores(engine: Engine, feature: str = "vasari_f1") -> list[float]:
    columns = measurement.c
    statement = select(columns.value_as_number).where(columns.measurement_source_value == feature)
    with engine.connect() as connection:
        return sorted(connection.scalars(statement))


@pytest.mark.parametrize("name", ["cdm/pyradiomics.csv"])
def test_a_table_of_pyradiomics_loads_under_its_own_long_names(
    name: str, sqlite_engine: Engine, tmp_path: Path
) -> None:
    log = load(sqlite_engine, image_features.read(case(name)), "dicom", IDENTITY)
    assert log.kinds["ImageReading"].quarantined == 0
    long = "log-sigma-3-0-mm-3D_gldm_LargeDependenceHighGrayLevelEmphasis"
    assert scores(sqlite_engine, "original_firstorder_Mean") == [1.5]
    assert scores(sqlite_engine, stored_name(long)) == [2.5]


@pytest.mark.parametrize("name", ["cdm/pyradiomics_native.csv"])
def test_a_table_that_names_files_and_no_patient_is_refused_with_its_way_out(name: str) -> None:
    with pytest.raises(InputError) as caught:
        list(image_features.read(case(name)))
    assert "name patient" in caught.value.fix


@pytest.mark.parametrize(
    ("lines", "score", "in_doubt"),
    [
        (("P1,2020-01-01,A,3", "P1,2020-01-01,B,4"), None, 2),  # of one day: nobody can say which counts
        (("P1,2020-01-01,A,3", "P1,2020-01-01,B,3"), 3, 0),
        (("P1,2020-01-01,A,3", "P1,2020-02-01,B,4"), 3, 0),
        (("P1,2020-02-01,A,3", "P1,,B,4"), 3, 0),
        (("P1,,A,3", "P1,,B,4"), None, 2),
    ],
)
def test_readings_that_differ_on_their_first_day_are_left_out(
    sqlite_engine: Engine, tmp_path: Path, lines: tuple[str, ...], score: float | None, in_doubt: int
) -> None:
    (tmp_path / "v.csv").write_text("\n".join(("patient,date,reader,vasari_f1", *lines)) + "\n")
    load(sqlite_engine, image_features.read(tmp_path / "v.csv"), "dicom", IDENTITY)
    key = np.array([IDENTITY.person_id("dicom", "P1")], dtype=np.int64)
    with sqlite_engine.connect() as connection:
        people = People(connection, Vocabulary(sqlite_engine), key, np.array(["2024-01-01"], "datetime64[D]"))
        (found,) = records.scores(people, "vasari_f1")
    assert np.isnan(found) if score is None else found == score
    assert people.doubts["reading-undated"] == in_doubt
