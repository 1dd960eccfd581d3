"""Only a region's surroundings are processed, and nobody can tell."""

import numpy as np
import pytest
from numpy.typing import NDArray

from site_node.features.radiomics import Settings, extract
from site_node.features.radiomics.resample import Axis, resample

FILTERS = [
    {"filter": "LoG", "sigma_mm": 1.5},
    {"filter": "mean", "support": 3},
    {"filter": "Laws"},
    {"filter": "wavelet", "band": "LHL", "level": 2},
    {"filter": "wavelet", "band": "HHH", "pooling": "mean"},
    {"filter": "Gabor", "sigma_mm": 1, "theta_step": 0.7853981633974483, "orthogonal_planes": True},
]
WHOLE = {"filter": "Simoncelli"}  # sees the whole image, so that nothing is cut away


def case() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    image = np.random.default_rng(0).normal(100, 20, (60, 90, 100))
    mask = np.zeros(image.shape, dtype=bool)
    mask[28:34, 40:50, 45:57] = True
    return image, mask


@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_values_do_not_depend_on_how_much_of_the_image_is_processed(method: str) -> None:
    image, mask = case()
    common = {"interpolation": {"spacing_mm": [1.5, 1, 1], "image": method}}
    little = Settings.model_validate(common | {"filters": FILTERS})
    all_of_it = Settings.model_validate(common | {"filters": [*FILTERS, WHOLE]})
    found = {(f.image, f.tag): f.value for f in extract(image, mask, (2.0, 0.9, 1.1), little)}
    expected = {(f.image, f.tag): f.value for f in extract(image, mask, (2.0, 0.9, 1.1), all_of_it)}
    for key, value in found.items():
        # filters run in single precision: their sums differ in the last digits with the voxels around
        assert value == pytest.approx(expected[key], rel=2e-3, abs=1e-3), key


def test_a_linear_image_is_interpolated_exactly_and_held_beyond_its_edge() -> None:
    axes = (Axis.aligned(5, 2.0, 1.0), Axis.aligned(4, 1.0, 1.0), Axis.aligned(6, 1.0, 2.0))
    z, y, x = np.meshgrid(np.arange(5.0), np.arange(4.0), np.arange(6.0), indexing="ij")
    for method in ("linear", "cubic"):
        found = resample(3 * z + y - 2 * x, axes, method)  # type: ignore[arg-type]
        assert found.shape == (10, 4, 3)
        inner = found[3:-3, :, 1:-1]
        places = np.meshgrid(*(axis.positions for axis in axes), indexing="ij")
        expected = (3 * places[0] + places[1] - 2 * places[2])[3:-3, :, 1:-1]
        # the spline is mirrored at the edge, which bends a line there; a few voxels in it is straight
        np.testing.assert_allclose(inner, expected, atol=1e-12 if method == "linear" else 0.2)
    assert resample(z, axes, "linear")[0, 0, 0] == 0


def test_grids_share_their_centre_and_cover_the_extent() -> None:
    axis = Axis.aligned(204, 0.9765625, 1.0)
    assert axis.positions.size == 200  # ceil(204 * 0.977 mm / 1 mm)
    assert axis.positions.mean() == pytest.approx(203 / 2)
    assert Axis.aligned(10, 3.0, 1.0).positions.size == 30
