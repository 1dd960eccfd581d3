"""The way from DICOM files to features, on the CT phantom's own DICOM and RTSTRUCT."""

import pytest

from site_node.images.files import read_case
from tests.lib.shared import shared
from tests.reference.ibsi.phantoms import phantom


def test_the_phantom_is_the_same_from_dicom_as_from_nifti() -> None:
    folder = shared("data/ibsi/ibsi_1_ct_radiomics_phantom/dicom")
    case = read_case(folder / "image", folder / "mask" / "DCM_RS_00060.dcm")
    expected = phantom("ibsi_1_ct_radiomics_phantom")
    assert case.spacing_mm == pytest.approx(expected.spacing_mm, rel=1e-5)
    assert case.image.shape == expected.image.shape
    (mask,) = (mask for name, mask in case.regions.items() if "gtv" in name.casefold())
    # the NIfTI mask was rasterised by other software: a rim of voxels may differ
    assert mask.sum() == pytest.approx(expected.mask.sum(), rel=0.01)
