"""ComBat of a block: what the listed features give, in chunks, and what becomes of names a batch lacks."""

from typing import Any

import numpy as np
import pytest

from protocols.core import block
from protocols.core.axis import FromBlock
from protocols.core.errors import Code, StudyError
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.preparation.combat import Combat, CombatSpec
from tests.lib.agreement import differences
from tests.lib.blocks import expression, genes, listed, study_of_block, with_block
from tests.lib.studies import a_study_of

G = 12
OTHERS = ("age", "mutated", "volume")
VARIABLES = {
    **{n: {"kind": "measurement", "concept": f"LOCAL:{n}"} for n in (*listed(G), *OTHERS)},
    "scanner": {"kind": "scanner", "modality": "MR"},
}
BY_SCANNER = {"batch": "scanner", "covariates": ["age"]}
HOWS = [
    BY_SCANNER,
    {"covariates": ["age", "mutated"], "method": "non_parametric"},
    {"batch": "scanner", "method": "mean_only"},
    {"batch": "scanner", "method": "no_eb"},
]


def combat(**how: Any) -> dict[str, Any]:
    return {"name": "harmonized", "spec": {"protocol": "combat", **how}}


def scan(**how: Any) -> dict[str, Any]:
    spec = {"protocol": "associate", "outcomes": ["volume"], "confounders": ["age"], **how}
    return {"name": "scan", "after": ["harmonized"], "spec": spec}


def block_study(*analyses: dict[str, Any]) -> Study:
    return study_of_block(G, OTHERS, *analyses, variables=VARIABLES)


def of_block(tables: list[AnalysisTable], *analyses: dict[str, Any], secure: bool = False) -> Outcome:
    return run_locally(block_study(*analyses), [with_block(t, listed(G)) for t in tables], secure=secure)


def of_variables(tables: list[AnalysisTable], *analyses: dict[str, Any], secure: bool = False) -> Outcome:
    return run_locally(a_study_of((), *analyses, variables=VARIABLES), tables, secure=secure)


def adjusted(tables: list[AnalysisTable], outcome: Outcome, how: dict[str, Any]) -> Floats:
    """The (n, g) harmonized block of all sites."""
    axis = with_block(tables[0], listed(G)).blocks["rna"].axis
    spec = CombatSpec.model_validate({"features": FromBlock(block="rna", axis=axis), **how})
    arrays = outcome["harmonized"].transform_arrays()
    parts = []
    for table in tables:
        changed = Combat().transform(
            spec, with_block(table, listed(G)), np.ones(len(table), dtype=bool), **arrays
        )
        parts.append(changed.blocks["rna"].columns(np.arange(G)))
    return np.concatenate(parts)


def listed_adjusted(tables: list[AnalysisTable], outcome: Outcome, how: dict[str, Any]) -> Floats:
    spec = CombatSpec.model_validate({"features": listed(G), **how})
    arrays = outcome["harmonized"].transform_arrays()
    everybody = [np.ones(len(table), dtype=bool) for table in tables]
    found = [Combat().transform(spec, t, e, **arrays) for t, e in zip(tables, everybody, strict=True)]
    return np.concatenate([t.matrix(listed(G)) for t in found])


@pytest.mark.parametrize("how", HOWS)
def test_a_block_is_harmonized_as_the_listed_features(how: dict[str, Any]) -> None:
    tables = expression((60, 40, 80), G)
    found = of_block(tables, combat(features={"block": "rna"}, **how))
    plain = of_variables(tables, combat(features=listed(G), **how))
    assert max(differences(found["harmonized"], plain["harmonized"], ("features",)).values()) < 1e-12
    np.testing.assert_allclose(
        adjusted(tables, found, how), listed_adjusted(tables, plain, how), rtol=1e-12, atol=1e-12
    )


def test_a_scan_after_it_is_that_of_the_harmonized_features() -> None:
    """1e-10: questions carry the harmonization with 12 digits."""
    tables = expression((60, 40, 80), G)
    by_block, by_name = {"features": {"block": "rna"}}, {"features": listed(G)}
    found = of_block(tables, combat(**by_block, **BY_SCANNER), scan(**by_block))
    plain = of_variables(tables, combat(**by_name, **BY_SCANNER), scan(**by_name))
    skip = ("features", "untested", "evaluations")
    assert max(differences(found["scan"], plain["scan"], skip).values()) < 1e-10


def test_chunks_and_secure_sums_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = expression((60, 40, 80), G)
    analyses = combat(features={"block": "rna"}, **BY_SCANNER), scan(features={"block": "rna"})
    whole = of_block(tables, *analyses)
    monkeypatch.setattr(block, "NUMBERS_IN_A_ROUND", 40)
    monkeypatch.setattr(block, "NUMBERS_AT_ONCE", 200)
    parts = of_block(tables, *analyses, secure=True)
    assert parts.rounds > whole.rounds + 3
    for name, exact in (("harmonized", 1e-9), ("scan", 1e-8)):
        assert max(differences(parts[name], whole[name]).values()) < exact, name


