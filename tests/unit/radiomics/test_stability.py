"""Perturbations stay small, ICC is Shrout and Fleiss's, thresholds are where the odds turn."""

import numpy as np
import pytest
from scipy.stats import norm

from site_node.features.radiomics import Settings, extract
from site_node.features.radiomics.stability import Perturbations, icc, noise_of, perturbed, robust
from site_node.features.radiomics.threshold import (
    Normal,
    bayes_threshold,
    entropy_bits,
    width_for_bits,
    width_for_nats,
)

# Shrout and Fleiss 1979, table 2: six targets, four judges; ICC(1,1) 0.17, ICC(3,1) 0.71
RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def test_icc_is_that_of_shrout_and_fleiss() -> None:
    assert icc(RATINGS) == pytest.approx(0.17, abs=0.005)
    assert icc(RATINGS, "ICC(3,1)") == pytest.approx(0.71, abs=0.005)
    assert np.isnan(icc(RATINGS[:1]))
    assert np.isnan(icc(np.ones((3, 3))))


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e-20, 12345.678, 1e6 + 0.1, 0.0])
def test_a_feature_that_is_equal_everywhere_has_no_icc(value: float) -> None:
    """Rounding of the mean alone made it 1, 0.5 or nothing."""
    rng = np.random.default_rng(0)
    for kind in ("ICC(1,1)", "ICC(3,1)"):
        assert np.isnan(icc(np.full((5, 9), value), kind))
        assert np.isnan(icc(value * (1 + 1e-14 * rng.normal(size=(5, 9))), kind))
    assert "x" not in robust({"x": np.full((5, 9), value).tolist()})


def test_an_offset_takes_no_digits_from_the_icc() -> None:
    for kind in ("ICC(1,1)", "ICC(3,1)"):
        assert icc(RATINGS + 2.0**40, kind) == pytest.approx(icc(RATINGS, kind), rel=1e-9)


def test_perturbations_change_little_and_are_all_there() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(100, 10, (12, 20, 20))
    mask = np.zeros(image.shape, dtype=bool)
    mask[3:9, 5:15, 5:15] = True
    cases = list(perturbed(image, mask, (2.0, 1.0, 1.0), Perturbations()))
    assert [case.name for case in cases] == [
        "none", "noise 1", "noise 2", "translation 0.25", "translation 0.75", "rotation -4", "rotation 4",
        "volume -10%", "volume +10%",
    ]  # fmt: skip
    for case in cases:
        assert case.mask.sum() == pytest.approx(mask.sum(), rel=0.15)
    assert noise_of(image) == pytest.approx(10, rel=0.1)


def test_noise_is_seen_beside_padding_below_a_step_and_where_the_region_is() -> None:
    rng = np.random.default_rng(3)
    image = rng.normal(100, 10, (8, 60, 60))
    mask = np.zeros(image.shape, dtype=bool)
    mask[2:6, 20:40, 20:40] = True
    padded = image.copy()
    padded[:, :, :35] = -1024.0  # more than half of the image is one value
    assert noise_of(padded) == pytest.approx(10, rel=0.1)
    for sd in (0.3, 0.6, 2.0):
        rounded = np.rint(rng.normal(100, sd, image.shape))
        assert noise_of(rounded) == pytest.approx(rounded.std(), rel=0.1)
    inside = np.where(mask, rng.normal(400, 60, image.shape), image)  # noise that grows with the signal
    assert noise_of(inside, mask) == pytest.approx(60, rel=0.1)
    assert noise_of(inside) == pytest.approx(11, rel=0.1)
    assert noise_of(np.full((3, 9, 9), 7.0)) == 0.0
    assert noise_of(np.full((3, 9, 9), 7.0), np.ones((3, 9, 9), dtype=bool)) == 0.0


def test_a_region_of_one_slice_or_one_voxel_survives_every_change() -> None:
    rng = np.random.default_rng(0)
    for shape, depth in (((1, 20, 20), 0), ((5, 20, 20), 2)):
        image = rng.normal(100, 10, shape)
        for size in (1, 8):
            mask = np.zeros(shape, dtype=bool)
            mask[depth, 6 : 6 + size, 6 : 6 + size] = True
            for case in perturbed(image, mask, (3.0, 1.0, 1.0), Perturbations()):
                assert case.mask.any(), case.name
                assert not case.mask[np.arange(shape[0]) != depth].any(), case.name


