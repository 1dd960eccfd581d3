"""Within-lesion standardisation takes the intensity scale out of every texture feature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from site_node.features.radiomics import Reason, Settings, extract
from site_node.features.radiomics.intensity import WITHOUT_SCALE
from site_node.features.radiomics.presets import preset

MM = (1.0, 1.0, 1.0)
BY_SIZE = {
    "standardise": True,
    "discretisation": {"method": "FBS", "width": 0.25, "start": -8},
    "families": ["histogram", "glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm"],
}


RESPONSES = ["intensity", "histogram", "glcm", "glszm"]


def texture(image: np.ndarray, standardise: bool = True) -> dict[str, float | None]:  # type: ignore[type-arg]
    mask = np.ones(image.shape, dtype=bool)
    chosen = Settings.model_validate(BY_SIZE | {"standardise": standardise})
    return {feature.tag: feature.value for feature in extract(image, mask, MM, chosen)}


# powers of two and integers: the change is exact, so that no voxel crosses the edge of a bin by rounding
@settings(max_examples=25)
@given(st.integers(-6, 6), st.integers(-512, 512), st.integers(0, 2**16))
def test_texture_is_invariant_to_affine_changes_of_intensity(exponent: int, shift: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 1024, (4, 5, 6)).astype(np.float64)
    before, after = texture(image), texture(image * 2.0**exponent + shift)
    assert before.keys() == after.keys()
    for tag, value in before.items():
        assert after[tag] == pytest.approx(value, rel=1e-9, abs=1e-12)


INTENSITIES = {  # of a lesion, in the unit of its modality
    "CT": lambda rng, shape: rng.normal(40, 60, shape),
    "MR": lambda rng, shape: rng.gamma(2, 200, shape),
    "PT": lambda rng, shape: rng.gamma(1.5, 2, shape) - 0.5,
}


@pytest.mark.parametrize("modality", INTENSITIES)
@settings(max_examples=8)
@given(gain=st.floats(0.01, 100), offset=st.floats(-1000, 1000), seed=st.integers(0, 2**16))
def test_so_it_is_in_every_modality_after_interpolation_and_outliers(
    modality: str, gain: float, offset: float, seed: int
) -> None:
    """The whole processing of the preset for MR, whatever a scanner's gain and offset are."""
    image = INTENSITIES[modality](np.random.default_rng(seed), (4, 6, 7))
    chosen = preset("mr").model_copy(update={"families": Settings.model_validate(BY_SIZE).families})
    before, after = (
        {f.tag: f.value for f in extract(x, np.ones(x.shape, dtype=bool), (2.0, 1.0, 1.0), chosen)}
        for x in (image, gain * image + offset)
    )
    assert before.keys() == after.keys()
    for tag, value in before.items():
        assert after[tag] == pytest.approx(value, rel=1e-9, abs=1e-12), tag


FILTERS = [
    {"filter": "LoG", "sigma_mm": 2},
    {"filter": "wavelet", "band": "HHL"},
    {"filter": "wavelet", "band": "LLL"},
    {"filter": "wavelet", "band": "LLH", "pooling": "max"},
    {"filter": "Laws", "kernels": "L5E5E5"},
    {"filter": "mean", "support": 3},
    {"filter": "Simoncelli"},
    {"filter": "RieszLoG", "laplacian": {"sigma_mm": 2}},
]


def test_so_it_is_in_filtered_images() -> None:
    """In single precision an offset of 1024 moved skewness by 8 % and size zones by 0.7 %."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(5).normal(20, 60, (12, 20, 20)), 1)
    image, mask = np.round(smooth, 3), np.zeros(smooth.shape, dtype=bool)
    mask[3:9, 4:15, 4:15] = True
    chosen = Settings.model_validate({**BY_SIZE, "filters": FILTERS, "responses": {"families": RESPONSES}})
    before = extract(image, mask, MM, chosen)
    for after in (extract(0.5 * image + offset, mask, MM, chosen) for offset in (1024, -1e6)):
        for one, other in zip(before, after, strict=True):
            expected = None if one.value is None else pytest.approx(one.value, rel=1e-6, abs=1e-7)
            assert other.value == expected, (one.image, one.tag)


def test_what_standardisation_sets_is_missing_and_not_rounding() -> None:
    """A coefficient of variation around mean 0 was ±8e14 and more, with a sign that rounding drew."""
    image = np.random.default_rng(3).gamma(2, 200, (6, 7, 8))
    chosen = preset("mr").model_copy(update={"families": ("intensity",)})
    found = {f.tag: f for f in extract(image, np.ones(image.shape, dtype=bool), MM, chosen)}
    set_by_it = {tag for tag, feature in found.items() if feature.value is None}
    assert set_by_it == set(WITHOUT_SCALE)
    assert {found[tag].reason for tag in set_by_it} == {Reason.STANDARDISED}


def test_a_spread_around_a_mean_that_is_zero_but_for_rounding_is_undefined() -> None:
    image = np.array([0.1, 0.2, -0.3] * 9).reshape(3, 3, 3)
    assert image.mean() != 0
    found = {f.tag: f for f in extract(image, np.ones(image.shape, dtype=bool), MM, Settings())}
    assert found["stat_cov"].reason is Reason.UNDEFINED
    assert found["stat_mean"].value is not None


def test_without_it_texture_follows_the_scale() -> None:
    image = np.random.default_rng(1).integers(-30, 30, (4, 5, 6)) / 8.0
    plain, scaled = texture(image, False), texture(image * 2, False)
    assert plain["cm_contrast_3D_avg"] != pytest.approx(scaled["cm_contrast_3D_avg"], rel=0.1)


def test_filtered_images_are_not_blind_to_scale_but_their_texture_is() -> None:
    image = np.random.default_rng(2).integers(0, 256, (6, 7, 8)).astype(np.float64)
    mask = np.ones(image.shape, dtype=bool)
    chosen = Settings.model_validate({"filters": [{"filter": "LoG", "sigma_mm": 1}]})
    one, two = (
        {f.tag: f.value for f in extract(factor * image, mask, MM, chosen) if f.image != "original"}
        for factor in (1, 2)
    )
    assert two["stat_max"] == pytest.approx(2 * (one["stat_max"] or 0))
    assert two["cm_contrast_3D_avg"] == pytest.approx(one["cm_contrast_3D_avg"])
