"""The planted truth can be found again by a pooled analysis, in the demo's seed and in others."""

import json

import numpy as np
import pytest
from lifelines import CoxPHFitter
from sklearn.metrics import roc_auc_score

from site_node.synthetic import PLANTED, SEED
from site_node.synthetic.truth import as_dict
from tests.lib.pooled_radiogenomics import (
    auc,
    auc_by_left_out_site,
    combat,
    image_table,
    out_of_fold,
    survival_table,
)

SEEDS = (SEED, 101, 102, 103)
TRUE, SPURIOUS = PLANTED.true_link.gene, PLANTED.spurious_link.gene


@pytest.fixture(scope="module", params=SEEDS)
def raw_and_harmonized(request):
    table = image_table(request.param)
    return table, combat(table)


@pytest.mark.slow
def test_the_spurious_link_is_strong_when_pooled_and_falls_to_chance_after_combat(raw_and_harmonized):
    raw, harmonized = raw_and_harmonized
    assert auc(raw, "mean", SPURIOUS) >= 0.75
    assert auc(harmonized, "mean", SPURIOUS) == pytest.approx(0.5, abs=0.06)


@pytest.mark.slow
def test_the_spurious_link_never_was_inside_a_hospital(raw_and_harmonized):
    for table in raw_and_harmonized:
        # the smaller class of a hospital has about 12 patients, so a standard error is about 0.09
        assert auc_by_left_out_site(table, "mean", SPURIOUS) == pytest.approx([0.5] * 3, abs=0.15)


@pytest.mark.parametrize("feature", ["mad", "entropy"])
def test_the_true_link_survives_harmonization(raw_and_harmonized, feature):
    raw, harmonized = raw_and_harmonized
    assert auc(raw, feature, TRUE) >= 0.8
    assert auc(harmonized, feature, TRUE) >= auc(raw, feature, TRUE) - 0.01
    # the smallest hospital alone has a standard error of about 0.05
    assert min(auc_by_left_out_site(harmonized, feature, TRUE)) >= 0.75


@pytest.mark.slow
def test_out_of_fold_scores_of_the_demo_tell_the_same_story_whatever_the_folds():
    raw = image_table(SEED)
    harmonized = combat(raw)
    rng = np.random.default_rng(1)
    folds = [rng.permutation(len(raw)) % 5 for _ in range(20)]

    def aucs(table, feature, gene):
        return [roc_auc_score(table[gene], out_of_fold(table, feature, gene, fold)) for fold in folds]

    assert min(aucs(raw, "mean", SPURIOUS)) >= 0.75
    spurious = aucs(harmonized, "mean", SPURIOUS)
    assert max(spurious) <= 0.56
    assert np.median(spurious) == pytest.approx(0.5, abs=0.04)
    assert min(aucs(harmonized, "mad", TRUE)) >= 0.85


def test_every_class_is_large_enough_at_every_hospital_to_be_counted():
    table = image_table(SEED)
    for gene in (TRUE, SPURIOUS):
        assert table.groupby(["site", gene]).size().min() >= 10  # the gate's min_count
    assert table.groupby("scanner").size().min() >= 30


def z_scores(seed):
    """How many standard errors the site-stratified Cox model's coefficients lie from the planted ones."""
    fit = CoxPHFitter().fit(survival_table(seed), "time_days", "died", strata="site")
    planted = {hazard.variable: hazard.log_hazard / hazard.per for hazard in PLANTED.hazards}
    return [(fit.params_[name] - planted[name]) / fit.standard_errors_[name] for name in planted]


def test_a_stratified_cox_model_finds_the_hazards_of_the_demo_within_two_standard_errors():
    assert np.abs(z_scores(SEED)).max() <= 2


@pytest.mark.slow
def test_over_many_seeds_the_hazards_are_found_without_bias_and_with_the_stated_error():
    z = np.array([z_scores(seed) for seed in range(40)])
    # 40 standard normals: their mean has a standard error of 0.16, their standard deviation one of 0.11
    assert np.abs(z.mean(axis=0)).max() <= 0.5
    assert z.std(axis=0, ddof=1) == pytest.approx([1.0] * 3, abs=0.35)


def test_the_ground_truth_is_plain_json_with_the_numbers_a_report_prints():
    truth = json.loads(json.dumps(as_dict()))
    assert truth["true_link"]["gene"] == "IDH1"
    assert truth["true_link"]["auc"] == pytest.approx(0.9214, abs=1e-4)  # Phi(0.36 / 0.18 / sqrt 2)
    assert {row["variable"]: round(row["hazard_ratio"], 2) for row in truth["hazards"]} == {
        "age": 1.35,
        "IDH1": 0.41,
        "kps": 0.80,
    }
