"""The response maps of IBSI-2 phase 1 (Whybra et al., Radiology 2024): 33 with a valid consensus map."""

import numpy as np
import pytest

from site_node.features.radiomics.filters import (
    Filter,
    Gabor,
    LaplacianOfGaussian,
    Laws,
    Mean,
    RieszLaplacian,
    Simoncelli,
    Wavelet,
)
from tests.reference.ibsi.phantoms import volume

PI = np.pi
LOG_3 = LaplacianOfGaussian(sigma_mm=3, boundary="zero")

# test: phantom and filter, as in ibsi2_phase1_reference.csv. The parameters of the Riesz tests (9 and 10)
# are not taken from a text: they were found by a search for those whose response fits the reference map. That
# they fit shows that the transform is IBSI's, not that the manual gives these orders.
MAPS: dict[str, tuple[str, Filter]] = {
    "1_a_1": ("checkerboard", Mean(support=15, boundary="zero")),
    "1_a_2": ("checkerboard", Mean(support=15, boundary="nearest")),
    "1_a_3": ("checkerboard", Mean(support=15, boundary="periodic")),
    "1_a_4": ("checkerboard", Mean(support=15, boundary="mirror")),
    "1_b_1": ("impulse", Mean(support=15, boundary="zero", dimension="2D")),
    "2_a": ("impulse", LOG_3),
    "2_b": ("checkerboard", LaplacianOfGaussian(sigma_mm=5)),
    "2_c": ("checkerboard", LaplacianOfGaussian(sigma_mm=5, dimension="2D")),
    "3_a_1": ("impulse", Laws(kernels="E5L5S5", pooling=None, energy_distance=None, boundary="zero")),
    "3_a_2": ("impulse", Laws(kernels="E5L5S5", energy_distance=None, boundary="zero")),
    "3_a_3": ("impulse", Laws(kernels="E5L5S5", boundary="zero")),
    "3_b_1": ("checkerboard", Laws(kernels="E3W5R5", pooling=None, energy_distance=None)),
    "3_b_2": ("checkerboard", Laws(kernels="E3W5R5", energy_distance=None)),
    "3_b_3": ("checkerboard", Laws(kernels="E3W5R5")),
    "3_c_1": ("checkerboard", Laws(kernels="L5S5", pooling=None, energy_distance=None)),
    "3_c_2": ("checkerboard", Laws(kernels="L5S5", energy_distance=None)),
    "3_c_3": ("checkerboard", Laws(kernels="L5S5")),
    "4_a_1": ("impulse", Gabor(sigma_mm=10, wavelength_mm=4, gamma=0.5, theta=PI / 3, boundary="zero")),
    "4_a_2": (
        "impulse",
        Gabor(
            sigma_mm=10,
            wavelength_mm=4,
            gamma=0.5,
            theta_step=PI / 4,
            orthogonal_planes=True,
            boundary="zero",
        ),
    ),
    "4_b_1": ("sphere", Gabor(sigma_mm=20, wavelength_mm=8, gamma=2.5, theta=5 * PI / 4)),
    "4_b_2": (
        "sphere",
        Gabor(sigma_mm=20, wavelength_mm=8, gamma=2.5, theta_step=PI / 8, orthogonal_planes=True),
    ),
    "5_a_1": ("impulse", Wavelet(family="db2", band="LHL", boundary="zero")),
    "5_a_2": ("impulse", Wavelet(family="db2", band="LHL", pooling="mean", boundary="zero")),
    "6_a_1": ("sphere", Wavelet(family="coif1", band="HHL", boundary="periodic")),
    "6_a_2": ("sphere", Wavelet(family="coif1", band="HHL", pooling="mean", boundary="periodic")),
    "7_a_1": ("checkerboard", Wavelet(family="haar", band="LLL", level=2, pooling="mean")),
    "7_a_2": ("checkerboard", Wavelet(family="haar", band="HHH", level=2, pooling="mean")),
    "8_a_1": ("checkerboard", Simoncelli(level=1)),
    "8_a_2": ("checkerboard", Simoncelli(level=2)),
    "8_a_3": ("checkerboard", Simoncelli(level=3)),
    "9_a": ("impulse", RieszLaplacian(laplacian=LOG_3, riesz=(1, 0, 0))),
    "9_b_1": ("sphere", RieszLaplacian(laplacian=LOG_3, riesz=(0, 2, 0))),
    "10_b_1": ("pattern_1", Simoncelli(level=1, riesz=(0, 2, 0))),
}


def within_one_percent(test: str) -> bool:
    """Whether the filter's response is nowhere further from its map than a hundredth of the map's range."""
    phantom, filter_ = MAPS[test]
    image, spacing_mm = volume(f"data/ibsi/ibsi_2_digital_phantom/nifti/{phantom}/image/{phantom}.nii.gz")
    reference, _ = volume(f"data/ibsi/ibsi_2_reference_response_maps/{test}-ValidCRM.nii.gz")
    difference = np.abs(filter_.response(image.astype(np.float64), spacing_mm) - reference).max()
    return bool(difference <= 0.01 * np.ptp(reference))


def test_response_maps_are_met(capsys: pytest.CaptureFixture[str]) -> None:
    missed = [test for test in MAPS if not within_one_percent(test)]
    with capsys.disabled():
        print(f"\nIBSI-2 phase 1: {len(MAPS) - len(missed)} of {len(MAPS)} maps", end=" ")
    assert not missed
    assert len(MAPS) == 33  # every valid map of the reference
