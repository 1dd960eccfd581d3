"""A series becomes an array in physical units on its grid."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from site_node.images.series import load_folder, load_series
from site_node.sources.dicom.faults import DicomFault, Fault
from tests.lib.dicom_files import ORIGIN, SHAPE, SPACING_MM, stored, write_series


def test_ct_is_in_hounsfield_units_with_slices_in_order(tmp_path: Path) -> None:
    image = load_series(write_series(tmp_path))
    np.testing.assert_array_equal(image.array, stored().astype(float) - 1000)
    assert (image.spacing_mm, image.origin, image.unit) == (SPACING_MM, ORIGIN, "[hnsf'U]")


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    paths = write_series(tmp_path)
    np.testing.assert_array_equal(load_series(paths).array, load_series(paths[::-1]).array)
    np.testing.assert_array_equal(load_series(paths).array, load_folder(tmp_path).array)


def test_every_pet_slice_has_its_own_slope(tmp_path: Path) -> None:
    def slope(z: int, dataset: Dataset) -> None:
        dataset.RescaleSlope = str(0.5 * (z + 1))

    image = load_series(write_series(tmp_path, "PT", change=slope))
    np.testing.assert_array_equal(image.array, stored() * (0.5 * np.arange(1, 5))[:, None, None])


def test_mr_needs_no_rescale(tmp_path: Path) -> None:
    np.testing.assert_array_equal(load_series(write_series(tmp_path, "MR")).array, stored())


def test_a_sagittal_stack_keeps_its_place_in_the_patient(tmp_path: Path) -> None:
    def sagittal(z: int, dataset: Dataset) -> None:
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        dataset.ImagePositionPatient = [50 - 4 * z, 7, 90]

    image = load_series(write_series(tmp_path, "MR", change=sagittal))
    # normal = (0,1,0) x (0,0,-1) = (-1,0,0), so ascending along it is descending in x: the written order
    np.testing.assert_array_equal(image.array, stored())
    corner = np.array([[SHAPE[2] - 1, SHAPE[1] - 1, SHAPE[0] - 1]])
    np.testing.assert_allclose(image.grid.to_patient(corner), [[50 - 12, 7 + 9 * 1.5, 90 - 7 * 2.0]])
    np.testing.assert_allclose(image.grid.to_index(image.grid.to_patient(corner)), corner, atol=1e-12)


def test_damaged_pixels_are_coded(tmp_path: Path) -> None:
    def cut(_: int, dataset: Dataset) -> None:
        dataset.PixelData = dataset.PixelData[:20]

    with pytest.raises(DicomFault) as caught:
        load_series(write_series(tmp_path, change=cut))
    assert caught.value.fault is Fault.UNDECODABLE_PIXELS
