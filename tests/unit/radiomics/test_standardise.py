"""Within-lesion standardisation takes the intensity scale out of every texture feature."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from site_node.features.radiomics import Settings, extract
from site_node.features.radiomics.presets import preset

MM = (1.0, 1.0, 1.0)
BY_SIZE = {
    "standardise": True,
    "discretisation": {"method": "FBS", "width": 0.25, "start": -8},
    "families": ["histogram", "glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm"],
}


def texture(image: np.ndarray, standardise: bool = True) -> dict[str, float | None]:  # type: ignore[type-arg]
    mask = np.ones(image.shape, dtype=bool)
    chosen = Settings.model_validate(BY_SIZE | {"standardise": standardise})
    return {feature.tag: feature.value for feature in extract(image, mask, MM, chosen)}


# powers of two and integers: the change is exact, so that no voxel crosses the edge of a bin by rounding
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
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
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
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
