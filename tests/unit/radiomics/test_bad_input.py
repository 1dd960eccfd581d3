"""Every bad input has a named outcome; none raises."""

import numpy as np
import pytest
from numpy.typing import NDArray

from site_node.features.radiomics import Feature, Reason, Settings, extract
from site_node.features.radiomics.presets import preset
from site_node.features.radiomics.settings import Interpolation

MM = (1.0, 1.0, 1.0)
EVERYTHING = Settings.model_validate(
    {
        "texture": {"aggregations": ["2D_avg", "2D_comb", "2.5D_avg", "2.5D_comb", "3D_avg", "3D_comb"]},
        "filters": [{"filter": "LoG", "sigma_mm": 1}, {"filter": "wavelet", "band": "HLL"}],
    }
)


def image(shape: tuple[int, ...] = (8, 9, 10), seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(100, 20, shape).round()


def block(shape: tuple[int, ...] = (8, 9, 10)) -> NDArray[np.bool_]:
    mask = np.zeros(shape, dtype=bool)
    mask[2:6, 2:7, 3:8] = True
    return mask


def by_tag(features: list[Feature], of: str = "original") -> dict[str, Feature]:
    return {feature.tag: feature for feature in features if feature.image == of}


def assert_defined_or_reasoned(features: list[Feature]) -> None:
    assert features
    for feature in features:
        assert (feature.value is None) == (feature.reason is not None)
        assert feature.value is None or np.isfinite(feature.value)


def assert_all_missing(features: list[Feature], reason: Reason) -> None:
    assert features
    assert {feature.reason for feature in features} == {reason}


def test_image_and_mask_on_different_grids_are_refused() -> None:
    features = extract(image(), block()[:-1], MM, EVERYTHING)
    assert_all_missing(features, Reason.GRID_MISMATCH)


@pytest.mark.parametrize("spacing_mm", [(0.0, 1.0, 1.0), (1.0, float("nan"), 1.0), (-1.0, 1.0, 1.0)])
def test_impossible_spacing_is_refused(spacing_mm: tuple[float, float, float]) -> None:
    assert_all_missing(extract(image(), block(), spacing_mm, EVERYTHING), Reason.BAD_GRID)


def test_an_empty_region_has_no_features() -> None:
    features = extract(image(), np.zeros((8, 9, 10), dtype=bool), MM, EVERYTHING)
    assert_all_missing(features, Reason.EMPTY_REGION)


def test_a_region_emptied_by_its_range_keeps_its_shape() -> None:
    settings = EVERYTHING.model_copy(
        update={"resegmentation": EVERYTHING.resegmentation.model_copy(update={"range": (1e6, None)})}
    )
    features = by_tag(extract(image(), block(), MM, settings))
    assert features["morph_volume"].value is not None
    assert features["stat_mean"].reason is Reason.EMPTY_REGION
    assert features["cm_contrast_3D_avg"].reason is Reason.EMPTY_REGION


def test_a_region_lost_in_resampling_is_empty() -> None:
    mask = np.zeros((8, 9, 10), dtype=bool)
    mask[4, 4, 4] = True
    settings = EVERYTHING.model_copy(
        update={"interpolation": EVERYTHING.interpolation.model_copy(update={"spacing_mm": (4.0, 4.0, 4.0)})}
    )
    assert_all_missing(extract(image(), mask, MM, settings), Reason.EMPTY_REGION)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_region_of_few_voxels_is_defined_or_reasoned(n: int) -> None:
    mask = np.zeros((8, 9, 10), dtype=bool)
    mask[4, 4, 4 : 4 + n] = True
    features = extract(image(), mask, MM, EVERYTHING)
    assert_defined_or_reasoned(features)
    assert by_tag(features)["stat_mean"].value is not None


def test_a_region_of_one_slice_is_defined_or_reasoned() -> None:
    mask = np.zeros((8, 9, 10), dtype=bool)
    mask[4, 2:7, 3:8] = True
    features = extract(image(), mask, MM, EVERYTHING)
    assert_defined_or_reasoned(features)
    found = by_tag(features)
    assert found["cm_contrast_2D_avg"].value == pytest.approx(found["cm_contrast_2.5D_avg"].value)
    assert found["morph_vol_dens_aee"].reason is Reason.TOO_SMALL  # no third axis


def test_an_image_of_one_slice_is_defined_or_reasoned() -> None:
    assert_defined_or_reasoned(extract(image((1, 9, 10)), np.ones((1, 9, 10)), MM, EVERYTHING))


def test_constant_intensities_are_defined_or_reasoned() -> None:
    features = extract(np.full((8, 9, 10), 7.0), block(), MM, EVERYTHING)
    assert_defined_or_reasoned(features)
    found = by_tag(features)
    assert found["stat_var"].value == 0
    assert found["stat_skew"].value == 0  # IBSI 3.3.3
    assert found["ngt_coarseness_3D"].value == 1e6  # IBSI 3.10.1
    assert found["morph_moran_i"].reason is Reason.CONSTANT
    assert found["ih_max_grad"].reason is Reason.CONSTANT


def test_voxels_without_a_number_count_for_shape_only() -> None:
    broken = image()
    broken[3, 3, 4] = np.nan
    broken[3, 4, 4] = np.inf
    features = extract(broken, block(), MM, EVERYTHING)
    assert_defined_or_reasoned(features)
    mask = block()
    mask[3, 3, 4] = mask[3, 4, 4] = False
    found = by_tag(features)
    assert found["stat_mean"].value == pytest.approx(image()[mask].mean())
    assert found["morph_vol_approx"].value == block().sum()


def test_an_image_without_numbers_has_no_features() -> None:
    features = extract(np.full((8, 9, 10), np.nan), block(), MM, EVERYTHING)
    assert_all_missing(features, Reason.NOT_FINITE)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32])
