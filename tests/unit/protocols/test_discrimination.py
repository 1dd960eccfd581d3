"""ROC mathematics against scikit-learn; nobody is scored by a model that saw them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from protocols.core.disclosure import SUPPRESSED, Thresholds
from protocols.core.errors import Code, SpecError, StudyError
from protocols.core.protocol import Ask
from protocols.core.table import AnalysisTable
from protocols.estimation.roc import bin_of, delong, exact_auc, histogram_of, merged, recalibration, roc
from protocols.exchange.local import LocalSites, run_locally
from protocols.exchange.rounds import conduct
from protocols.exchange.site_answer import answer
from protocols.exchange.wire import RoundAnswer, RoundQuestion
from protocols.validation.discrimination import Discrimination, DiscriminationSpec
from tests.lib.drawn_sites import SPLITS, a_site, study_of

MODEL = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "f_one"]}
SITES = {"kind": "sites"}
HARMONIZE = {"protocol": "combat", "features": ["f_one", "f_two", "f_three"]}
TABLES = SPLITS["unequal sites"]

scored = (
    st.integers(4, 200)
    .flatmap(
        lambda n: st.tuples(
            stn.arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0])),
            stn.arrays(np.float64, n, elements=st.floats(0, 1, width=32)),
        )
    )
    .filter(lambda yp: 0 < yp[0].sum() < len(yp[0]))
)


@given(scored)
def test_the_auc_is_scikit_learns(yp: tuple[Any, Any]) -> None:
    assert exact_auc(*yp) == pytest.approx(roc_auc_score(*yp), abs=1e-12)


@given(scored, st.integers(2, 300))
def test_the_histogram_misses_the_auc_by_its_bound_at_most(yp: tuple[Any, Any], bins: int) -> None:
    y, p = yp
    histogram = histogram_of(y, bin_of(p, bins), bins)
    assert histogram.sum() == len(y)
    negatives, positives = histogram
    bound = 0.5 * (positives @ negatives) / (positives.sum() * negatives.sum())
    auc, _ = delong(histogram)
    assert abs(auc - exact_auc(y, p)) <= bound + 1e-12
    fpr, tpr = roc(histogram)
    assert np.trapezoid(tpr, fpr) == pytest.approx(auc, abs=1e-12)
    assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)


@given(stn.arrays(np.int64, (2, 12), elements=st.integers(0, 30)), st.integers(1, 40))
def test_merged_cells_keep_everybody_and_none_is_small(cells: Any, fewest: int) -> None:
    groups = merged(cells, fewest)
    np.testing.assert_array_equal(groups.sum(axis=1), cells.sum(axis=1))
    shown = groups[:, groups.sum(axis=0) > 0]
    if (cells.sum(axis=1) >= fewest).all():
        assert (shown >= fewest).all()
    else:
        assert shown.shape[1] <= 1


def test_a_calibrated_score_has_slope_one_and_a_stretched_one_less() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(size=200_000)
    y = (rng.uniform(size=len(odds)) < 1 / (1 + np.exp(-odds))).astype(float)
    for stretch, slope in ((1.0, 1.0), (2.0, 0.5)):
        p = 1 / (1 + np.exp(-stretch * odds))
        bins = bin_of(p, 200)
        found = recalibration(histogram_of(y, bins, 200), np.bincount(bins, p, 200))
        # A bin's mean probability stands for its people, so the slope is not exact; 1 % here.
        np.testing.assert_allclose(found, (0.0, slope), atol=0.02)


def test_a_separated_score_has_no_slope() -> None:
    histogram = np.array([[30, 0], [0, 30]])
    assert np.isnan(recalibration(histogram, np.array([3.0, 27.0]))).all()


def result(spec: dict[str, Any], tables: list[AnalysisTable] = TABLES) -> Any:
    return run_locally(study_of({"protocol": "discrimination", "model": MODEL, **spec}), tables)["a0"]


def test_each_person_is_scored_by_the_fold_that_left_them_out() -> None:
    found = result({"scheme": {"kind": "folds", "of": 4}})
    y, x, fold = (
        np.concatenate([part(t) for t in TABLES])
        for part in (
            lambda t: t.column("idh1"),
            lambda t: t.matrix(["age", "f_one"]),
            lambda t: (t.fold_hashes % np.uint64(4)).astype(int),
        )
    )
    p = np.empty(len(y))
    for f in range(4):
        # Unpenalized, an independent solver; its default tolerance is 1e-4 of the gradient.
        other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(x[fold != f], y[fold != f])
        np.testing.assert_allclose(found.coef[f, 1:], other.coef_[0], rtol=1e-3)
        p[fold == f] = 1 / (1 + np.exp(-(found.coef[f, 0] + x[fold == f] @ found.coef[f, 1:])))
    assert found.n == len(y)
    assert abs(found.auc - roc_auc_score(y, p)) <= found.auc_bound
    assert found.expected == pytest.approx(p.sum(), rel=1e-9)
    assert found.brier == pytest.approx(np.mean((p - y) ** 2), rel=1e-9)


def test_a_site_left_out_is_judged_by_the_model_of_the_others() -> None:
    found = result({"scheme": SITES})
    assert set(found.folds) == {"a", "b", "c"} == set(found.by_site)
    for fold, site in enumerate(found.folds):
        table = next(t for t in TABLES if t.site == site)
        y, x = table.column("idh1"), table.matrix(["age", "f_one"])
        p = 1 / (1 + np.exp(-(found.coef[fold, 0] + x @ found.coef[fold, 1:])))
        shown = found.by_site[site]
        assert shown.auc == pytest.approx(roc_auc_score(y, p), abs=1e-12)
        assert (shown.n, shown.n_events) == (len(y), y.sum())
        # the site scores by coefficients of a question, which have 12 digits
        assert shown.mean_predicted == pytest.approx(p.mean(), rel=1e-10)
        assert (np.diff(shown.true_positive_rate) >= 0).all()
        steps = len(shown.true_positive_rate) - 1
        assert steps <= min(y.sum(), len(y) - y.sum()) / 10


def test_a_site_with_few_of_a_class_trains_and_is_not_judged() -> None:
    found = result({"scheme": SITES}, SPLITS["a site of nine"])
    assert found.folds == ("a", "b")
    assert set(found.by_site) == {"a", "b"}
    assert found.not_judged == {"c": Code.WITHHELD}


def test_nobody_can_be_left_out_of_one_site() -> None:
    with pytest.raises(StudyError) as caught:
        result({"scheme": SITES}, [a_site("a", 200, 1)])
    assert caught.value.code == Code.TOO_FEW_SITES


def test_every_cell_that_a_site_shows_is_large_or_suppressed() -> None:
    study = study_of({"protocol": "discrimination", "model": MODEL, "scheme": SITES, "cells": 30})
    sites = LocalSites(study, {t.site: t for t in TABLES})
    shown: list[Any] = []

    def watched(question: RoundQuestion) -> dict[str, RoundAnswer]:
        answers = sites(question)
        for i, ask in enumerate(question.asks):
            if ask.step == "left_out":
                shown.extend(answers[site].answers[i] for site in question.roster)
        return answers

    conduct(study, watched, run="r", roster=("a", "b", "c"))
    assert len(shown) == 3
    for arrays in shown:
        assert ((arrays["cells"] == SUPPRESSED) | (arrays["cells"] >= 10)).all()


def test_folds_share_their_rounds() -> None:
    spec = {"protocol": "discrimination", "model": MODEL}
    rounds = [
        run_locally(study_of({**spec, "scheme": {"kind": "folds", "of": of}}), TABLES).rounds
        for of in (2, 10)
    ]
    assert max(rounds) <= min(rounds) + 1


def test_harmonization_inside_folds_removes_a_link_that_is_only_the_scanner() -> None:
    rng = np.random.default_rng(3)
    tables = []
    for i, site in enumerate("abc"):
        n = 120
        idh1 = (rng.uniform(size=n) < (0.2, 0.5, 0.8)[i]).astype(float)  # the case mix differs by site
        shift = (0.0, 3.0, 6.0)[i]  # and so do the scanners: a spurious link
        columns = {name: rng.normal(size=n) + shift for name in ("f_one", "f_two", "f_three")}
        tables.append(AnalysisTable(site, np.arange(n) + 1000 * i, {**columns, "idh1": idh1}))
    model = {**MODEL, "covariates": ["f_one"]}
    harmonize = {"protocol": "combat", "features": ["f_one", "f_two", "f_three"]}
    before, after = result({"model": model}, tables), result({"model": model, "harmonize": harmonize}, tables)
    assert before.auc > 0.7
    assert abs(after.auc - 0.5) < 0.1


def test_the_inner_specs_are_reached_as_parts_and_nothing_else_is() -> None:
    study = study_of({"protocol": "discrimination", "model": MODEL})
    numbers = {"shift": np.zeros(2), "unit": np.ones(2)}
    assert answer(study, TABLES[0], Ask("moments", numbers, analysis="a0", part=("model",)), Thresholds())
    for part in (("harmonize",), ("scheme",), ("model", "covariates")):
        with pytest.raises(SpecError, match="has no part"):
            answer(study, TABLES[0], Ask("moments", numbers, analysis="a0", part=part), Thresholds())


def test_a_harmonized_model_reads_the_variables_of_both() -> None:
    harmonize = {"protocol": "combat", "features": ["f_one", "f_two"], "batch": "scanner"}
    spec = DiscriminationSpec.model_validate({"model": MODEL, "harmonize": harmonize})
    assert set(spec.variables()) == {"idh1", "age", "f_one", "f_two", "scanner"}
    assert any("ComBat" in line for line in Discrimination().describe(spec))


@pytest.mark.slow
def test_a_study_of_twenty_models_in_five_folds_takes_few_rounds() -> None:
    """A hundred fits of four kinds, harmonized inside the folds, through gate, wire and masked sums."""
    sets = (["age"], ["age", "f_one"], ["age", "sex", "f_two"], ["f_one", "f_two"], ["sex", "f_three"])
    kinds = (
        {"protocol": "logistic"},
        {"protocol": "glm", "family": "probit"},
        {"protocol": "penalized_logistic", "l1_ratio": 0, "lambdas": [0.05]},
    )
    models = [{**kind, "outcome": "idh1", "covariates": names} for names in sets for kind in kinds]
    cox = {"protocol": "cox", "outcome": "os", "grid": {"step_days": 60, "until_days": 1200}}
    specs = [{"protocol": "discrimination", "model": model, "harmonize": HARMONIZE} for model in models]
    specs += [
        {"protocol": "survival_validation", "model": {**cox, "covariates": names}, "days": [360]}
        for names in sets
    ]
    outcome = run_locally(study_of(*specs), [a_site(s, 120, 40 + k) for k, s in enumerate("abc")])
    assert len(specs) == 20
    assert all(len(outcome[f"a{k}"].folds) == 5 for k in range(20))
    assert outcome.rounds <= 15
