"""A copy holds nothing of who the patient is: tokens planted wherever an attribute can stand are gone."""

import io
from datetime import date
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataset import Dataset, FileDataset

from site_node.images.series import load_series
from site_node.sources.dicom.deidentify import Deidentifier
from site_node.sources.dicom.parser import parse
from site_node.sources.dicom.profile import METHODS, basic_profile
from site_node.sources.regions import read_regions
from tests.lib.dicom_files import (
    FRAME,
    ROOT,
    SERIES,
    STUDY,
    new_object,
    write_rtstruct,
    write_seg,
    write_series,
)

TOKEN = "Zebrafink"
PLANTED = {  # a value of every VR that names the patient, as far as the VR's form lets it
    "AE": TOKEN, "AS": "077Y", "CS": TOKEN.upper(), "DA": "19510307", "DS": "19510307.5",
    "DT": "19510307101112", "IS": "19510307", "LO": TOKEN, "LT": TOKEN,
    "OB": TOKEN.encode() + b" ", "OW": TOKEN.encode() + b" ",
    "PN": TOKEN + "^Maria", "SH": TOKEN, "ST": TOKEN, "TM": "101112", "UC": TOKEN, "UI": ROOT + "19510307",
    "UN": TOKEN.encode() + b" ", "UR": "http://" + TOKEN, "UT": TOKEN, "US": 7,
}  # fmt: skip
REQUIRED = {"SOPClassUID", "SOPInstanceUID", "PatientID"}
KEY = bytes(range(32))
SQUARE = [(1.0, 1.0, 1.0), (5.0, 1.0, 1.0), (5.0, 5.0, 1.0), (1.0, 5.0, 1.0)]


@pytest.fixture
def deidentifier() -> Deidentifier:
    return Deidentifier(KEY)


def planted() -> FileDataset:
    """An image with the token in every attribute of the profile, in private ones, nested, and in comments."""
    dataset = new_object("CT", ROOT + "1.1.1")
    dataset.PatientName, dataset.PatientID = TOKEN + "^Maria", TOKEN
    _plant(dataset)
    nested = Dataset()
    _plant(nested)
    deeper = Dataset()
    _plant(deeper)
    nested.RequestAttributesSequence = [deeper]  # removed by the profile
    nested.AnatomicRegionSequence = [deeper]  # of which it says nothing
    dataset.ReferencedPerformedProcedureStepSequence = [nested]
    dataset.DerivationCodeSequence = [nested]
    dataset.add_new(0x60000010, "US", 8)
    dataset.add_new(0x60000022, "LO", TOKEN)  # OverlayDescription
    dataset.add_new(0x60003000, "OW", TOKEN.encode() + b" ")
    dataset.add_new(0x60004000, "LT", TOKEN)
    dataset.add_new(0x50000030, "LO", TOKEN)
    dataset.add_new(0x00204000, "LT", TOKEN)  # ImageComments
    dataset.add_new(0x00091002, "SQ", [nested])
    dataset.add_new(0x0018FFF0, "LO", TOKEN)  # an attribute that no edition knows
    dataset.file_meta.SourceApplicationEntityTitle = TOKEN
    dataset.preamble = (TOKEN.encode() * 20)[:128]
    return dataset


def _plant(dataset: Dataset) -> None:
    for tag in basic_profile():
        vr = dictionary_VR(tag)
        if vr in PLANTED and pydicom.datadict.keyword_for_tag(tag) not in REQUIRED and tag >> 16 >= 8:
            dataset.add_new(tag, vr, PLANTED[vr])
    for vr, value in PLANTED.items():
        for tag in _silent(vr):
            dataset.add_new(tag, vr, value)


def _silent(vr: str) -> list[int]:
    """Five attributes of this VR that the profile does not name."""
    entries = pydicom.datadict.DicomDictionary
    free = (
        tag
        for tag in sorted(entries)
        if tag >> 16 >= 8 and tag not in basic_profile() and dictionary_VR(tag) == vr
        if dictionary_VM(tag) == "1" and not 0x00280002 <= tag <= 0x00280107  # the pixels' own description
    )
    return [tag for tag, _ in zip(free, range(5), strict=False) if tag not in (0x00080016, 0x00080018)]


