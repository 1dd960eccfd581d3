"""Activities of gene sets over hospitals, compared with Bioconductor GSVA 1.46 on all people together."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from protocols.core.block import ArrayBlock
from protocols.core.errors import Code, InputError
from protocols.core.gene_sets import read_gmt, with_gene_sets
from protocols.core.lockstep import Failure
from protocols.core.roles import arrays_of, transformed
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally
from protocols.genomics.pathway_scores import gsva
from protocols.genomics.pathways import PathwaysResult
from tests.lib.shared import shared
from tests.lib.studies import REQUESTER

SITES = 3
EXACT = 1e-10


def oracle() -> dict[str, Any]:
    """What GSVA gives for 400 genes of 66 people, and the sets."""
    whole: dict[str, Any] = json.loads(shared("oracles/reference/expression_give.json").read_text())
    found: dict[str, Any] = whole["gene_sets"]
    return found


@cache
def expression() -> pd.DataFrame:
    """People by genes."""
    return pd.read_csv(shared("oracles/data/expression_log.csv"), index_col=0).T


def hospitals(x: Floats, genes: tuple[str, ...]) -> list[AnalysisTable]:
    parts = np.array_split(np.arange(len(x)), SITES)
    return [
        AnalysisTable(f"s{i}", rows, {}, blocks={"rna": ArrayBlock(genes, x[rows])})
        for i, rows in enumerate(parts)
    ]


def study(genes: tuple[str, ...], sets: dict[str, list[str]], method: str, **changes: Any) -> Study:
    spec = {"protocol": "pathways", "features": {"block": "rna"}, "sets": sets, "method": method, **changes}
    return Study.model_validate(
        {
            "name": "pathways",
            "title": "Pathways",
            "requester": REQUESTER,
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": {"age": {"kind": "age"}},
            "blocks": {"rna": {"kind": "expression", "genes": genes}},
            "analyses": [{"name": "activity", "spec": spec}],
        }
    )


def activities(x: Floats, genes: tuple[str, ...], sets: dict[str, list[str]], method: str) -> Floats:
    """The (n, s) columns that the hospitals make of all their people."""
    tables = hospitals(x, genes)
    asked = study(genes, sets, method)
    found = run_locally(asked, tables)["activity"]
    assert isinstance(found, PathwaysResult)
    (analysis,) = asked.analyses
    made = [
        transformed(analysis.spec, table, np.ones(len(table), dtype=bool), arrays_of(found))
        for table in tables
    ]
    return np.concatenate([table.matrix(tuple(sets)) for table in made])


def of_the_oracle(key: str, sets: dict[str, list[str]]) -> Floats:
    return np.array([oracle()[key][name.upper()] for name in sets]).T


def their_sets() -> dict[str, list[str]]:
    return {name.lower(): genes for name, genes in oracle()["gene_sets"].items()}


@pytest.mark.parametrize(
    ("method", "key"), [("ssgsea", "ssgsea_raw"), ("zscore", "zscore"), ("plage", "plage")]
)
def test_activities_are_those_of_gsva_to_rounding(method: str, key: str) -> None:
    x, sets = expression(), their_sets()
    if method == "plage":  # a matrix of more than 0.33 genes a person does not leave
        sets = {name: genes for name, genes in sets.items() if len(genes) < 0.33 * len(x)}
    found, expected = activities(x.to_numpy(), tuple(x.columns), sets, method), of_the_oracle(key, sets)
    if method == "plage":  # up to its sign
        expected = expected * np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected, rtol=EXACT, atol=EXACT)


def test_gsva_is_as_near_as_is_said() -> None:
    """66 people are few for steps of five people a site: see the docstring for 300."""
    x, sets = expression(), their_sets()
    found, expected = (
        activities(x.to_numpy(), tuple(x.columns), sets, "gsva"),
        of_the_oracle("gsva_gaussian", sets),
    )
    assert min(np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, expected.T, strict=True)) > 0.95
    # a place is off by at most 2.5 people a site, and 0.008
    assert np.abs(found - expected).max() < 2 * (2.5 * SITES / len(x) + 0.008)


def test_gsva_of_300_people_goes_with_that_of_all_rows() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 100))
    x[:, :20] += rng.normal(size=(300, 1))
    genes = tuple(f"G{j}" for j in range(100))
    sets = {"active": list(genes[:20]), "still": list(genes[30:70])}
    z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    exact = gsva(
        np.array([ndtr((one[:, None] - one) * 4).mean(axis=1) for one in z.T]).T,
        np.array([np.isin(genes, members) for members in sets.values()]).T,
    )
    found = activities(x, genes, sets, "gsva")
    assert min(np.corrcoef(a, b)[0, 1] for a, b in zip(found.T, exact.T, strict=True)) > 0.995


def test_the_largest_number_of_a_gene_is_nobodys() -> None:
    """Whoever is far out does not change what leaves of the grid, by more than a step of five people."""
    rng = np.random.default_rng(5)
    x, genes = rng.normal(size=(120, 30)), tuple(f"G{j}" for j in range(30))
    asked = study(genes, {"some": list(genes[:5])}, "gsva")
    found = run_locally(asked, hospitals(x, genes))["activity"]
    assert isinstance(found, PathwaysResult)
    counts = found.below * found.n
    np.testing.assert_allclose(counts, 5 * np.round(counts / 5), atol=1e-9)
    assert (np.diff(found.below, axis=1) >= 0).all()


def test_people_without_enough_genes_have_no_activity_and_a_missing_number_is_the_mean() -> None:
    x = expression().to_numpy().copy()
    x[0, :200], x[1, 3] = np.nan, np.nan
    genes = tuple(expression().columns)
    found = activities(x, genes, their_sets(), "zscore")
    assert np.isnan(found[0]).all()
    assert not np.isnan(found[1:]).any()


def test_sets_that_are_unknown_or_wide_or_the_whole_block_are_refused() -> None:
    x, genes = expression().to_numpy()[:24, :10], tuple(expression().columns[:10])
    for sets, method, code in (
        ({"wide": list(genes[:9])}, "plage", Code.WITHHELD),
        ({"unknown": ["NOT1", "NOT2", genes[0]]}, "zscore", Code.UNKNOWN_VARIABLE),
        ({"whole": list(genes)}, "ssgsea", Code.RANK_DEFICIENT),
    ):
        failed = run_locally(study(genes, sets, method), hospitals(x, genes)).results["activity"]
        assert isinstance(failed, Failure)
        assert failed.code == code


def _gmt(folder: Path, *, without: tuple[int, ...]) -> Path:
    lines = shared("oracles/data/gene_sets.gmt").read_text().split("\n")
    path = folder / "sets.gmt"
    path.write_text(
        "\n".join("" if number in without else line for number, line in enumerate(lines, start=1))
    )
    return path


def test_a_file_of_gene_sets_is_read_as_gseapy_reads_its_good_lines(tmp_path: Path) -> None:
    expected = json.loads(shared("oracles/reference/gmt_give.json").read_text())
    found = read_gmt(_gmt(tmp_path, without=(8, 10)))
    sizes = {name: told["genes"] for name, told in expected["expected"].items() if isinstance(told, dict)}
    assert {name: len(genes) for name, genes in found.items()} == sizes
    assert sorted(found["SET_C"]) == expected["sorted_genes_SET_C"]


@pytest.mark.parametrize(("without", "told"), [((10,), r"without genes \(8\)"), ((8,), "line 10")])
def test_a_line_that_is_no_set_is_named(without: tuple[int, ...], told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        read_gmt(_gmt(tmp_path, without=without))


def test_a_study_takes_sets_from_a_file_beside_it(tmp_path: Path) -> None:
    path = _gmt(tmp_path, without=(8, 10))
    asked = {"protocol": "pathways", "sets": {"file": path.name, "only": ["SET_A", "SET_D_OVERLAP"]}}
    (found,) = with_gene_sets([{"name": "a", "spec": asked}], tmp_path)
    assert list(found["spec"]["sets"]) == ["set_a", "set_d_overlap"]
    with pytest.raises(InputError, match="no set NONE"):
        with_gene_sets([{"spec": {"sets": {"file": path.name, "only": ["NONE"]}}}], tmp_path)
