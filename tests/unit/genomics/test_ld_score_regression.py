"""Heritability and genetic correlation: what was drawn, and what is not told."""

import numpy as np
import pandas as pd
import pytest

import shadowgraph as sg
from protocols.core.errors import InputError
from protocols.genomics.ld_score_regression import genetic_correlation, heritability
from protocols.genomics.summary_statistics import SummaryStatistics

V, M = 200_000, 1_000_000.0


def _drawn(
    h2: tuple[float, float], rg: float, *, seed: int, shared: float = 0.0, structure: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(2, v) z of two traits as LD scores and heritabilities make them, (2, v) people, (v,) scores."""
    rng = np.random.default_rng(seed)
    score = rng.gamma(2.0, 40.0, V) + 1
    n = np.array([np.full(V, 60_000.0), np.full(V, 40_000.0)])
    own = [structure + h * people * score / M for h, people in zip(h2, n, strict=True)]
    both = shared + rg * np.sqrt(h2[0] * h2[1]) * np.sqrt(n[0] * n[1]) * score / M
    first = np.sqrt(own[0]) * rng.standard_normal(V)
    left = own[1] - both**2 / own[0]
    return np.array([first, both / own[0] * first + np.sqrt(left) * rng.standard_normal(V)]), n, score


@pytest.mark.parametrize(("h2", "structure"), [(0.3, 1.0), (0.0, 1.0), (0.1, 1.3)])
def test_the_slope_is_the_heritability_and_the_intercept_the_structure(h2: float, structure: float) -> None:
    z, n, score = _drawn((h2, 0.2), 0.0, seed=1, structure=structure)
    found = heritability("volume", z[0], n[0], score, M)
    assert abs(found.h2 - h2) < 3 * found.se
    assert abs(found.intercept - structure) < 3 * found.intercept_se
    assert found.se < 0.02
    assert found.summary().loc["volume", "h2"] == found.h2


@pytest.mark.slow
def test_the_error_is_the_spread_over_many_scans() -> None:
    found = []
    for seed in range(40):
        z, n, score = _drawn((0.2, 0.2), 0.0, seed=100 + seed)
        found.append(heritability("volume", z[0], n[0], score, M))
    spread = np.std([one.h2 for one in found], ddof=1)
    assert np.mean([one.se for one in found]) == pytest.approx(spread, rel=0.35)  # of 40
    assert np.mean([one.h2 for one in found]) == pytest.approx(0.2, abs=4 * spread / np.sqrt(40))


@pytest.mark.slow
@pytest.mark.parametrize(("rg", "shared"), [(0.6, 0.0), (-0.4, 0.2), (0.0, 0.3)])
def test_a_genetic_correlation_is_told_from_people_in_both_scans(rg: float, shared: float) -> None:
    z, n, score = _drawn((0.3, 0.2), rg, seed=2, shared=shared)
    found = genetic_correlation(("volume", "glioma"), z, n, score, M)
    assert abs(found.rg - rg) < 3 * found.se
    assert abs(found.intercept - shared) < 3 * found.intercept_se
    assert found.se < 0.08
    assert (found.p < 1e-3) == (rg != 0)


def _scan(trait: str, z: np.ndarray, n: np.ndarray, order: np.ndarray) -> SummaryStatistics:
    names = tuple(f"{1 + i // 30_000}:{1000 + i}:C:T" for i in order.tolist())
    return SummaryStatistics(trait, names, 0.01 * z[order], np.full(V, 0.01), n[order], None, "forward")


@pytest.mark.slow
def test_scans_and_scores_meet_by_place_and_allele() -> None:
    z, n, score = _drawn((0.3, 0.2), 0.6, seed=3)
    straight = np.arange(V)
    chromosome = 1 + straight // 30_000
    scores = pd.DataFrame({"CHR": chromosome, "BP": 1000 + straight, "SNP": "rs", "L2": score})
    one = _scan("volume", z[0], n[0], straight)
    other = _scan("glioma", z[1], n[1], np.random.default_rng(0).permutation(V))
    flipped = SummaryStatistics(
        "glioma",
        tuple(":".join([*name.split(":")[:2], "T", "C"]) for name in other.variants),
        -other.beta,
        *(other.se, other.n, None, "unknown"),
    )
    found = one.genetic_correlation(flipped, scores, M)
    expected = genetic_correlation(("volume", "glioma"), z, n, score, M)
    # nine chromosomes stand in the same order by name and by number
    assert found.rg == pytest.approx(expected.rg, rel=1e-9)
    assert found.se == pytest.approx(expected.se, rel=1e-6)
    h2 = one.heritability(scores.sample(frac=1.0, random_state=1), M)
    assert h2.h2 == pytest.approx(heritability("volume", z[0], n[0], score, M).h2, rel=1e-9)
    with pytest.raises(InputError, match="no column L2"):
        one.heritability(scores.drop(columns="L2"), M)
    with pytest.raises(InputError, match="how many people"):
        SummaryStatistics("x", one.variants, one.beta, one.se, n[0] * np.nan, None, "forward").heritability(
            scores, M
        )


def test_a_part_of_the_genome_tells_no_heritability() -> None:
    table = pd.DataFrame(
        {
            "chromosome": ["1"],
            "base_pair_location": [10],
            "other_allele": ["C"],
            "effect_allele": ["T"],
            "beta": [0.1],
            "standard_error": [0.1],
            "n": [1000],
        }
    )
    scores = pd.DataFrame({"CHR": [1], "BP": [10], "L2": [3.0]})
    with pytest.raises(InputError, match="at least 200,000"):
        sg.summary_statistics("glioma", table).heritability(scores, M)
