"""Sets of rare variants: what few carry is collapsed, no pair is seen, what was planted is found."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.core.block import ArrayBlock
from protocols.core.errors import SiteError
from protocols.core.figure import NoFigure
from protocols.core.protocol import parse_spec
from protocols.core.secret import Turn
from protocols.core.study import Study, read_study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import conduct
from protocols.genomics.kernel_tests import acat, set_tests
from protocols.genomics.rare_variants import RareVariantsResult
from protocols.genomics.secret_kernel import SecretKernel
from tests.lib.equal_results import assert_equal_results
from tests.lib.planted_variants import hospitals, variants
from tests.lib.watched import Watched
from tests.reference.pooled import reference

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "rare_variants.yaml"


@cache
def example() -> Study:
    return read_study(EXAMPLE)


@cache
def found() -> dict[str, RareVariantsResult]:
    outcome = run_locally(example(), hospitals())
    results = {name: outcome[name] for name in ("perfusion", "necrosis")}
    assert all(isinstance(one, RareVariantsResult) for one in results.values())
    return results


def test_what_was_planted_is_found_and_nothing_else() -> None:
    for result in found().values():
        frame = result.summary()
        assert list(frame.index[:2]) in (["EGFR", "pi3k"], ["pi3k", "EGFR"])
        assert (frame["p_skato"][["EGFR", "pi3k"]] < 1e-6).all()
        assert (frame["p_skato"][["PTEN", "TP53"]] > 0.01).all()
        assert frame["effect"]["EGFR"] > 0


@pytest.mark.slow
def test_with_collapsed_variants_it_equals_the_pooled_tests() -> None:
    outcome = run_locally(example(), hospitals())
    for analysis in example().analyses:
        assert_equal_results(outcome[analysis.name], reference(analysis.spec, hospitals()), frozenset())


def test_very_rare_variants_are_one_column_of_their_gene() -> None:
    result = found()["perfusion"]
    by_set = dict(zip(result.sets, zip(result.variants, result.collapsed, strict=True), strict=True))
    own, together = by_set["EGFR"]
    assert 10 <= own < 20  # 18 rare ones, some below the floor, and that of a rare REF
    assert together == 1
    assert by_set["pi3k"] == (own + by_set["PTEN"][0], 1 + by_set["PTEN"][1])


@pytest.mark.slow
def test_a_carrier_of_a_very_rare_allele_changes_the_collapsed_column_alone() -> None:
    """With and without nine carriers of one variant, nothing is asked or answered about that variant."""
    study = example()
    watched = Watched(study, hospitals())
    conduct(study, watched, run="test", roster=tuple(watched.sites.tables), started=watched.sites.started)
    few = list(range(10))  # of EGFR, which nearly nobody carries
    for question in watched.questions:
        for ask in question.asks:
            if ask.step == "copies" or (ask.step == "kernel" and ask.secret == "climb"):
                assert not np.isin(few, ask.arrays["at"]).any()


def test_the_center_sees_no_score_of_a_variant() -> None:
    """What it joins is turned: neither the scores nor their covariance are those of variants in any order."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 6))
    arrays = {"score": x.sum(axis=0), "covariance": x.T @ x, "n": np.array(50)}
    axes = {"score": ("member",), "covariance": ("member", "member"), "n": ()}
    basis = rng.normal(size=(6, 6))
    seen = SecretKernel(6, np.eye(1), 1.0).turned(arrays, axes, Turn(basis, np.ones(0)))
    for entry in arrays["covariance"].ravel():
        assert np.abs(seen["covariance"] - entry).min() > 1e-3
    assert np.allclose(np.linalg.eigvalsh(seen["covariance"]), np.linalg.eigvalsh(arrays["covariance"]))
    assert seen["n"] == 50


def test_the_tests_are_the_same_in_every_turned_basis() -> None:
    rng = np.random.default_rng(2)
    x, u, ones = rng.normal(size=(60, 8)), 9 * rng.normal(size=8), np.ones(8)
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    plain = set_tests(u, x.T @ x, ones, 2.0)
    turned = set_tests(turn @ u, turn @ x.T @ x @ turn.T, turn @ ones, 2.0)
    for name, value in vars(plain).items():
        assert vars(turned)[name] == pytest.approx(value, rel=1e-9)


