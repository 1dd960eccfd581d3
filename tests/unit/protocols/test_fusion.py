"""Fusion of modalities: late, with missing ones; early and hybrid as preparations; no leak from folds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from protocols.core.protocol import Ask, parse_spec
from protocols.core.table import AnalysisTable, Rows, fold_hashes
from protocols.exchange.local import LocalSites, run_locally
from protocols.exchange.rounds import Outcome, conduct
from protocols.exchange.wire import RoundAnswer, RoundQuestion
from protocols.validation.fusion import FusionResult
from tests.lib.studies import a_study_of

COLUMNS = ("c_one", "c_two", "i_one", "i_two", "g_one", "y")


def sites(seed: int = 0, missing: float = 0.3) -> list[AnalysisTable]:
    """Three modalities of one outcome; images and genes are missing, more often for those with it."""
    rng = np.random.default_rng(seed)
    found = []
    for site, n in zip("abc", (300, 200, 250), strict=True):
        columns = {name: rng.normal(size=n) for name in COLUMNS[:-1]}
        eta = 0.8 * columns["c_one"] + 1.2 * columns["i_one"] + 0.9 * columns["g_one"]
        columns["y"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
        no_image, no_gene = rng.random((2, n)) < missing * (1 + columns["y"]) / 2
        for name, gone in (("i_one", no_image), ("i_two", no_image), ("g_one", no_gene)):
            columns[name] = np.where(gone, np.nan, columns[name])
        hashes = fold_hashes(np.arange(n), site.encode())
        found.append(AnalysisTable(site, np.arange(n), columns, fold_hashes=hashes))
    return found


def model(*covariates: str) -> dict[str, Any]:
    return {"protocol": "logistic", "outcome": "y", "covariates": list(covariates)}


LATE = {
    "protocol": "fusion",
    "outcome": "y",
    "experts": {
        "clinic": model("c_one", "c_two"),
        "gene": model("g_one"),
        "image": {"protocol": "boosting", "outcome": "y", "covariates": ["i_one", "i_two"], "trees": 5},
    },
}
EARLY = {
    "protocol": "discrimination",
    "prepare": [
        {"protocol": "impute", "mean": ["i_one", "i_two", "g_one"], "indicators": ["i_one", "g_one"]}
    ],
    "model": model("c_one", "c_two", "i_one", "i_two", "g_one", "i_one_missing", "g_one_missing"),
}
HYBRID = {
    "protocol": "discrimination",
    "prepare": [
        {"protocol": "impute", "mean": ["i_one", "i_two", "g_one"]},
        {"protocol": "pca", "features": ["c_one", "c_two"], "components": 2, "prefix": "clinic"},
        {"protocol": "pca", "features": ["i_one", "i_two"], "components": 2, "prefix": "image"},
    ],
    "model": model("clinic1", "clinic2", "image1", "image2", "g_one"),
}


def run(*specs: Mapping[str, Any], **changes: Any) -> Outcome:
    named = [{"name": f"a{i}", "spec": dict(spec)} for i, spec in enumerate(specs)]
    return run_locally(a_study_of(COLUMNS, *named), sites(**changes))


def test_everybody_with_any_modality_takes_part_and_missing_tells_something() -> None:
    found: FusionResult = run(LATE)["a0"]
    assert found.n == 750
    assert found.known.tolist() == [
        750,
        sum(int((~np.isnan(t.column("g_one"))).sum()) for t in sites()),
        750,  # trees score who has no image too
    ]
    position = found.terms.index("gene_missing")
    assert found.coef[position] > 0
    assert np.isnan(found.coef[found.terms.index("clinic_missing")])
    assert (found.coef[1:4] > 0).all()


@pytest.mark.slow
def test_late_early_and_hybrid_fusion_beat_one_modality() -> None:
    outcome = run(
        {"protocol": "discrimination", "model": LATE},
        EARLY,
        HYBRID,
        {"protocol": "discrimination", "model": model("c_one", "c_two")},
    )
    late, early, hybrid, clinic = (outcome[f"a{i}"].auc for i in range(4))
    assert min(late, early, hybrid) > clinic + 0.05
    assert abs(late - early) < 0.05


@pytest.mark.slow
def test_no_question_of_a_fold_is_about_the_people_it_is_judged_on() -> None:
    study = a_study_of(COLUMNS, {"name": "a0", "spec": {"protocol": "discrimination", "model": LATE}})
    exchange = LocalSites(study, {t.site: t for t in sites()})
    asked: list[Ask] = []

    def watched(question: RoundQuestion) -> Mapping[str, RoundAnswer]:
        asked.extend(question.asks)
        return exchange(question)

    conduct(study, watched, run="test", roster=("a", "b", "c"))
    fits = [ask for ask in asked if ask.part]
    assert fits
    table = sites()[0]
    for ask in fits:
        outer = ask.rows.inside or ask.rows
        assert (outer.keep, outer.of, outer.inner) == ("train", 5, False)
        held_out = ~outer.mask(table)
        assert held_out.any()
        assert not ask.rows.mask(table)[held_out].any()


def test_inner_folds_are_independent_of_outer_ones() -> None:
    table = sites()[0]
    shares = [
        Rows(keep="test", fold=f, of=5, inner=True, inside=Rows(keep="train", fold=g, of=5))
        .mask(table)
        .mean()
        for f in range(5)
        for g in range(5)
    ]
    np.testing.assert_allclose(shares, 0.16, atol=0.06)


def test_an_expert_of_another_outcome_is_refused() -> None:
    wrong = {**LATE, "experts": {"one": model("c_one"), "two": {**model("i_one"), "outcome": "g_one"}}}
    with pytest.raises(ValueError, match="expert two has another outcome"):
        parse_spec(wrong)


def test_rows_that_the_spec_does_not_name_are_not_admitted() -> None:
    spec = parse_spec(LATE)
    assert spec.admits(Rows(keep="train", fold=1, of=5, inner=True))
    assert not spec.admits(Rows(keep="train", fold=1, of=50, inner=True))
    assert not spec.admits(Rows(keep="test", fold=1, of=5, inner=True))
    outer = parse_spec({"protocol": "discrimination", "model": LATE})
    fold = Rows(keep="train", fold=1, of=5)
    assert outer.admits(Rows(keep="train", fold=2, of=5, inner=True, inside=fold))
    assert not outer.admits(Rows(keep="train", fold=2, of=7, inner=True, inside=fold))
