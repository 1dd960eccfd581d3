"""Components of genotypes are those of all rows and of plink2, and take structure out of a scan."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from protocols.core.block import ArrayBlock
from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.genomics import ancestry
from protocols.genomics.ancestry import SETTLED, AncestryResult
from protocols.genomics.gwas import GwasResult
from tests.lib import gwas_oracle
from tests.lib.plink_files import needs_plink2, plink2, write_pgen
from tests.lib.studies import REQUESTER

SPEC = {"protocol": "ancestry", "variants": {"block": "snps"}, "components": 2, "max_r2": 0.3}
VARIANTS = tuple(f"{1 + j // 40}:{1_000_000 * (1 + j % 40)}:A:G" for j in range(880))


def _hospitals(seed: int, people: int = 140) -> list[AnalysisTable]:
    """Three hospitals with people of three populations in other shares, whose trait differs by population."""
    rng = np.random.default_rng(seed)
    frequency = np.clip(rng.uniform(0.2, 0.8, 880) + 0.12 * rng.standard_normal((3, 880)), 0.06, 0.94)
    tables = []
    for site, shares in enumerate(([0.7, 0.2, 0.1], [0.2, 0.6, 0.2], [0.1, 0.3, 0.6])):
        population = rng.choice(3, people, p=shares)
        copies = rng.binomial(2, frequency[population]).astype(float)
        copies[rng.random(copies.shape) < 0.01] = np.nan
        trait = np.array([0.0, 1.0, -1.0])[population] + rng.standard_normal(people)
        block = ArrayBlock(VARIANTS, copies)
        tables.append(AnalysisTable(f"s{site}", np.arange(people), {"trait": trait}, blocks={"snps": block}))
    return tables


def _study(tables: list[AnalysisTable], *specs: dict[str, object]) -> Study:
    axis = tables[0].blocks["snps"].axis.model_dump()
    return Study.model_validate(
        {
            "name": "ancestry",
            "title": "Ancestry",
            "requester": REQUESTER,
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": {"trait": {"kind": "measurement", "concept": "LOCAL:x"}},
            "blocks": {"snps": {"kind": "genotype", "variants": "listed", "axis": axis, "build": "GRCh38"}},
            "analyses": [
                {"name": f"a{i}", "spec": spec, "after": ["a0"] * (i > 0)} for i, spec in enumerate(specs)
            ],
        }
    )


def _standardized(copies: np.ndarray, found: AncestryResult) -> np.ndarray:
    z = copies[:, found.at]
    mean = np.nanmean(z, axis=0)
    return (np.where(np.isnan(z), mean, z) - mean) / np.sqrt(mean * (1 - mean / 2))


def test_components_are_those_of_all_rows_and_take_structure_out_of_a_scan() -> None:
    tables = _hospitals(3)
    scan = {"protocol": "gwas", "variants": {"block": "snps"}, "outcomes": ["trait"]}
    adjusted = {**scan, "covariates": ["ancestry1", "ancestry2"]}
    outcome = run_locally(_study(tables, SPEC, scan, adjusted), tables)
    found, before, after = (outcome[f"a{i}"] for i in range(3))
    assert isinstance(found, AncestryResult)
    z = _standardized(np.concatenate([t.blocks["snps"].columns(np.arange(880)) for t in tables]), found)
    _, singular, vectors = np.linalg.svd(z, full_matrices=False)
    assert (found.residual <= SETTLED).all()
    np.testing.assert_allclose(found.eigenvalues, singular[:2] ** 2 / len(found.at), rtol=1e-8)
    alike = np.abs((vectors[:2] * found.loadings.T).sum(axis=1))
    np.testing.assert_allclose(alike, 1.0, atol=1e-8)
    assert isinstance(before, GwasResult)
    assert isinstance(after, GwasResult)
    assert before.inflation[0] > 2
    assert 0.8 < after.inflation[0] < 1.2
    expected = z @ vectors[0] / singular[0] * np.sqrt(len(z))
    assert np.isclose(expected.std(), 1.0, atol=0.01)


@needs_plink2
@pytest.mark.parametrize("misses", [False, True])
def test_the_component_of_structure_is_that_of_plink2(misses: bool, tmp_path: Path) -> None:
    whole = gwas_oracle.pooled()
    likeliest = np.round(np.nanmean(whole.copies, axis=0))
    copies = whole.copies if misses else np.where(np.isnan(whole.copies), likeliest, whole.copies)
    spec = {**SPEC, "components": 1}
    found = run_locally(gwas_oracle.study(spec), gwas_oracle.tables(copies))["a0"]
    assert isinstance(found, AncestryResult)
    write_pgen(tmp_path / "used", found.variants, copies[:, found.at])
    plink2(tmp_path / "used", "--pca", "3")
    theirs = pd.read_csv(tmp_path / "used.eigenvec", sep=r"\s+")["PC1"]
    value = np.loadtxt(tmp_path / "used.eigenval")[0]
    alike = abs(np.corrcoef(_standardized(copies, found) @ found.loadings[:, 0], theirs)[0, 1])
    # The six digits that it prints. A missing genotype plink2 leaves out pair by pair; here it is the mean,
    # and 1.4% of them make an eigenvalue smaller by up to 1 - 0.986 ** 2.
    assert alike > (0.9999 if misses else 1 - 1e-9)
    np.testing.assert_allclose(found.eigenvalues[0], value, rtol=0.028 if misses else 1e-5)


def test_variants_in_linkage_are_left_out() -> None:
    near = tuple(f"{1 + j // 40}:{1_000_000 * (1 + j % 40 // 2) + j % 2}:A:G" for j in range(880))
    tables = []
    for table in _hospitals(3):
        twice = np.repeat(table.blocks["snps"].columns(np.arange(440)), 2, axis=1)
        blocks = {"snps": ArrayBlock(near, twice)}
        tables.append(AnalysisTable(table.site, table.persons, table.columns, blocks=blocks))
    found = run_locally(_study(tables, SPEC), tables)["a0"]
    assert isinstance(found, AncestryResult)
    assert not (found.at % 2).any()  # of each pair the first is used
    assert found.in_linkage >= 440


def test_few_people_are_asked_along_few_directions() -> None:
    tables = [t.select(np.arange(len(t)) < 6) for t in _hospitals(3)]
    found = run_locally(_study(tables, {**SPEC, "components": 8}), tables).results["a0"]
    assert isinstance(found, Failure)
    assert found.code == Code.WITHHELD


def test_a_component_of_one_person_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third component is that person's: without the rule it tells which of two alleles it is."""
    tables = _hospitals(5)
    first = tables[0]
    copies = first.blocks["snps"].columns(np.arange(880))
    has_alternate = np.nanmean(copies, axis=0) < 1
    copies[0] = np.where(has_alternate, 2.0, 0.0)
    blocks = {"snps": ArrayBlock(VARIANTS, copies)}
    tables[0] = AnalysisTable(first.site, first.persons, first.columns, blocks=blocks)
    study = _study(tables, {**SPEC, "components": 3})
    found = run_locally(study, tables).results["a0"]
    assert isinstance(found, Failure)
    assert found.code == Code.WITHHELD
    monkeypatch.setattr(ancestry, "LARGEST_SHARE", 1.0)
    open_one = run_locally(study, tables)["a0"]
    assert isinstance(open_one, AncestryResult)
    assert ((open_one.loadings[:, 2] > 0) == has_alternate[open_one.at]).mean() > 0.95