def test_a_reply_that_is_none_is_refused() -> None:
    secret = SecretKernel(4, np.eye(1), 1.0)
    for reply in ({}, {"p_skat": np.array(0.1)}, {"step": np.zeros(4)}):
        with pytest.raises(SiteError):
            secret.follow(reply, Turn.none(4, 0), full=True)


def test_a_set_of_two_columns_and_one_without_variants_are_not_tested() -> None:
    spec = example().spec("perfusion").model_dump(mode="json")
    first = [int(name.split(":")[1]) for name in variants()[10:12]]
    genes = {"two": f"7:{first[0]}-{first[1]}", "none": "22:1-100", "TP53": "17:7668421-7687490"}
    study = with_spec({**spec, "genes": genes, "pathways": {}})
    result = run_locally(study, hospitals())["a"]
    assert isinstance(result, RareVariantsResult)
    assert set(result.untested) == {"two", "none"}
    assert "fewer than 3" in result.untested["two"]


def test_genes_without_any_variant_of_the_list_leave_nothing_to_test() -> None:
    spec = example().spec("perfusion").model_dump(mode="json")
    study = with_spec({**spec, "genes": {"none": "22:1-100"}, "pathways": {}})
    result = run_locally(study, hospitals())["a"]
    assert isinstance(result, RareVariantsResult)
    assert result.summary().empty
    assert result.figure() == NoFigure("no set of variants could be tested")


def test_a_gene_that_the_covariates_explain_is_untested_and_the_others_go_on() -> None:
    tables = [explained(table) for table in hospitals()]
    spec = example().spec("perfusion").model_dump(mode="json")
    genes = {"TP53": "17:7668421-7687490", "EGFR": "7:55019017-55211628"}
    study = with_spec({**spec, "genes": genes, "pathways": {}})
    result = run_locally(study, tables)["a"]
    assert isinstance(result, RareVariantsResult)
    assert "TP53" in result.untested
    assert np.isfinite(result.p_skato[1])


def explained(table: AnalysisTable) -> AnalysisTable:
    """The table with copies in TP53 that all follow from `female`."""
    values = table.blocks["exome"].columns(np.arange(90)).copy()
    values[:, 60:] = 0.0
    values[:, 70:74] = 1.0 * (table.column("female")[:, None])
    return replace(table, blocks={"exome": ArrayBlock(variants(), values)})


def with_spec(spec: dict[str, Any]) -> Study:
    study = example().model_dump(mode="json", by_alias=True, exclude={"analyses"})
    return Study.model_validate({**study, "analyses": [{"name": "a", "spec": spec}]})


@pytest.mark.parametrize(
    "change",
    [
        {"genes": {"A": "7:100-200", "B": "7:200-300"}},
        {"genes": {"A": "7:100"}},
        {"pathways": {"P": ["NOBODY"]}},
        {"pathways": {"EGFR": ["PTEN"]}},
        {"pathways": {"P": ["EGFR", "EGFR"]}},
        {"covariates": ["rcbv"]},
    ],
)
def test_overlapping_genes_and_unknown_ones_are_refused(change: dict[str, Any]) -> None:
    spec = example().spec("perfusion").model_dump(mode="json")
    with pytest.raises(ValidationError):
        parse_spec({**spec, **change})


def test_p_values_join_by_cauchy() -> None:
    assert acat(np.array([0.3, 0.3])) == pytest.approx(0.3)
    assert acat(np.array([1e-30, 0.5])) == pytest.approx(2e-30, rel=1e-6)
    assert acat(np.array([0.01, 0.5])) == pytest.approx(0.019993, rel=1e-3)
    assert np.isnan(acat(np.array([np.nan])))


@pytest.mark.slow
def test_without_an_association_p_values_are_uniform() -> None:
    """Three genes in 40 draws of people: means of p near 1/2, within three standard errors of 120."""
    spec = example().spec("perfusion").model_dump(mode="json")
    study = with_spec({**spec, "pathways": {}})
    p = []
    for seed in range(40):
        result = run_locally(study, hospitals(10 * seed, effect=0.0))["a"]
        assert isinstance(result, RareVariantsResult)
        p.append([result.p_skat, result.p_burden, result.p_skato])
    assert np.abs(np.array(p).mean(axis=(0, 2)) - 0.5).max() < 0.08
