"""Circular binary segmentation: the exact search, the false positives, and steps that it must find."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from site_node.features.genomics.segmentation import Segmentation, means, segment
from site_node.features.genomics.segmentation_kernels import arcs_by_chance, largest_arc


def by_definition(values: np.ndarray, least: int) -> tuple[float, int, int]:
    """The largest arc, from Olshen's Z of every pair: equation in section 3.2 squared."""
    n, best = len(values), (0.0, -1, -1)
    for i in range(n + 1):
        for j in range(i + least, min(n, i + n - least) + 1):
            inside, outside = values[i:j], np.concatenate([values[:i], values[j:]])
            z = (inside.mean() - outside.mean()) / np.sqrt(1 / len(inside) + 1 / len(outside))
            best = max(best, (z * z, i, j))
    return best


@pytest.mark.parametrize("n", [4, 5, 17, 64, 120])
@pytest.mark.parametrize("least", [1, 2])
def test_the_pruned_search_finds_the_arc_of_the_definition(n: int, least: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    sums = np.concatenate([[0.0], np.cumsum(values - values.mean())])
    sums[-1] = 0.0
    statistic, i, j = largest_arc(sums, least, 0.0, False)
    expected = by_definition(values, least)
    assert statistic == pytest.approx(expected[0], rel=1e-9)
    # an arc and its complement on the circle are one
    assert {i % n, j % n} == {expected[1] % n, expected[2] % n}


@pytest.mark.slow
def test_chance_reaches_the_arc_as_often_as_a_full_search_says() -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(size=40)
    values -= values.mean()
    reached = arcs_by_chance(values, 2, 7.0, 2000, 2000, 1)
    full = 0
    for _ in range(2000):
        sums = np.concatenate([[0.0], np.cumsum(rng.permutation(values))])
        sums[-1] = 0.0
        full += largest_arc(sums, 2, 0.0, False)[0] >= 7.0
    # two estimates of one probability, from 2,000 draws each: within four standard errors
    p = (reached + full) / 4000
    assert abs(reached - full) / 2000 < 4 * np.sqrt(2 * p * (1 - p) / 2000)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(40, 160), min_size=1, max_size=5),
    levels=st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.6, 1.2]), min_size=5, max_size=5),
    seed=st.integers(0, 2**16),
)
def test_steps_of_three_deviations_are_found_within_two_markers(
    lengths: list[int], levels: list[float], seed: int
) -> None:
    noise = np.random.default_rng(seed).normal(scale=0.15, size=sum(lengths))
    truth = np.repeat(levels[: len(lengths)], lengths)
    found = segment(noise + truth)
    changes = np.flatnonzero(np.diff(truth)) + 1
    for change in changes:
        assert np.abs(found - change).min() <= 2
    # alpha is 0.01 a test: more than two changes that are none would be a fault
    assert len(found) - 2 <= len(changes) + 2
    assert found[0] == 0
    assert found[-1] == len(truth)


@pytest.mark.slow
def test_of_pure_noise_one_in_a_hundred_is_split() -> None:
    rng = np.random.default_rng(11)
    split = sum(len(segment(rng.normal(size=100))) > 2 for _ in range(300))
    assert split <= 9  # binomial(300, 0.01) is above 9 with p < 0.002


def test_shift_and_scale_change_nothing_and_the_seed_decides_the_rest() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=200) + np.repeat([0.0, 2.0], 100)
    np.testing.assert_array_equal(segment(values), segment(5.0 + 0.01 * values))
    np.testing.assert_array_equal(segment(values), segment(values))


@pytest.mark.parametrize("values", [[], [0.3], [1.0] * 50, [0.0, 1.0, 0.0]])
def test_what_cannot_be_split_is_one_segment(values: list[float]) -> None:
    ends = segment(np.array(values))
    assert ends.tolist() == sorted({0, len(values)})


def test_a_change_near_the_end_is_one_change_and_not_two() -> None:
    values = np.random.default_rng(5).normal(scale=0.1, size=300)
    values[280:] += 1.0
    ends = segment(values)
    assert ends.tolist() == [0, 280, 300]
    assert means(values, ends)[1] == pytest.approx(1.0, abs=0.1)


def test_too_few_draws_for_alpha_are_refused() -> None:
    with pytest.raises(ValueError, match="so few draws"):
        Segmentation(alpha=0.001, draws=99)