def test_robust_features_are_those_that_repeat() -> None:
    rng = np.random.default_rng(1)
    values: dict[str, list[list[float]]] = {}
    mask = np.zeros((10, 16, 16), dtype=bool)
    mask[2:8, 3:13, 3:13] = True
    for level in (20, 60, 140, 300):
        image = level + rng.normal(0, 5, mask.shape)
        repeats: dict[str, list[float]] = {}
        for case in perturbed(image, mask, (1.0, 1.0, 1.0), Perturbations(noise=1)):
            for feature in extract(case.image, case.mask, (1.0, 1.0, 1.0), Settings(families=("intensity",))):
                repeats.setdefault(feature.tag, []).append(feature.value or 0.0)
        for tag, each in repeats.items():
            values.setdefault(tag, []).append(each)
    kept = robust(values)
    assert kept["stat_mean"] > 0.99
    assert "stat_skew" not in kept


def test_the_threshold_is_where_the_odds_are_even() -> None:
    assert bayes_threshold(Normal(0, 1), Normal(4, 1), 0.5).intensity == pytest.approx(2)
    assert bayes_threshold(Normal(0, 1), Normal(4, 1), 0.2).intensity == pytest.approx(2 + np.log(4) / 4)
    # unequal spreads: the densities themselves are equal there
    background, tumour = Normal(40, 10), Normal(100, 25)
    x = bayes_threshold(background, tumour, 0.3).intensity
    odds = [
        w * np.exp(-(((x - c.mean) / c.sd) ** 2) / 2) / c.sd for w, c in ((0.7, background), (0.3, tumour))
    ]
    assert odds[0] == pytest.approx(odds[1])
    with pytest.raises(ValueError, match="purity"):
        bayes_threshold(background, tumour, 1.0)
    for lacking in (Normal(np.nan, 10), Normal(40, np.nan)):
        with pytest.raises(ValueError, match="finite"):
            bayes_threshold(lacking, tumour, 0.5)


def test_a_strong_prior_puts_the_threshold_beyond_the_means() -> None:
    """(mt + mb) / 2 + sd² / (mt - mb) log((1 - p) / p), which a threshold between the means is worse than."""
    found = bayes_threshold(Normal(0, 1), Normal(2.5, 1), 0.01)
    assert found.intensity == pytest.approx(1.25 + np.log(99) / 2.5)
    assert found.error == pytest.approx(0.00821, abs=5e-6)
    assert bayes_threshold(Normal(0, 1), Normal(1, 1), 0.999999).intensity == pytest.approx(
        -13.3155, abs=1e-4
    )


@pytest.mark.parametrize("seed", range(20))
def test_no_other_threshold_misclassifies_fewer_voxels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    background, tumour = (Normal(*rng.uniform(-50, 150, 1), *rng.uniform(5, 40, 1)) for _ in range(2))
    purity = float(rng.choice([0.01, 0.1, 0.5, 0.9, 0.99]))
    found = bayes_threshold(background, tumour, purity)
    assert found.side == ("above" if tumour.mean > background.mean else "below")
    at = np.linspace(-400, 500, 4001)
    above = [1 - norm.cdf(at, *each) for each in (background, tumour)]
    missed, wrong = (1 - above[1], above[0]) if found.side == "above" else (above[1], 1 - above[0])
    errors = purity * missed + (1 - purity) * wrong
    assert found.error <= min(errors.min(), purity, 1 - purity) + 1e-12
    assert found.error >= errors.min() - 1e-4


def test_where_one_class_everywhere_is_best_no_intensity_is_a_threshold() -> None:
    found = bayes_threshold(Normal(0, 1), Normal(0.5, 40), 0.9)
    assert found == (-np.inf, "above", pytest.approx(0.1))
    assert bayes_threshold(Normal(0.5, 40), Normal(0, 1), 0.1).intensity == -np.inf  # nothing lies below it


@pytest.mark.parametrize("bits", [1.0, 2.5, 4.0])
def test_bins_are_found_for_an_entropy(bits: float) -> None:
    x = np.random.default_rng(0).normal(0, 20, 20000)
    assert entropy_bits(x, width_for_bits(x, bits)) == pytest.approx(bits, abs=0.02)


def test_an_entropy_in_nats_is_another_number_than_in_bits() -> None:
    """exp(h - H) for a Gaussian of standard deviation 20, whose own entropy h is 4.4147 nats."""
    x = np.random.default_rng(0).normal(0, 20, 200_000)
    assert width_for_nats(x, 3.0) == pytest.approx(np.exp(4.4146708 - 3.0), rel=0.01)
    assert width_for_bits(x, 3.0) == pytest.approx(10.331828, rel=0.02)


def test_an_entropy_that_no_width_has_is_refused() -> None:
    x = np.rint(np.random.default_rng(0).normal(40, 11, 3000))  # whole HU, whose own entropy is 5.5 bits
    assert entropy_bits(x, width_for_bits(x, 5.0)) == pytest.approx(5.0, abs=0.1)
    for bits in (6.0, 7.0, 8.0):
        with pytest.raises(ValueError, match="near"):
            width_for_bits(x, bits)
    for lacking in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            width_for_bits(np.append(x, lacking), 3.0)
