"""Colocalisation: all configurations one by one, and what was planted in a region."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from protocols.core.errors import InputError
from protocols.genomics.colocalisation import HYPOTHESES, colocalisation
from protocols.genomics.summary_statistics import SummaryStatistics

NAMES = [f"6:{100 + place}:A:G" for place in range(7)]


def test_the_probabilities_are_those_of_all_configurations_one_by_one() -> None:
    rng = np.random.default_rng(5)
    effect, other = rng.normal(0, 0.2, 7), rng.normal(0, 0.2, 7)
    se, other_se = rng.uniform(0.03, 0.08, 7), rng.uniform(0.03, 0.08, 7)
    p1, p2, p12 = 1e-3, 2e-3, 5e-4

    def factor(b: float, s: float, spread: float) -> float:
        alone = stats.norm.pdf(b, 0, np.hypot(s, spread)) / stats.norm.pdf(b, 0, s)
        return float(alone)

    weight = np.zeros(5)
    for i, j in product([None, *range(7)], repeat=2):
        likely = 1.0
        likely *= 1.0 if i is None else factor(effect[i], se[i], 0.15)
        likely *= 1.0 if j is None else factor(other[j], other_se[j], 0.2)
        kind = 0 if i is None and j is None else 1 if j is None else 2 if i is None else 4 if i == j else 3
        weight[kind] += likely * (1.0, p1, p2, p1 * p2, p12)[kind]
    found = colocalisation("x", "y", NAMES, (effect, se, 0.15), (other, other_se, 0.2), p1=p1, p2=p2, p12=p12)
    np.testing.assert_allclose(found.probability, weight / weight.sum(), rtol=1e-10)
    assert found.shared.sum() == pytest.approx(1.0)


def _scan(
    trait: str, causal: int, linked: np.ndarray, seed: int, prior: float | None = 0.15
) -> SummaryStatistics:
    """Effects of a region of which one variant is causal, seen through its linkage with the others."""
    rng = np.random.default_rng(seed)
    beta = 0.4 * linked[causal] + np.linalg.cholesky(linked + 1e-9 * np.eye(7)) @ rng.normal(0, 0.05, 7)
    return SummaryStatistics(
        trait, tuple(NAMES), beta, np.full(7, 0.05), np.full(7, 1000.0), prior, "forward"
    )


def test_a_shared_variant_is_told_from_two_in_linkage() -> None:
    linked = 0.6 ** np.abs(np.subtract.outer(np.arange(7), np.arange(7)))
    one = _scan("volume", 2, linked, 1)
    same = one.shares_cause_with(_scan("ki67", 2, linked, 2), "6:100-106")
    assert same.summary()["probability"].idxmax() == HYPOTHESES[4]
    assert same.by_variant().index[0] == NAMES[2]
    assert bool(same.by_variant()["credible"].iloc[0])
    apart = one.shares_cause_with(_scan("ki67", 5, linked, 2), "chr6:100-106")
    assert apart.summary()["probability"].idxmax() == HYPOTHESES[3]
    assert "volume (first)" in same.figure().caption


def test_a_region_without_a_spread_of_effects_or_without_variants_is_refused() -> None:
    linked = np.eye(7)
    one, other = _scan("volume", 2, linked, 1), _scan("ki67", 2, linked, 2, prior=None)
    with pytest.raises(InputError, match="how large"):
        one.shares_cause_with(other, "6:100-106")
    with pytest.raises(InputError, match="no variant"):
        one.shares_cause_with(one, "7:100-106")
    with pytest.raises(InputError, match="CHROMOSOME:FROM-TO"):
        one.shares_cause_with(one, "6:100")
