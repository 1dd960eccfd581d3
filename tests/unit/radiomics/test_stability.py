"""Perturbations stay small, ICC is Shrout and Fleiss's, thresholds are where the odds turn."""

import numpy as np
import pytest

from site_node.features.radiomics import Settings, extract
from site_node.features.radiomics.stability import Perturbations, icc, noise_of, perturbed, robust
from site_node.features.radiomics.threshold import Normal, bayes_threshold, entropy_of_bins, width_for_entropy

# Shrout and Fleiss 1979, table 2: six targets, four judges; ICC(1,1) 0.17, ICC(3,1) 0.71
RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def test_icc_is_that_of_shrout_and_fleiss() -> None:
    assert icc(RATINGS) == pytest.approx(0.17, abs=0.005)
    assert icc(RATINGS, "ICC(3,1)") == pytest.approx(0.71, abs=0.005)
    assert np.isnan(icc(RATINGS[:1]))
    assert np.isnan(icc(np.ones((3, 3))))


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
    assert bayes_threshold(Normal(0, 1), Normal(4, 1), 0.5) == pytest.approx(2)
    assert bayes_threshold(Normal(0, 1), Normal(4, 1), 0.2) == pytest.approx(2 + np.log(4) / 4)
    # unequal spreads: the densities themselves are equal there
    x, background, tumour = 0.0, Normal(40, 10), Normal(100, 25)
    x = bayes_threshold(background, tumour, 0.3)
    odds = [
        w * np.exp(-(((x - c.mean) / c.sd) ** 2) / 2) / c.sd for w, c in ((0.7, background), (0.3, tumour))
    ]
    assert odds[0] == pytest.approx(odds[1])
    with pytest.raises(ValueError, match="purity"):
        bayes_threshold(background, tumour, 1.0)


def test_a_threshold_stays_between_the_means() -> None:
    assert bayes_threshold(Normal(0, 1), Normal(1, 1), 0.999999) == 0
    assert bayes_threshold(Normal(0, 1), Normal(1, 1), 0.000001) == 1


@pytest.mark.parametrize("bits", [1.0, 2.5, 4.0])
def test_bins_are_found_for_an_entropy(bits: float) -> None:
    x = np.random.default_rng(0).normal(0, 20, 20000)
    assert entropy_of_bins(x, width_for_entropy(x, bits)) == pytest.approx(bits, abs=0.02)
