"""NIfTI files whose header or labels are odd: each case's right value; see its EXPECT.txt."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from site_node.images.files import Asked, wanted
from site_node.sources import nifti
from tests.lib.cases import case


def region_1(folder: Path) -> np.ndarray:
    case_, _, _ = wanted(Asked(folder / "image.nii", folder / "mask.nii", preset="mr", patterns=["1"]))
    return case_.image[case_.regions["1"]]


@pytest.mark.parametrize("name", ["12_nifti_slope_not_finite"])
def test_a_slope_that_is_not_finite_scales_nothing(name: str) -> None:
    folder = case(name)
    values = region_1(folder)
    assert (values.size, values.mean()) == (144, pytest.approx(97.069444, abs=1e-6))
    theirs = np.asanyarray(nibabel.load(folder / "image.nii").dataobj).T
    np.testing.assert_array_equal(nifti.read(folder / "image.nii").array, theirs)


@pytest.mark.parametrize("name", ["13_nifti_in_another_unit_than_mm"])
def test_lengths_are_millimetres_whatever_the_file_counts_in(name: str) -> None:
    folder = case(name)
    spacing_mm = nifti.read(folder / "image.nii").spacing_mm
    assert spacing_mm == pytest.approx((3, 2, 2))
    assert region_1(folder).size * np.prod(spacing_mm) == pytest.approx(1728)


@pytest.mark.parametrize("name", ["14_nifti_labels_that_print_alike"])
def test_labels_that_differ_by_rounding_are_one(name: str) -> None:
    assert region_1(case(name)).size == 144
