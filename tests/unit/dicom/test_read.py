"""A folder becomes records; what cannot be loaded is told by its code, and the rest loads."""

import gzip
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from sqlalchemy import Engine, select

from cdm.etl import Identity, SourceRecord, Unreadable
from cdm.etl.loader.load import load
from cdm.schema import quarantine
from site_node.images.series import load_series
from site_node.sources.dicom import read
from site_node.sources.dicom.index import read_index
from tests.lib.dicom_files import ROOT, SERIES, STUDY, Change, new_object, write_rtstruct, write_series

SQUARE = [(1.0, 1.0, 1.0), (5.0, 1.0, 1.0), (5.0, 5.0, 1.0), (1.0, 5.0, 1.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    path.mkdir()
    return path


def records(folder: Path) -> list[SourceRecord]:
    return [found for found in read(folder, folder.parent / "home") if isinstance(found, SourceRecord)]


def codes(folder: Path) -> list[str]:
    return [found.code for found in read(folder, folder.parent / "home") if isinstance(found, Unreadable)]


def test_a_series_is_one_record_and_its_study_another(folder: Path) -> None:
    write_series(folder)
    study, series = records(folder)
    assert (study.kind, series.kind) == ("DicomStudy", "DicomSeries")
    assert study.body == {"study_uid": STUDY, "patient_id": "P-0042", "date": "2024-03-05"}
    assert series.body["series_uid"] == SERIES
    assert series.body["facts"] == {
        "manufacturer": "ACME",
        "manufacturer_model_name": "Scan 9",
        "convolution_kernel": "B30f",
        "frame_of_reference_uid": ROOT + "1.9",
        "slice_thickness_mm": 3.0,
        "kvp": 120.0,
        "number_of_instances": 4,
        "rows": 8,
        "columns": 10,
        "pixel_spacing_row_mm": 2.0,
        "pixel_spacing_column_mm": 1.5,
        "slice_spacing_mm": 3.0,
    }


def test_record_ids_and_paths_do_not_show_the_uid_or_the_folder(folder: Path) -> None:
    write_series(folder / "Canary^Name")
    for record in records(folder):
        assert SERIES not in record.record_id
        assert "Canary" not in json.dumps(record.body)


def test_no_direct_identifier_enters_a_record(folder: Path) -> None:
    write_series(folder)
    write_rtstruct(folder / "rs.dcm", {"GTV": [SQUARE], "tumour of CANARY": [SQUARE]})
    text = json.dumps([record.body for record in records(folder)]).lower()
    assert "canary" not in text
    assert "1951" not in text
    assert "region-2" in text


def test_regions_name_the_image_they_are_drawn_on(folder: Path) -> None:
    write_series(folder)
    write_rtstruct(folder / "rs.dcm", {"GTV": [SQUARE]})
    regions = records(folder)[-1]
    assert regions.kind == "DicomRegions"
    assert regions.body["regions"] == [{"name": "GTV", "image_series_uid": SERIES}]


def test_regions_are_dated_by_their_study_and_not_by_who_drew_them(folder: Path) -> None:
    write_series(folder)
    path = write_rtstruct(folder / "rs.dcm", {"GTV": [SQUARE]})
    dataset = pydicom.dcmread(path)
    dataset.StructureSetDate = dataset.SeriesDate = "20291231"
    dataset.save_as(path)
    assert records(folder)[-1].body["date"] == "2024-03-05"
    assert read_index(folder.parent / "home").regions[SERIES][0].day == "2029-12-31"


def test_regions_without_a_reference_find_the_only_image_of_their_frame(folder: Path) -> None:
    write_series(folder)
    write_rtstruct(folder / "rs.dcm", {"GTV": [SQUARE]}, series_uid="")
    assert records(folder)[-1].body["regions"][0]["image_series_uid"] == SERIES


def test_regions_that_fit_two_images_are_refused(folder: Path) -> None:
    write_series(folder / "a")
    write_series(folder / "b", series_uid=ROOT + "1.2")
    write_rtstruct(folder / "rs.dcm", {"GTV": [SQUARE]}, series_uid="")
    assert codes(folder) == ["dicom-region-without-image"]


def test_the_index_knows_where_the_files_lie(folder: Path) -> None:
    paths = write_series(folder / "Canary^Name")
    write_rtstruct(folder / "rs.dcm", {"GTV": [SQUARE]})
    list(read(folder, folder.parent / "home"))
    index = read_index(folder.parent / "home")
    assert sorted(index.series[SERIES].files) == sorted(map(str, paths))
    assert [Path(region.file).name for region in index.regions[SERIES]] == ["rs.dcm"]


def test_a_single_file_is_a_source_too(folder: Path) -> None:
    path = write_series(folder)[0]
    assert [record.kind for record in records(path)] == ["DicomStudy", "DicomSeries"]


def test_a_copy_of_a_file_is_the_same_image(folder: Path) -> None:
    paths = write_series(folder)
    before = records(folder)[1].body
    (folder / "copy.dcm").write_bytes(paths[0].read_bytes())
    assert records(folder)[1].body == before
    assert codes(folder) == []


def test_a_series_spread_over_folders_that_are_read_one_by_one_is_one(folder: Path) -> None:
    paths = write_series(folder / "a")
    (folder / "b").mkdir()
    for path in paths[2:]:
        path.rename(folder / "b" / path.name)
    home = folder.parent / "home"
    first = [one.body["facts"]["number_of_instances"] for one in loaded(folder / "a", home, "DicomSeries")]
    second = [one.body["facts"]["number_of_instances"] for one in loaded(folder / "b", home, "DicomSeries")]
    assert (first, second) == ([2], [4])
    assert len(read_index(home).series[SERIES].files) == 4
    again = loaded(folder / "a", home, "DicomSeries")
    assert [one.body for one in again] == [one.body for one in loaded(folder / "b", home, "DicomSeries")]
    assert all(not one.position.startswith("/") for one in again)


def loaded(folder: Path, home: Path, kind: str) -> list[SourceRecord]:
    found = [one for one in read(folder, home) if isinstance(one, SourceRecord)]
    return [one for one in found if one.kind == kind]


def test_a_slice_that_is_gone_from_its_folder_is_gone_from_the_series(folder: Path) -> None:
    home, paths = folder.parent / "home", write_series(folder)
    assert len(loaded(folder, home, "DicomSeries")) == 1
    paths[-1].unlink()
    (series,) = loaded(folder, home, "DicomSeries")
    assert series.body["facts"]["number_of_instances"] == 3


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_file_without_preamble_is_read_as_archives_wrote_it_once(folder: Path, syntax: str) -> None:
    paths = write_series(folder)
    expected = load_series(paths).array
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.file_meta = None
        bare = Dataset()
        bare.update(dataset)
        is_implicit = syntax == ImplicitVRLittleEndian
        bare.save_as(path, implicit_vr=is_implicit, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[128:132] != b"DICM"
    assert [record.kind for record in records(folder)] == ["DicomStudy", "DicomSeries"]
    np.testing.assert_array_equal(load_series(paths).array, expected)


def test_two_folders_of_one_source_are_reviewed_apart(sqlite_engine: Engine, folder: Path) -> None:
    """The second load sees nothing of the first folder, whose file stays in quarantine until it is mended."""
    for name in ("a", "b"):
        write_series(folder / name, series_uid=ROOT + ("1.5" if name == "a" else "1.6"))
        (folder / name / "notes.txt").write_text("nothing medical")

    def quarantined(name: str) -> list[str]:
        records = read(folder / name, folder.parent / "home")
        load(sqlite_engine, records, "dicom", Identity(b"k" * 32))
        with sqlite_engine.connect() as connection:
            still = select(quarantine.c.position).where(quarantine.c.resolved.is_(False))
            return sorted(connection.scalars(still))

    first = quarantined("a")
    both = quarantined("b")
    assert [position.partition(":")[2] for position in both] == ["notes.txt", "notes.txt"]
    assert len(first) == 1
    assert set(first) < set(both)
    (folder / "a" / "notes.txt").unlink()
    assert set(quarantined("a")) == set(both) - set(first)


def test_an_archive_is_told_from_what_is_no_image_at_all(folder: Path) -> None:
    paths = write_series(folder)
    with zipfile.ZipFile(folder / "a.zip", "w") as packed:
        packed.write(paths[0], "../../evil.dcm")
    with tarfile.open(folder / "b.tar", "w") as taped:
        taped.add(paths[0], "b.dcm")
    (folder / "c.dcm.gz").write_bytes(gzip.compress(paths[0].read_bytes()))
    assert codes(folder) == ["dicom-archive"] * 3
    assert len(records(folder)) == 2


def test_what_a_directory_of_a_disc_names_is_not_followed(folder: Path) -> None:
    """A DICOMDIR is passed over: the files below the folder are read, and nothing that it points to."""
    outside = write_series(folder.parent / "outside", series_uid=ROOT + "1.5")
    write_series(folder / "IMAGES")
    disc = new_object("CT", ROOT + "77")
    disc.file_meta.MediaStorageSOPClassUID = disc.SOPClassUID = "1.2.840.10008.1.3.10"
    entry = Dataset()
    entry.DirectoryRecordType = "IMAGE"
    entry.ReferencedFileID = ["..", "outside", outside[0].name]
    disc.DirectoryRecordSequence = [entry]
    disc.save_as(folder / "DICOMDIR", enforce_file_format=True)
    assert codes(folder) == []
    assert {one.body["series_uid"] for one in records(folder) if one.kind == "DicomSeries"} == {SERIES}


def test_files_need_no_extension_and_patients_no_folder_of_their_own(folder: Path) -> None:
    def other(_: int, dataset: Dataset) -> None:
        dataset.PatientID, dataset.StudyInstanceUID = "P-0043", ROOT + "3"

    of_a = write_series(folder / "a")
    of_b = write_series(folder / "b", "MR", series_uid=ROOT + "3.1", change=other)
    for name, files in (("A", of_a), ("B", of_b)):
        for number, path in enumerate(files):
            path.rename(folder / f"{name}{number:08d}")
    assert codes(folder) == []
    people = [one.body["patient_id"] for one in records(folder) if one.kind == "DicomSeries"]
    assert sorted(people) == ["P-0042", "P-0043"]


def test_a_file_that_is_not_dicom_does_not_stop_the_rest(folder: Path) -> None:
    write_series(folder)
    (folder / "notes.txt").write_text("nothing medical")
    (folder / "empty").touch()
    assert codes(folder) == ["dicom-not-dicom", "dicom-not-dicom"]
    assert len(records(folder)) == 2


def test_every_truncation_of_a_header_is_coded(folder: Path) -> None:
    whole = write_series(folder)[0].read_bytes()
    for length in range(132, 700, 7):
        for path in folder.iterdir():
            path.unlink()
        (folder / "cut.dcm").write_bytes(whole[:length])
        assert codes(folder), length


def set_attribute(keyword: str, value: object, *slices: int) -> Change:
    def change(z: int, dataset: Dataset) -> None:
        if z in slices:
            setattr(dataset, keyword, value)

    return change


def remove(keyword: str) -> Change:
    def change(_: int, dataset: Dataset) -> None:
        if keyword in dataset:
            delattr(dataset, keyword)

    return change


def move(*heights_mm: float) -> Change:
    def change(z: int, dataset: Dataset) -> None:
        dataset.ImagePositionPatient = [-10, -20, heights_mm[z]]

    return change


def no_date(_: int, dataset: Dataset) -> None:
    dataset.StudyDate = dataset.SeriesDate = ""


def tilt(z: int, dataset: Dataset) -> None:
    dataset.ImagePositionPatient = [-10, -20 + z, 30 + 3 * z]


def crop(z: int, dataset: Dataset) -> None:
    if z == 2:
        dataset.Rows, dataset.PixelData = 4, dataset.PixelData[: 4 * 10 * 2]


FAULTS: list[tuple[str, Change]] = [
    ("dicom-missing-slice", move(30, 33, 39, 42)),
    ("dicom-irregular-spacing", move(30, 33, 37.4, 40)),
    ("dicom-duplicate-position", move(30, 33, 33, 36)),
    ("dicom-several-volumes", move(30, 33, 30, 33)),
    ("dicom-sheared-stack", tilt),
    ("dicom-mixed-orientation", set_attribute("ImageOrientationPatient", [1, 0, 0, 0, 0, -1], 2)),
    ("dicom-mixed-size", crop),
    ("dicom-mixed-pixel-spacing", set_attribute("PixelSpacing", [2.0, 1.0], 3)),
    ("dicom-malformed-geometry", set_attribute("ImageOrientationPatient", [1, 1, 0, 0, 1, 0], 0, 1, 2, 3)),
    ("dicom-malformed-geometry", set_attribute("PixelSpacing", [0.0, 0.0], 0, 1, 2, 3)),
    ("dicom-malformed-geometry", remove("ImagePositionPatient")),
    ("dicom-malformed-geometry", set_attribute("ImagePositionPatient", ["nan", "0", "0"], 2)),
    ("dicom-missing-rescale", remove("RescaleSlope")),
    ("dicom-mixed-patient", set_attribute("PatientID", "P-0043", 1)),
    ("dicom-no-date", no_date),
]


@pytest.mark.parametrize(("code", "change"), FAULTS, ids=[f"{c}-{i}" for i, (c, _) in enumerate(FAULTS)])
def test_a_faulty_series_is_told_by_its_code_and_the_rest_loads(
    folder: Path, code: str, change: Change
) -> None:
    write_series(folder / "faulty", change=change)
    write_series(folder / "sound", "MR", series_uid=ROOT + "1.7")
    assert codes(folder) == [code]
    assert [r.body["series_uid"] for r in records(folder) if r.kind == "DicomSeries"] == [ROOT + "1.7"]


@pytest.mark.parametrize("keyword", ["PatientID", "SeriesInstanceUID", "StudyInstanceUID", "SOPInstanceUID"])
def test_an_object_without_identity_is_refused(folder: Path, keyword: str) -> None:
    write_series(folder, change=remove(keyword))
    assert codes(folder) == ["dicom-missing-identity"] * 4


def test_another_kind_of_object_is_refused(folder: Path) -> None:
    write_series(folder, change=set_attribute("SOPClassUID", "1.2.840.10008.5.1.4.1.1.1", 0, 1, 2, 3))
    assert codes(folder) == ["dicom-unsupported-object"] * 4


def test_a_series_with_another_set_of_images_is_a_newer_version(folder: Path) -> None:
    paths = write_series(folder)
    before = records(folder)[1]
    paths[-1].unlink()
    after = records(folder)[1]
    assert after.record_id == before.record_id
    assert after.body != before.body
