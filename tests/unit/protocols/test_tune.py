"""Choosing among models by inner folds: by hand with scikit-learn, nested in a validation, and for Cox."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, SiteError, SpecError, StudyError
from protocols.core.lockstep import Failure
from protocols.core.protocol import Ask, parse_spec
from protocols.core.table import AnalysisTable, Rows, fold_hashes
from protocols.exchange.local import LocalSites, run_locally
from protocols.exchange.rounds import conduct
from protocols.exchange.site_answer import answer
from protocols.exchange.wire import RoundAnswer, RoundQuestion
from protocols.validation.discrimination import Discrimination
from protocols.validation.schemes import ByFold, External
from protocols.validation.tune import TuneResult
from tests.lib.drawn_sites import SPLITS, a_site, study_of
from tests.lib.studies import a_study_of

COVARIATES = [f"x{k}" for k in range(6)]
PENALTIES = {"weak": 0.003, "middle": 0.03, "strong": 0.3}
TABLES = SPLITS["unequal sites"]
MODEL = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "f_one"]}


def sites(people: tuple[int, ...] = (150, 120, 130)) -> list[AnalysisTable]:
    """Six covariates, two of which matter: a penalty helps."""
    rng = np.random.default_rng(5)
    found = []
    for site, n in zip("abcdef", people, strict=False):
        columns = {name: rng.normal(size=n) for name in COVARIATES}
        chance = 1 / (1 + np.exp(-0.9 * columns["x0"] + 0.6 * columns["x1"]))
        columns["y"] = (rng.random(n) < chance).astype(float)
        hashes = fold_hashes(np.arange(n), site.encode())
        found.append(AnalysisTable(site, np.arange(n), columns, fold_hashes=hashes))
    return found


def ridge(penalty: float, l1_ratio: float = 0.0) -> dict[str, Any]:
    spec = {"protocol": "penalized_logistic", "outcome": "y", "covariates": COVARIATES}
    return {**spec, "lambdas": [penalty], "l1_ratio": l1_ratio}


TUNED = {
    "protocol": "tune",
    "candidates": {name: ridge(penalty) for name, penalty in PENALTIES.items()},
    "folds": 4,
}


def found(spec: dict[str, Any], tables: list[AnalysisTable]) -> Any:
    study = a_study_of([*COVARIATES, "y"], {"name": "a0", "spec": spec}, min_sites=1)
    return run_locally(study, tables)["a0"]


def by_hand(x: Any, y: Any, inner: Any) -> dict[str, float]:
    """Out-of-fold log-likelihoods of ridge penalties by scikit-learn, standardized inside folds."""
    logliks = dict.fromkeys(PENALTIES, 0.0)
    for fold in range(4):
        train, test = inner != fold, inner == fold
        mean, sd = x[train].mean(axis=0), x[train].std(axis=0)
        for name, penalty in PENALTIES.items():
            model = LogisticRegression(C=1 / (train.sum() * penalty), tol=1e-12, max_iter=10_000)
            model.fit((x[train] - mean) / sd, y[train])
            p = model.predict_proba((x[test] - mean) / sd)[:, 1]
            logliks[name] += float(np.log(np.where(y[test] == 1, p, 1 - p)).sum())
    return logliks


def rows_of(tables: list[AnalysisTable]) -> tuple[Any, Any, Any]:
    x, y = (np.concatenate([t.matrix(names) for t in tables]) for names in (COVARIATES, ["y"]))
    return x, y[:, 0], np.concatenate([t.fold_hashes for t in tables])


def test_the_penalty_is_chosen_as_by_hand() -> None:
    tables = sites()
    x, y, hashes = rows_of(tables)
    expected = by_hand(x, y, ((hashes >> np.uint64(32)) % np.uint64(4)).astype(int))
    tuned: TuneResult = found(TUNED, tables)
    ours = dict(zip(tuned.candidates, tuned.loglik, strict=True))
    # scikit-learn's lbfgs leaves about 1e-7 in a coefficient; the likelihood is flat there.
    assert ours == pytest.approx(expected, rel=1e-6)
    assert tuned.chosen == max(expected, key=lambda name: expected[name]) == "middle"
    assert tuned.summary().chosen.tolist() == [True, False, False]


def test_tuning_is_nested_in_each_fold_and_never_sees_the_fold_that_judges_it() -> None:
    tables = sites()
    spec = {"protocol": "discrimination", "model": TUNED, "scheme": {"kind": "folds", "of": 3}}
    nested = found(spec, tables)
    x, y, hashes = rows_of(tables)
    outer = (hashes % np.uint64(3)).astype(int)
    inner = ((hashes >> np.uint64(32)) % np.uint64(4)).astype(int)
    p = np.empty(len(y))
    for fold in range(3):
        train = outer != fold
        logliks = by_hand(x[train], y[train], inner[train])
        chosen = max(logliks, key=lambda name: logliks[name])
        assert nested.chosen[fold] == chosen
        mean, sd = x[train].mean(axis=0), x[train].std(axis=0)
        model = LogisticRegression(C=1 / (train.sum() * PENALTIES[chosen]), tol=1e-12, max_iter=10_000)
        model.fit((x[train] - mean) / sd, y[train])
        p[~train] = model.predict_proba((x[~train] - mean) / sd)[:, 1]
    assert nested.brier == pytest.approx(np.mean((p - y) ** 2), rel=1e-6)
    assert abs(nested.auc - roc_auc_score(y, p)) <= nested.auc_bound + 1e-9


def test_repeats_are_the_means_of_folds_cut_anew() -> None:
    tables = sites()
    model = ridge(0.03)
    spec = {"protocol": "discrimination", "model": model, "scheme": {"kind": "folds", "of": 3, "repeats": 4}}
    repeated = found(spec, tables)
    once = found({**spec, "scheme": {"kind": "folds", "of": 3}}, tables)
    assert len(repeated.folds) == 12
    assert repeated.by_repeat["auc"].shape == (4,)
    assert repeated.by_repeat["auc"][0] == once.auc
    assert len(set(repeated.by_repeat["auc"])) == 4
    assert repeated.auc == pytest.approx(repeated.by_repeat["auc"].mean(), rel=1e-12)
    assert repeated.n == once.n == 400
    x, y, _ = rows_of(tables)
    p = np.empty(len(y))
    for fold in range(3):
        test = np.concatenate([Rows(keep="test", fold=fold, of=3, repeat=2).mask(t) for t in tables])
        mean, sd = x[~test].mean(axis=0), x[~test].std(axis=0)
        other = LogisticRegression(C=1 / ((~test).sum() * 0.03), tol=1e-12, max_iter=10_000)
        p[test] = other.fit((x[~test] - mean) / sd, y[~test]).predict_proba((x[test] - mean) / sd)[:, 1]
    assert repeated.by_repeat["brier"][2] == pytest.approx(np.mean((p - y) ** 2), rel=1e-6)


def test_repeats_and_candidates_share_the_rounds_of_one_fit() -> None:
    spec = {"protocol": "discrimination", "model": TUNED, "scheme": {"kind": "folds", "of": 2, "repeats": 2}}
    study = a_study_of([*COVARIATES, "y"], {"name": "a0", "spec": spec}, min_sites=1)
    assert run_locally(study, sites(), secure=False).rounds <= 12  # 4 before and after the climbs, 8 of these


def test_named_hospitals_judge_a_model_that_never_saw_them() -> None:
    tables = sites((120, 100, 90, 80, 70, 60))
    spec = {"protocol": "discrimination", "model": ridge(0.03)}
    external = found({**spec, "scheme": {"kind": "external", "sites": ["d", "e", "f"]}}, tables)
    x, y, _ = rows_of(tables[:3])
    mean, sd = x.mean(axis=0), x.std(axis=0)
    other = LogisticRegression(C=1 / (len(y) * 0.03), tol=1e-12, max_iter=10_000).fit((x - mean) / sd, y)
    new, outcome, _ = rows_of(tables[3:])
    p = other.predict_proba((new - mean) / sd)[:, 1]
    assert external.folds == ("external",)
    assert external.n == 210
    assert external.brier == pytest.approx(np.mean((p - outcome) ** 2), rel=1e-6)
    assert set(external.by_site) == {"d", "e", "f"}
    here = np.arange(210) < 80
    assert external.by_site["d"].auc == pytest.approx(roc_auc_score(outcome[here], p[here]), abs=1e-6)


@pytest.mark.parametrize(
    ("sites_named", "code", "word"),
    [
        (["b", "c", "x"], Code.INVALID_STUDY, "named x"),
        (["b", "c", "d"], Code.TOO_FEW_SITES, "three sites are left to train"),
    ],
)
def test_external_sites_that_are_not_there_or_leave_too_few_are_named(
    sites_named: list[str], code: Code, word: str
) -> None:
    spec = {"protocol": "discrimination", "model": ridge(0.03)}
    with pytest.raises(StudyError, match=word) as caught:
        found({**spec, "scheme": {"kind": "external", "sites": sites_named}}, sites((80, 80, 80, 80)))
    assert caught.value.code == code


def test_a_sum_over_fewer_than_three_external_sites_is_not_asked() -> None:
    with pytest.raises(ValidationError):
        External(sites=("b", "c"))
    with pytest.raises(ValidationError, match="50 at most"):
        ByFold(of=10, repeats=6)


def test_a_question_is_about_rows_of_the_scheme_alone() -> None:
    by_fold = {
        "protocol": "discrimination",
        "model": TUNED,
        "scheme": {"kind": "folds", "of": 3, "repeats": 2},
    }
    repeated = parse_spec(by_fold)
    outer = Rows(keep="train", fold=2, of=3, repeat=1)
    assert repeated.admits(outer)
    assert repeated.admits(Rows(keep="train", fold=3, of=4, inner=True, inside=outer))
    for rows in (
        Rows(keep="train", fold=2, of=3, repeat=2),
        Rows(keep="test", fold=2, of=3, repeat=1),
        Rows(keep="train", fold=1, of=4, inner=True, repeat=1, inside=outer),
        Rows(keep="train", fold=1, of=5, inner=True, inside=outer),
        Rows(keep="train", sites=("a",)),
    ):
        assert not repeated.admits(rows)
    external = parse_spec({**by_fold, "scheme": {"kind": "external", "sites": ["f", "d", "e"]}})
    assert external.admits(Rows(keep="train", sites=("d", "e", "f")))
    for left_out in ((), ("d",), ("d", "e"), ("c", "d", "e", "f")):
        assert not external.admits(Rows(keep="train", sites=left_out))


def test_folds_too_many_for_the_people_are_refused_with_their_number() -> None:
    spec = {
        "protocol": "discrimination",
        "model": ridge(0.3),
        "scheme": {"kind": "folds", "of": 10, "repeats": 5},
    }
    with pytest.raises(StudyError, match="too few for so many folds") as caught:
        found(spec, sites())
    assert caught.value.code == Code.WITHHELD
    assert "460 people" in caught.value.fix


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(2, 10), st.integers(1, 5))
def test_with_so_many_people_no_few_of_them_carry_a_difference_of_training_sums(
    seed: int, of: int, repeats: int
) -> None:
    """A weight of people that combines training sums and is 0 for all but S has leverages in S of 1 at least.

    With 30 people for each independent sum nine people have less than that: nine are never singled out. Folds
    are hashed and so uneven; 30 leaves room for the smallest of many drawn ones.
    """
    scheme = ByFold(of=of, repeats=repeats)
    n = 30 * scheme.sums()
    persons = np.random.default_rng(seed).permutation(10 * n)[:n]
    table = AnalysisTable("a", persons, {}, fold_hashes=fold_hashes(persons, b"key"))
    sums = [scheme.held_out(table, f) for f in range(of * repeats)]
    basis, values, _ = np.linalg.svd(np.array([np.ones(n), *sums], dtype=float).T, full_matrices=False)
    assert (values > 1e-9).sum() == scheme.sums()
    leverages = (basis[:, : scheme.sums()] ** 2).sum(axis=1)
    assert np.sort(leverages)[-9:].sum() < 1


def test_a_site_whose_inner_fold_is_small_is_not_left_out_alone() -> None:
    spec = {"protocol": "discrimination", "model": {**TUNED, "folds": 10}, "scheme": {"kind": "sites"}}
    study = a_study_of([*COVARIATES, "y"], {"name": "a0", "spec": spec}, min_sites=1)
    small = sites((150, 120, 60))[2]
    inner = Rows(keep="train", fold=0, of=10, inner=True, inside=Rows(keep="train", sites=("c",)))
    part = ("model", "candidates", "weak")
    numbers = {"shift": np.zeros(1), "unit": np.ones(1)}
    with pytest.raises(SiteError) as caught:
        answer(study, small, Ask("moments", numbers, analysis="a0", part=part, rows=inner), Thresholds())
    assert caught.value.code == Code.WITHHELD
    assert Discrimination.classes(parse_spec(spec), small)["smaller"] < 10


def test_candidates_that_can_not_be_compared_are_refused() -> None:
    cox = {"protocol": "cox", "outcome": "os", "covariates": ["age"]}
    for candidates, word in (
        ({"a": MODEL, "b": {**MODEL, "outcome": "sex"}}, "different outcomes"),
        ({"a": {**MODEL, "outcome": "os"}, "b": cox}, "all candidates are cox"),
        ({"a": cox, "b": {**cox, "ties": "breslow"}}, "penalty and covariates"),
        ({"a": cox, "b": {**cox, "episodes": True}}, "episodes"),
        ({"a": MODEL, "b": {**TUNED, "candidates": {"c": MODEL, "d": MODEL}}}, "its own folds"),
    ):
        with pytest.raises(ValidationError, match=word):
            parse_spec({"protocol": "tune", "candidates": candidates})


def test_a_cox_penalty_is_chosen_and_predicts() -> None:
    grid = {"step_days": 60, "until_days": 1200}
    cox = {"protocol": "cox", "outcome": "os", "covariates": ["age", "idh1", "f_two"], "grid": grid}
    tuned = {
        "protocol": "tune",
        "candidates": {f"p{k}": {**cox, "penalty": p} for k, p in enumerate((0.01, 5.0))},
        "folds": 2,
    }
    tables = [a_site(site, 120, seed) for site, seed in zip("abc", (31, 32, 33), strict=True)]
    specs = [
        {
            "protocol": "survival_validation",
            "model": model,
            "days": [360, 720],
            "scheme": {"kind": "folds", "of": 2},
        }
        for model in (tuned, {**cox, "penalty": 0.01})
    ]
    outcome = run_locally(study_of(tuned, *specs), tables)
    assert outcome["a0"].chosen == "p0"
    assert outcome["a1"].chosen == ("p0",) * 2
    assert outcome["a1"].harrell == outcome["a2"].harrell
    np.testing.assert_allclose(outcome["a1"].brier, outcome["a2"].brier, rtol=1e-12)


def test_no_candidate_leaves_a_site_with_a_person_of_its_own() -> None:
    study = a_study_of([*COVARIATES, "y"], {"name": "a0", "spec": TUNED}, min_sites=1)
    tables = sites((80, 70, 60))
    local = LocalSites(study, {t.site: t for t in tables})
    steps: list[str] = []

    def watched(question: RoundQuestion) -> dict[str, RoundAnswer]:
        steps.extend(ask.step for ask in question.asks)
        return dict(local(question))

    conduct(study, watched, run="test", roster=("a", "b", "c"), started=local.started)
    assert steps.count("held_out") == 1
    with pytest.raises(SpecError):
        answer(study, tables[0], Ask("held_out", analysis="a0", per_site=True), Thresholds())


def separated(tables: list[AnalysisTable]) -> list[AnalysisTable]:
    """The same with a column that separates the outcome, and one that three people of each site have."""
    return [
        replace(
            table,
            columns={
                **table.columns,
                "tells": 2.0 * table.column("y") + np.linspace(0, 1, len(table)),
                "rare": (np.arange(len(table)) < 3).astype(float),
            },
        )
        for table in tables
    ]


UNREGULARIZED = {"protocol": "logistic", "outcome": "y"}
SOME_FAIL: dict[str, Any] = {
    "protocol": "tune",
    "folds": 3,
    "candidates": {
        "two": {**UNREGULARIZED, "covariates": ["x0", "x1"]},
        "one": {**UNREGULARIZED, "covariates": ["x0"]},
        "perfect": {**UNREGULARIZED, "covariates": ["x0", "tells"]},
        "few": {**UNREGULARIZED, "covariates": ["x0", "rare"]},
    },
}


def run_of(spec: dict[str, Any], tables: list[AnalysisTable], *, secure: bool = True, **study: Any) -> Any:
    names = [*COVARIATES, "tells", "rare", "y"]
    asked = a_study_of(names, {"name": "a0", "spec": spec}, min_sites=1, **study)
    return run_locally(asked, tables, secure=secure).results["a0"]


@pytest.mark.parametrize("cells", ["coarse", "exact"])
def test_a_candidate_that_cannot_be_fitted_is_left_out_with_its_code(cells: str) -> None:
    """Two fail, one at the end of its climb and one before its first sum; the others are as without them."""
    tables = separated(sites())
    tuned = run_of(SOME_FAIL, tables, cells=cells, secure=False)
    alone = {name: SOME_FAIL["candidates"][name] for name in ("one", "two")}
    without = run_of({**SOME_FAIL, "candidates": alone}, tables, secure=False)
    assert tuned.left_out == {"few": Code.WITHHELD, "perfect": Code.SEPARATION}
    assert (tuned.chosen, tuned.n) == ("two", without.n)
    by_name = dict(zip(tuned.candidates, tuned.loglik, strict=True))
    assert [by_name[name] for name in without.candidates] == pytest.approx(list(without.loglik), rel=1e-9)
    assert np.isnan(by_name["few"])
    assert np.isnan(by_name["perfect"])
    assert tuned.summary().loc["perfect", "left_out"] == "separation"
    assert "left out: few (withheld), perfect (separation)" in tuned.figure().caption
    assert not any(name.startswith(("few.", "perfect.")) for name in tuned.transform_arrays())


def test_a_tune_of_which_all_candidates_fail_says_why_of_each() -> None:
    failing = {name: SOME_FAIL["candidates"][name] for name in ("few", "perfect")}
    found = run_of({**SOME_FAIL, "candidates": failing}, separated(sites()), secure=False)
    assert isinstance(found, Failure)
    assert found.code is Code.WITHHELD
    assert "few: fewer than 10 people" in found.text
    assert "[separation]" in found.text


@pytest.mark.slow
def test_a_candidate_fails_inside_the_folds_of_a_validation() -> None:
    """A variable that few people have refuses the validation, whose own sums are of all variables."""
    tables = separated(sites())
    scheme = {"kind": "folds", "of": 3}
    candidates = {name: spec for name, spec in SOME_FAIL["candidates"].items() if name != "few"}
    model = {**SOME_FAIL, "candidates": candidates}
    nested = run_of({"protocol": "discrimination", "model": model, "scheme": scheme}, tables)
    plain = run_of({"protocol": "discrimination", "model": candidates["two"], "scheme": scheme}, tables)
    assert nested.chosen == ("two",) * 3
    assert nested.brier == pytest.approx(plain.brier, rel=1e-9)
    refused = run_of({"protocol": "discrimination", "model": SOME_FAIL, "scheme": scheme}, tables)
    assert refused.text.startswith("fewer than 10 people differ from the rest in rare, over all sites or")
