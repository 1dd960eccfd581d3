"""What the numbers and places of an image mean: each case's right value, or its code; see its EXPECT.txt."""

from pathlib import Path

import pydicom
import pytest

from cdm.etl import SourceRecord, Unreadable
from site_node.images.series import load_folder
from site_node.sources.dicom import read
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.regions import read_regions
from tests.lib.cases import case


@pytest.mark.parametrize(
    ("name", "image", "fault"),
    [
        ("08_ct_in_another_unit_than_hu", "ct", Fault.OTHER_UNIT),
        ("09_ct_without_rescale_by_command", "ct", Fault.MISSING_RESCALE),
        ("80_one_mosaic_is_one_slice", "mr", Fault.MOSAIC),
    ],
    ids=lambda value: value if len(value) > 9 else "",
)
def test_an_image_without_its_usual_meaning_is_refused_by_command_and_load(
    name: str, image: str, fault: Fault, tmp_path: Path
) -> None:
    folder = case(name) / image
    with pytest.raises(DicomFault) as caught:
        load_folder(folder)
    assert caught.value.fault is fault
    assert fault in [one.code for one in read(folder, tmp_path) if isinstance(one, Unreadable)]


@pytest.mark.parametrize("name", ["10_two_slices_one_sop_instance_uid"])
def test_two_objects_with_one_uid_are_told(name: str, tmp_path: Path) -> None:
    found = list(read(case(name) / "ct", tmp_path))
    assert [one.code for one in found if isinstance(one, Unreadable)] == [Fault.REPEATED_UID]
    assert not [one for one in found if isinstance(one, SourceRecord)]


@pytest.mark.parametrize(
    ("name", "image", "voxels"),
    [
        ("76_ct_jpeg2000_sign_other_than_header", "ct", 768),
        ("77_pet_gap_where_two_beds_meet", "pt", 112),
        ("78_mr_positions_printed_to_a_tenth_of_a_mm", "mr", 245),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) > 2 else "",
)
def test_an_image_that_is_odd_and_whole_is_read(name: str, image: str, voxels: int) -> None:
    folder = case(name)
    mask = read_regions(folder / "rs.dcm", load_folder(folder / image).grid)["L"]
    assert mask.sum() == voxels


@pytest.mark.parametrize("name", ["76_ct_jpeg2000_sign_other_than_header"])
def test_pixels_are_those_that_pydicom_reads_at_once(name: str) -> None:
    """The mean of L is GDCM's too (README.md of the case)."""
    folder = case(name)
    image = load_folder(folder / "ct")
    mask = read_regions(folder / "rs.dcm", image.grid)["L"]
    assert image.array[mask].mean() == pytest.approx(-137.9583, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "per_thousand"),
    [
        ("15_pet_injection_in_another_time_zone", 0.276337),
        ("74_pet_suv_by_lean_body_mass", 2.4221),
        ("75_legacy_converted_pet_with_real_world_values", 0.3408),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_stored_thousand_is_this_suv(name: str, per_thousand: float) -> None:
    """By hand: weight over the activity that is left, or over the lean body mass (README.md of the case)."""
    folder = case(name) / "pt"
    stored = sum(int(pydicom.dcmread(path).pixel_array.sum()) for path in folder.iterdir())
    assert load_folder(folder).array.sum() * 1000 / stored == pytest.approx(per_thousand, rel=2e-4)
