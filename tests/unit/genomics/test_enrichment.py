"""Enrichment of ranked genes: the score by its literal walk, the p-value by every set there is."""

from itertools import combinations

import numpy as np
import pytest

from protocols.core.errors import SpecError
from protocols.exchange.example import run_example
from protocols.genomics.association import AssociateResult
from protocols.genomics.enrichment import enrichment, scores


def _literal(weight: np.ndarray, genes: set[int]) -> float:
    """Gene by gene, as Subramanian et al. (2005) define it."""
    total, others = sum(weight[i] for i in genes), len(weight) - len(genes)
    height, largest = 0.0, 0.0
    for i, one in enumerate(weight):
        height += one / total if i in genes else -1 / others
        largest = height if abs(height) > abs(largest) else largest
    return largest


def test_a_score_is_the_largest_deviation_of_the_walk() -> None:
    rng = np.random.default_rng(1)
    weight = np.abs(np.sort(rng.normal(size=60))[::-1])
    at = np.sort(np.array([rng.choice(60, 9, replace=False) for _ in range(40)]), axis=1)
    expected = [_literal(weight, {*row.tolist()}) for row in at]
    np.testing.assert_allclose(scores(weight, at), expected, rtol=1e-12)


def test_a_p_value_is_the_share_of_all_sets_of_that_size() -> None:
    rng = np.random.default_rng(2)
    statistic = np.sort(rng.normal(size=14))[::-1]
    names = [f"g{i}" for i in range(14)]
    chosen = {"top": [*names[:2], names[4]], "mixed": [names[1], names[6], names[12]], "low": names[10:13]}
    found = enrichment(names, statistic, chosen, permutations=20_000, fewest=3)
    every = scores(np.abs(statistic), np.array(list(combinations(range(14), 3))))
    for name, row in found.iterrows():
        alike = np.abs(every[(every >= 0) == (row["es"] >= 0)])
        exact = (alike >= abs(row["es"]) - 1e-12).mean()
        # five standard errors of 20,000 draws, of which at least a fourth have this sign
        assert row["p"] == pytest.approx(exact, abs=5 * np.sqrt(exact * (1 - exact) / 5000) + 1e-3), name
        assert row["nes"] == pytest.approx(row["es"] / alike.mean(), rel=0.03)


def test_a_planted_set_is_found_at_its_end_and_random_ones_are_not() -> None:
    rng = np.random.default_rng(3)
    statistic, names = rng.normal(size=1000), [f"g{i}" for i in range(1000)]
    statistic[:30] -= 1.2
    statistic[999] = np.nan
    sets = {f"random{j}": rng.choice(names[30:], 25, replace=False).tolist() for j in range(40)}
    found = enrichment(
        names, statistic, {"planted": names[:30], **sets, "tiny": names[:2]}, permutations=1000
    )
    assert found.index[0] == "planted"
    assert found.loc["planted", "es"] < 0
    assert found.loc["planted", "p"] < 0.005
    assert "tiny" not in found.index
    assert (found["q"].drop("planted") > 0.05).all()
    lead = found.loc["planted", "leading"]
    assert {*lead} <= {*names[:30]}
    assert statistic[names.index(lead[0])] == statistic[:30].min()
    with pytest.raises(SpecError, match="no set"):
        enrichment(names, statistic, {"tiny": names[:2]})


def test_a_scan_of_a_block_says_which_sets_its_genes_belong_to() -> None:
    found = run_example(protocol="associate", features={"block": "rna"}, outcomes=["entropy"])
    assert isinstance(found, AssociateResult)
    sets = {"cycle": ["MKI67", "TOP2A"], "vessels": ["VEGFA", "KDR"]}
    frame = found.enrichment("entropy", sets, fewest=2)
    assert frame.index[0] == "cycle"
    assert frame.loc["cycle", "es"] == pytest.approx(1.0)
    assert {*frame.loc["cycle", "leading"]} == {"MKI67", "TOP2A"}
