"""Regions drawn on images: each case's right value, by hand from its geometry; see its EXPECT.txt."""

from pathlib import Path

import numpy as np
import pytest

from site_node.images.series import load_folder
from site_node.sources.dicom.faults import DicomFault, Fault
from site_node.sources.regions import each_region
from tests.lib.cases import case

GTV_THEN_OUTSIDE = {"GTV": 108, "BODY": Fault.REGION_OUTSIDE}


def found(folder: Path, image: str = "ct", regions: str = "rs.dcm") -> dict[str, int | Fault]:
    """The voxels of each region, or the fault that keeps it from being measured."""
    masks = each_region(folder / regions, load_folder(folder / image).grid)
    return {
        name: mask.fault if isinstance(mask, DicomFault) else int(mask.sum()) for name, mask in masks.items()
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("01_rtstruct_contours_not_on_every_slice", {"gtv": 800}),  # 4800 mm3 of 2 x 2 x 1.5 mm
        ("02_rtstruct_contour_written_twice", {"gtv": 300}),
        ("03_rtstruct_roi_in_several_items", {"gtv": 200}),
        ("04_rtstruct_hole_lost_by_height", {"gtv": 84}),
        ("05_rtstruct_beyond_the_field_of_view", {"gtv": Fault.REGION_OUTSIDE}),
        ("07_seg_labelmap_background", {"seg1": 238, "seg2": 18}),
        ("70_rtstruct_contours_half_way_between_slices", {"GTV": 216}),
        ("71_region_named_like_the_second_of_another", {"GTV (2)": 108, "GTV": 320}),
        ("72_rtstruct_roi_in_another_frame_of_reference", {"GTV_ct": 108, "GTV_mr": Fault.OTHER_FRAME}),
        ("82_one_region_outside_refuses_the_others", GTV_THEN_OUTSIDE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_region_is_what_was_drawn_or_is_refused_alone(
    name: str, expected: dict[str, int | Fault]
) -> None:
    regions = "seg.dcm" if "_seg_" in name else "rs.dcm"
    assert found(case(name), regions=regions) == expected


@pytest.mark.parametrize("name", ["72_rtstruct_roi_in_another_frame_of_reference"])
def test_regions_of_another_patient_are_refused(name: str) -> None:
    with pytest.raises(DicomFault) as caught:
        found(case(name), regions="seg_of_another_patient.dcm")
    assert caught.value.fault is Fault.OTHER_PATIENT


@pytest.mark.parametrize("name", ["06_seg_binary_odd_by_odd_frames"])
def test_frames_of_single_bits_follow_each_other_without_a_gap(name: str) -> None:
    """The mask that highdicom was given to write."""
    folder = case(name)
    masks = each_region(folder / "seg.dcm", load_folder(folder / "ct").grid)
    np.testing.assert_array_equal(masks["seg1"], np.load(folder / "mask.npy"))
