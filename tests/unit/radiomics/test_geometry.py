"""Shape features of bodies whose measures are known."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from site_node.features.radiomics import Settings, extract
from site_node.features.radiomics.region import Region

SHAPE_ONLY = Settings(families=("morphology", "autocorrelation"))


def ball(radius_mm: float, spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    axes = [np.arange(-np.ceil(radius_mm / mm) - 1, np.ceil(radius_mm / mm) + 2) * mm for mm in spacing_mm]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return np.asarray(z**2 + y**2 + x**2 <= radius_mm**2)


def shape(mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> dict[str, float]:
    rng = np.random.default_rng(0)
    found = extract(rng.normal(size=mask.shape), mask, spacing_mm, SHAPE_ONLY)
    return {feature.tag: feature.value for feature in found if feature.value is not None}


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (2.0, 0.7, 1.3)])
def test_a_ball_is_round_wherever_its_voxels_are(spacing_mm: tuple[float, float, float]) -> None:
    found = shape(ball(20, spacing_mm), spacing_mm)
    # a surface of voxels has steps: they add area, most where voxels are long, and hardly change the volume
    assert found["morph_volume"] == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.01)
    assert found["morph_area_mesh"] == pytest.approx(4 * np.pi * 20**2, rel=0.15)
    assert found["morph_diam"] == pytest.approx(40, abs=max(spacing_mm))  # half a voxel at either end
    assert found["morph_pca_elongation"] == pytest.approx(1, abs=0.01)
    assert found["morph_vol_dens_conv_hull"] == pytest.approx(1, abs=0.08)


def test_one_voxel_is_an_octahedron() -> None:
    found = shape(np.ones((1, 1, 1), dtype=bool), (1.0, 1.0, 1.0))
    assert found["morph_volume"] == pytest.approx(1 / 6)  # six vertices half a voxel away
    assert found["morph_area_mesh"] == pytest.approx(np.sqrt(3))
    assert found["morph_diam"] == pytest.approx(1)


def test_a_box_fills_its_bounding_box_but_for_the_cut_edges() -> None:
    mask = np.ones((10, 20, 30), dtype=bool)
    found = shape(mask, (1.0, 1.0, 1.0))
    assert found["morph_vol_approx"] == 6000
    assert found["morph_vol_dens_aabb"] == pytest.approx(1, abs=0.01)
    assert found["morph_pca_maj_axis"] > found["morph_pca_min_axis"] > found["morph_pca_least_axis"]


@pytest.mark.parametrize("seed", range(4))
def test_the_hull_equals_that_of_every_mesh_vertex(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((6, 7, 8)) < 0.2
    spacing = (2.0, 1.0, 0.5)
    region = Region.of(mask, mask, spacing)
    assert region is not None
    assert region.hull is not None
    steps = np.concatenate([np.eye(3), -np.eye(3)]) / 2
    vertices = (np.argwhere(region.morphological)[:, None] + steps).reshape(-1, 3) * spacing
    hull = ConvexHull(vertices)
    assert region.hull.volume == pytest.approx(hull.volume)
    assert region.hull.area == pytest.approx(hull.area)
    found = shape(mask, spacing)
    assert found["morph_diam"] == pytest.approx(pdist(vertices[hull.vertices]).max())


def test_principal_axes_are_those_of_the_sample_covariance() -> None:
    rng = np.random.default_rng(5)
    mask = rng.random((5, 6, 7)) < 0.4
    region = Region.of(mask, mask, (3.0, 2.0, 1.0))
    assert region is not None
    places = np.argwhere(region.morphological) * np.array([3.0, 2.0, 1.0])
    expected = np.linalg.eigvalsh(np.cov(places.T))[::-1]
    np.testing.assert_allclose(region.principal_variances_mm, expected, rtol=1e-10)
