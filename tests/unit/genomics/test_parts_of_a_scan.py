"""A scan whose list is asked about in parts: fewer sites may say more in one round."""

import numpy as np
import pytest

from protocols.core import block
from protocols.core.block import MOST_SITES, ArrayBlock, names_at_once
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.lib.studies import a_study_of

VARIANTS = tuple(f"1:{position}:A:G" for position in range(1, 41))
SCAN = {"protocol": "gwas", "variants": {"block": "snps"}, "outcomes": ["y"], "covariates": ["x"]}


def a_site(seed: int) -> AnalysisTable:
    draw = np.random.default_rng(seed)
    copies = draw.binomial(2, 0.4, size=(90, len(VARIANTS))).astype(float)
    x = draw.normal(size=90)
    table = AnalysisTable("abc"[seed], np.arange(90) + 1000 * seed, {"x": x, "y": x + copies[:, 0]})
    return table.with_block("snps", ArrayBlock(VARIANTS, copies))


def test_the_fewer_sites_the_more_names_in_a_round() -> None:
    assert names_at_once(2) == 125_000
    assert names_at_once(2, 32) == 250_000
    assert names_at_once(2, 3) == names_at_once(2, last=True) == 1_000_000
    assert names_at_once(10**9, MOST_SITES) == 1


def test_a_list_in_parts_gives_the_same_scan_in_few_more_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [a_site(seed) for seed in range(3)]
    axis = tables[0].blocks["snps"].axis.model_dump()
    snps = {"kind": "genotype", "variants": "listed", "build": "GRCh38", "axis": axis}
    study = a_study_of(["x", "y"], {"name": "scan", "spec": SCAN}, blocks={"snps": snps})
    whole = run_locally(study, tables, secure=True)
    # 64 sites might say 5 variants of two numbers each in a round, three sites all that are left
    monkeypatch.setattr(block, "NUMBERS_IN_A_ROUND", 10)
    parts = run_locally(study, tables, secure=True)
    assert parts.rounds == whole.rounds + 1
    np.testing.assert_array_equal(parts["scan"].beta, whole["scan"].beta)
    np.testing.assert_array_equal(parts["scan"].se, whole["scan"].se)