def test_integer_images_do_not_overflow(dtype: type[np.number]) -> None:
    wide = (image() * 150).astype(np.int16)  # its square and its sum leave 16 bits
    narrow = by_tag(extract(wide.astype(dtype), block(), MM, EVERYTHING))
    exact = by_tag(extract(wide.astype(np.float64), block(), MM, EVERYTHING))
    for tag in ("stat_energy", "stat_var", "morph_integ_int", "cm_clust_prom_3D_avg"):
        assert narrow[tag].value == exact[tag].value


def test_negative_intensities_are_ordinary() -> None:
    assert_defined_or_reasoned(extract(-image(), block(), MM, EVERYTHING))


def test_a_negative_suv_is_a_value_and_falls_into_the_first_bin() -> None:
    """What noise and reconstruction make of air is not cut off: intensities keep it, bins begin at 0."""
    settings = preset("pet").model_copy(update={"interpolation": Interpolation()})
    suv = np.random.default_rng(0).normal(0.5, 1, (8, 9, 10))
    inside = suv[block()]
    assert inside.min() < 0
    features = extract(suv, block(), MM, settings)
    assert_defined_or_reasoned(features)
    found, cut = by_tag(features), by_tag(extract(np.maximum(suv, 0), block(), MM, settings))
    assert found["stat_min"].value == pytest.approx(inside.min())
    assert found["stat_mean"].value == pytest.approx(inside.mean())
    assert found["ih_min"].value == 1
    for tag in ("ih_mean", "ih_entropy", "cm_joint_entr_3D_avg", "szm_zs_entr_3D", "ngl_dc_energy_3D"):
        assert found[tag].value is not None
        assert found[tag].value == cut[tag].value  # as if it were 0


def test_too_many_grey_levels_are_a_reason_not_a_memory_error() -> None:
    settings = Settings.model_validate({"discretisation": {"method": "FBS", "width": 0.001}})
    found = by_tag(extract(image(), block(), MM, settings))
    assert found["cm_contrast_3D_avg"].reason is Reason.TOO_MANY_LEVELS
    assert found["stat_mean"].value is not None


def test_many_levels_by_slice_are_a_reason_before_memory_is_taken() -> None:
    shape = (300, 2, 2)
    values = np.linspace(0, 1000, 1200).reshape(shape)
    settings = Settings.model_validate(
        {"discretisation": {"method": "FBS", "width": 1}, "texture": {"aggregations": ["2D_avg"]}}
    )
    found = by_tag(extract(values, np.ones(shape), MM, settings))
    assert found["cm_contrast_2D_avg"].reason is Reason.TOO_MANY_LEVELS


@pytest.mark.parametrize("factor", [1e200, -1e300])
def test_numbers_beyond_any_intensity_are_no_numbers(factor: float) -> None:
    assert_all_missing(extract(image() * factor, block(), MM, EVERYTHING), Reason.NOT_FINITE)


def test_large_numbers_are_ordinary() -> None:
    assert_defined_or_reasoned(extract(image() * 1e25, block(), MM, EVERYTHING))
    assert_defined_or_reasoned(extract(image() * 1e-25, block(), MM, EVERYTHING))


def test_opposite_infinities_are_voxels_without_a_number() -> None:
    broken = image()
    broken[3, 3, 4], broken[3, 4, 4] = np.inf, -np.inf
    assert_defined_or_reasoned(extract(broken, block(), MM, EVERYTHING))


def test_a_grid_that_does_not_fit_in_memory_is_refused_before_it_is_made() -> None:
    settings = Settings.model_validate({"interpolation": {"spacing_mm": [0.001, 0.001, 0.001]}})
    assert_all_missing(extract(image(), block(), MM, settings), Reason.TOO_LARGE)


def test_a_mask_of_any_type_is_its_non_zero_voxels() -> None:
    plain = extract(image(), block(), MM, EVERYTHING)
    for mask in (block().astype(np.uint8) * 255, block().astype(np.float64)):
        assert extract(image(), mask, MM, EVERYTHING) == plain
