"""Linkage of variants: which pairs are asked, what leaves of them, clumps, and what an intercept tells."""

import json

import numpy as np
import pytest
from scipy.stats import chi2

from protocols.core.block import ArrayBlock
from protocols.core.errors import InputError, SpecError
from protocols.core.figure import Figure
from protocols.exchange.local import run_locally
from protocols.genomics.block_scan import Scan
from protocols.genomics.gwas import GwasResult
from protocols.genomics.linkage import Places, Wanted, clumped, linked, r_squared, score_intercept, wanted
from tests.lib import gwas_oracle

SCAN = {
    "protocol": "gwas",
    "variants": {"block": "snps"},
    "outcomes": ["qt"],
    "covariates": ["age", "sexcov"],
}


def _scan(copies: np.ndarray) -> Scan:
    nothing = np.zeros((len(copies), 0))
    return Scan(nothing, nothing, ArrayBlock([f"v{j}" for j in range(copies.shape[1])], copies), "common")


def _indices(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def test_a_pair_that_one_person_carries_looks_like_one_that_nobody_does() -> None:
    copies = np.zeros((100, 3))
    copies[:10, 0], copies[9:19, 1], copies[20:30, 2] = 1, 1, 1
    told = linked(_scan(copies), np.arange(3), copies.mean(axis=0), _indices(0, 0), _indices(1, 2))
    assert told["together"].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(told["square"], 9.0)


def test_a_pair_outside_of_the_question_is_refused() -> None:
    with pytest.raises(SpecError):
        linked(_scan(np.zeros((20, 2))), np.arange(2), np.zeros(2), _indices(0), _indices(2))


def test_pairs_are_those_within_loci_and_of_neighbours_on_one_chromosome() -> None:
    places = Places(_indices(1, 1, 1, 2), _indices(100, 300_000, 2_000_000, 150))
    pairs = wanted(np.full((4, 1), 0.5), places, 5e-8, 1e-4)
    assert list(zip(pairs.first, pairs.second, strict=True)) == [(0, 1)]
    near = Places(_indices(1, 1, 1, 2), _indices(100, 200_000, 900_000, 150))
    pairs = wanted(np.array([[1e-9], [1e-5], [0.5], [1e-10]]), near, 5e-8, 1e-4)
    assert list(zip(pairs.first, pairs.second, strict=True)) == [(0, 1), (0, 2), (1, 2)]


def test_clumps_begin_with_the_strongest_and_take_what_is_in_linkage_with_it() -> None:
    p = np.array([1e-9, 1e-12, 1e-6, 1e-10])
    lead = clumped(p, _indices(0, 1, 0), _indices(1, 2, 3), np.array([0.9, 0.6, 0.1]), 5e-8, 0.5)
    assert lead.tolist() == [1, 1, 1, 3]


@pytest.mark.parametrize(("structure", "slope"), [(2.0, 0.0), (1.0, 1.5)])
def test_the_intercept_tells_structure_from_many_small_effects(structure: float, slope: float) -> None:
    rng = np.random.default_rng(4)
    first, second = np.arange(0, 2000, 2), np.arange(1, 2000, 2)
    r2 = rng.random(1000)
    score = np.ones(2000)
    score[first] += r2
    score[second] += r2
    statistic = (structure + slope * (score - score.min())) * rng.standard_normal(2000) ** 2
    asked = Wanted(first, second, np.arange(2000), np.ones(1000, dtype=bool))
    intercept, se = score_intercept(chi2.sf(statistic, 1), asked, r2, 1_000_000)
    expected = structure - slope * score.min()
    assert abs(intercept - expected) < 3 * se
    assert se < 0.5


def test_linkage_is_that_of_plink() -> None:
    whole = gwas_oracle.pooled()
    pairs = json.loads(gwas_oracle.reference("_plink.json").read_text())["ld_r2"]["pairs"]
    assert len(pairs) > 10
    first, second = (np.array([whole.ids.index(pair[i]) for pair in pairs]) for i in (0, 1))
    at, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    a, b = np.split(places, 2)
    mean = np.nanmean(whole.copies[:, at], axis=0)
    parts = [
        linked(_scan(t.blocks["snps"].columns(at)), np.arange(len(at)), mean, a, b)
        for t in gwas_oracle.tables()
    ]
    square, together = (sum(part[name] for part in parts) for name in ("square", "together"))
    mine = r_squared(square, together, a, b)
    # each of four sites rounds by 2.5 people at most; PLINK leaves out who misses one of both, here the mean
    theirs = np.array([r2 for _, _, r2 in pairs])
    off = 4 * 2.5 / np.sqrt(square[a] * square[b])
    assert (np.abs(mine - theirs) <= 2 * np.sqrt(theirs) * off + off**2 + 0.01).all()
    assert np.mean(np.abs(mine - theirs) < 0.04) > 0.95


def test_a_scan_that_asks_for_linkage_has_clumps_and_draws_a_region() -> None:
    found = run_locally(gwas_oracle.study({**SCAN, "linkage": True}), gwas_oracle.tables())["a0"]
    assert isinstance(found, GwasResult)
    assert found.clumps()["variant"][0] == found.loci()["variant"][0]
    assert found.score_intercept[0] > 1
    figure = found.figure()
    assert isinstance(figure, Figure)
    assert len(figure.panels) == 3


def test_a_scan_that_did_not_ask_has_no_clumps() -> None:
    found = run_locally(gwas_oracle.study(SCAN), gwas_oracle.tables())["a0"]
    assert isinstance(found, GwasResult)
    with pytest.raises(InputError):
        found.clumps()
    assert np.isnan(found.score_intercept).all()