def saved(dataset: FileDataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def test_no_planted_token_is_left(deidentifier: Deidentifier) -> None:
    original = saved(planted())
    assert original.lower().count(TOKEN.lower().encode()) > 800
    copy = saved(deidentifier.copy(parse(original)))
    assert copy.lower().count(TOKEN.lower().encode()) == 0
    for value in (b"19510307101112", b"Canary", b"canary", SERIES.encode(), FRAME.encode()):
        assert value not in copy


def test_dates_of_birth_go_and_the_others_move_together(deidentifier: Deidentifier) -> None:
    original = new_object("CT", ROOT + "1.1.1")
    original.AcquisitionDateTime = "20240307101112.5"
    copy = deidentifier.copy(original)
    assert copy.PatientBirthDate == ""
    moved = date.fromisoformat(copy.StudyDate)
    assert 1 <= (date(2024, 3, 5) - moved).days <= 3650
    assert date.fromisoformat(copy.AcquisitionDateTime[:8]) - moved == date(2024, 3, 7) - date(2024, 3, 5)
    assert copy.AcquisitionDateTime.endswith("101112.5")


def test_two_patients_move_by_their_own_days(deidentifier: Deidentifier) -> None:
    one, other = new_object("CT", ROOT + "1.1.1"), new_object("CT", ROOT + "1.1.2")
    other.PatientID = "P-0043"
    assert deidentifier.copy(one).StudyDate != deidentifier.copy(other).StudyDate


def test_uids_are_remapped_by_the_key_alone(deidentifier: Deidentifier) -> None:
    new = deidentifier.uid(STUDY)
    assert new == Deidentifier(KEY).uid(STUDY) != Deidentifier(bytes(32)).uid(STUDY)
    assert pydicom.uid.UID(new).is_valid
    assert deidentifier.uid("1.2.840.10008.5.1.4.1.1.2") == "1.2.840.10008.5.1.4.1.1.2"


def test_the_copy_says_what_was_done(deidentifier: Deidentifier) -> None:
    copy = deidentifier.copy(new_object("CT", ROOT + "1.1.1"))
    assert copy.PatientIdentityRemoved == "YES"
    assert [item.CodeValue for item in copy.DeidentificationMethodCodeSequence] == list(METHODS)
    assert copy.preamble == bytes(128)
    assert copy.file_meta.MediaStorageSOPInstanceUID == copy.SOPInstanceUID
    assert not [element for element in copy if element.tag.is_private]


def test_what_an_image_needs_stays(deidentifier: Deidentifier, tmp_path: Path) -> None:
    def weight(_: int, dataset: Dataset) -> None:
        dataset.PatientWeight, dataset.PatientSex, dataset.PatientAge = "70", "F", "072Y"

    paths = write_series(tmp_path / "in", change=weight)
    copies = [deidentified(deidentifier, path, tmp_path / path.name) for path in paths]
    before, after = load_series(paths), load_series(copies)
    np.testing.assert_array_equal(before.array, after.array)
    assert before.grid == after.grid
    kept = pydicom.dcmread(copies[0])
    assert (kept.PatientWeight, kept.PatientSex, kept.PatientAge, kept.KVP) == (70, "F", "072Y", 120)
    assert kept.Manufacturer == "ACME"


def test_regions_still_fit_their_image_and_keep_names_without_the_patient(
    deidentifier: Deidentifier, tmp_path: Path
) -> None:
    images = write_series(tmp_path / "in")
    rtstruct = write_rtstruct(tmp_path / "rs.dcm", {"GTV": [SQUARE], "tumour of CANARY": [SQUARE]})
    seg = write_seg(tmp_path / "seg.dcm", [(1, 0, np.full((8, 10), 200, np.uint8))])
    copies = [deidentified(deidentifier, path, tmp_path / path.name) for path in images]
    grid = load_series(copies).grid
    for path, names in ((rtstruct, ["GTV", "region-2"]), (seg, ["segment 1"])):
        copy = deidentified(deidentifier, path, tmp_path / ("copy-" + path.name))
        before, after = read_regions(path, load_series(images).grid), read_regions(copy, grid)
        assert list(after) == names
        for name in names:
            np.testing.assert_array_equal(before[name], after[name])
    copy = pydicom.dcmread(tmp_path / "copy-rs.dcm")
    study = copy.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    series_uid = study.RTReferencedSeriesSequence[0].SeriesInstanceUID
    assert series_uid == pydicom.dcmread(copies[0]).SeriesInstanceUID


def test_an_overlay_in_unused_bits_is_wiped(deidentifier: Deidentifier, tmp_path: Path) -> None:
    values = np.arange(80, dtype=np.int16).reshape(1, 8, 10)

    def overlay(_: int, dataset: Dataset) -> None:
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
        dataset.PixelData = (values.astype("<u2") | 0x8000).tobytes()

    (path,) = write_series(tmp_path, values=values, change=overlay)
    copy = deidentifier.copy(parse(path))
    np.testing.assert_array_equal(np.frombuffer(copy.PixelData, "<u2"), values.ravel())


def test_values_that_break_their_form_are_left_out(deidentifier: Deidentifier) -> None:
    original = new_object("CT", ROOT + "1.1.1")
    original.add_new("KVP", "DS", "120")
    original.add_new("SeriesTime", "TM", "100000")
    data = (
        saved(original)
        .replace(b"TM\x06\x00100000", b"TM\x06\x00Maria ")
        .replace(b"DS\x04\x00120 ", b"DS\x04\x00Mary")
    )
    copy = deidentifier.copy(parse(data))
    assert "KVP" not in copy
    assert b"Mar" not in saved(copy)


def deidentified(deidentifier: Deidentifier, source: Path, target: Path) -> Path:
    deidentifier.copy(parse(source)).save_as(target, enforce_file_format=True)
    return target