def without(tables: list[AnalysisTable], gene: str, site: int, people: np.ndarray) -> None:
    column = tables[site].columns[gene]
    tables[site] = tables[site].with_columns({gene: np.where(people, np.nan, column)})


def test_a_name_that_a_batch_lacks_is_left_out_and_the_others_are_not_touched() -> None:
    tables = expression((60, 40, 80), G)
    found = of_block(tables, combat(features={"block": "rna"}, **BY_SCANNER))
    without(tables, "gene3", 1, np.arange(40) % 2 == 0)  # one of its scanners
    still = [t.with_columns({"gene5": np.full(len(t), 7.0)}) for t in tables]
    lacking = of_block(
        still, combat(features={"block": "rna"}, **BY_SCANNER), scan(features={"block": "rna"})
    )
    kept = [j for j in range(G) if j not in (3, 5)]
    result = lacking["harmonized"]
    assert np.isnan(result.variance[[3, 5]]).all()
    np.testing.assert_allclose(result.variance[kept], found["harmonized"].variance[kept], rtol=1e-12)
    assert np.isnan(adjusted(still, lacking, BY_SCANNER)[:, [3, 5]]).all()
    assert set(lacking["scan"].untested) == {"rna:GENE3", "rna:GENE5"}
    assert lacking["scan"].tests == G - 2


def test_a_few_missing_numbers_stay_missing_and_hardly_move_the_rest() -> None:
    tables = expression((300, 400, 350), G)
    how = {"features": {"block": "rna"}, **BY_SCANNER}
    whole = of_block(tables, combat(**how))
    full = adjusted(tables, whole, BY_SCANNER)
    rng = np.random.default_rng(5)
    for site, table in enumerate(tables):
        for gene in listed(G):
            without(tables, gene, site, rng.random(len(table)) < 0.05)
    part = of_block(tables, combat(**how))
    found = adjusted(tables, part, BY_SCANNER)
    missing = np.isnan(np.concatenate([t.matrix(listed(G)) for t in tables]))
    assert np.array_equal(np.isnan(found), missing)
    assert part["harmonized"].n == whole["harmonized"].n
    np.testing.assert_allclose(part["harmonized"].variance, whole["harmonized"].variance, rtol=0.1)
    apart = np.abs(found - full) / full.std(axis=0)
    assert np.nanmax(apart) < 0.2


def test_people_of_small_batches_and_without_covariates_are_missing() -> None:
    tables = expression((60, 40, 80), G)
    labels = tables[0].labels["scanner"].copy()
    labels[:3] = "rare"
    tables[0] = AnalysisTable("a", tables[0].persons, tables[0].columns, {"scanner": labels})
    tables[1] = tables[1].with_columns({"age": np.where(np.arange(40) < 4, np.nan, tables[1].columns["age"])})
    how = {"features": {"block": "rna"}, **BY_SCANNER}
    found = of_block(tables, combat(**how), scan(features={"block": "rna"}))
    plain = of_variables(tables, combat(features=listed(G), **BY_SCANNER), scan(features=listed(G)))
    assert found["harmonized"].left_out == 3
    assert found["scan"].n == plain["scan"].n == 173
    gone = np.isnan(adjusted(tables, found, BY_SCANNER)).all(axis=1)
    assert np.flatnonzero(gone).tolist() == [0, 1, 2, 60, 61, 62, 63]


def test_a_block_of_which_nothing_is_left_is_an_error_with_a_way_out() -> None:
    tables = [t.with_columns({g: np.ones(len(t)) for g in listed(G)}) for t in expression((60, 40, 80), G)]
    with pytest.raises(StudyError, match="fewer names vary") as raised:
        _ = of_block(tables, combat(features={"block": "rna"}))["harmonized"]
    assert raised.value.code is Code.RANK_DEFICIENT


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"protocol": "combat", "reference_site": "a"}, "without a `reference_site`"),
        ({"protocol": "covbat"}, "products of all features"),
    ],
)
def test_what_a_block_cannot_do_is_told_when_the_study_is_parsed(spec: dict[str, Any], fault: str) -> None:
    features = {"features": {"block": "rna"}}
    whole = {**spec, **features} if spec["protocol"] == "combat" else {**spec, "combat": features}
    with pytest.raises(ValueError, match=fault):
        block_study({"name": "harmonized", "spec": whole})


def test_the_names_are_those_of_the_axis() -> None:
    found = of_block(expression((60, 40, 80), G), combat(features={"block": "rna"}))
    assert found["harmonized"].features == tuple(f"rna:{name}" for name in genes(G))
