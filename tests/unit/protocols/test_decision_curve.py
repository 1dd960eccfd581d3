"""Decision curves over sites: net benefit by its definition, reclassification beside published numbers."""

import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter
from scipy.stats import norm

from protocols.core.table import Rows
from protocols.estimation.roc import delong_difference
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.validation.decision_curve import DecisionCurveResult, DecisionCurveSpec, result
from protocols.validation.survival_decision_curve import (
    SurvivalDecisionCurveResult,
    SurvivalDecisionCurveSpec,
)
from tests.lib.drawn_sites import SPLITS, study_of
from tests.lib.shared import shared
from tests.lib.studies import a_study_of
from tests.lib.ungated import tables_of
from tests.reference.pooled.fitted import pooled_fitted

SMALL = {"protocol": "logistic", "outcome": "cancer", "covariates": ["age", "famhistory"]}
LARGE = {**SMALL, "covariates": ["age", "famhistory", "marker"]}


def cancer(*analyses: dict[str, object]) -> Outcome:
    """dcurves' 750 people, as three sites by risk group."""
    data = pd.read_csv(shared("data/stats/dcurves_df_binary.csv"))
    frame = data[["age", "famhistory", "marker"]].assign(cancer=data.cancer.astype(float))
    named = [{"name": f"a{i}", "spec": spec} for i, spec in enumerate(analyses)]
    return run_locally(a_study_of(list(frame.columns), *named), tables_of(frame, data.risk_group))


def curve(**changes: object) -> dict[str, object]:
    models = {"small": SMALL, "large": LARGE}
    return {"protocol": "decision_curve", "models": models, "reference": "small", **changes}


def test_many_models_and_folds_share_the_rounds_of_one_fit() -> None:
    assert cancer(curve()).rounds <= 14


def test_a_marker_that_matters_adds_net_benefit_and_reclassifies() -> None:
    found: DecisionCurveResult = cancer(curve(categories=[0.1, 0.3]))["a0"]
    assert found.models == ("large", "small")
    assert (found.net_benefit[0] > found.net_benefit[1]).mean() > 0.7
    assert (found.net_benefit[0][:6] >= found.treat_all[:6]).all()
    moved = found.reclassified["large"]
    assert moved.tables.sum() == found.n
    assert moved.nri_p < 1e-4
    assert moved.idi_p < 1e-4


def test_curves_and_discrimination_score_the_same_people() -> None:
    found = cancer(curve(), {"protocol": "discrimination", "model": LARGE, "bins": 20})
    assert found["a0"].n == found["a1"].n
    assert found["a0"].n_events == found["a1"].n_events


def test_net_reclassification_is_that_of_the_paper() -> None:
    """Pencina et al. (2008), table II: HDL beside the Framingham model, categories at 6 % and 20 %.

    183 events and 3081 others: net reclassification 0.121, z = 3.616.
    """
    nonevents = np.array([[1959, 142, 0], [148, 703, 31], [1, 25, 72]])
    events = np.array([[39, 15, 0], [4, 87, 14], [0, 3, 21]])
    spec = DecisionCurveSpec.model_validate(curve(categories=[0.06, 0.2], thresholds=[0.5]))
    people = np.array([nonevents.sum(), events.sum()])
    total = {
        "n": people.sum(),
        "people": people,
        "positive": np.zeros((2, 2, 1), dtype=np.int64),
        "moved": np.stack([nonevents, events])[:, None],
        "up_down": np.zeros((2, 1, 2), dtype=np.int64),
        "joint": np.ones((1, 2, 100, 100), dtype=np.int64),
        "gain": np.zeros((2, 1)),
        "gain_square": np.zeros((2, 1)),
    }
    moved = result(spec, total).reclassified["large"]
    np.testing.assert_allclose(moved.nri, 0.121, atol=5e-4)
    np.testing.assert_allclose(moved.nri_p, 2 * norm.sf(3.616), rtol=0.01)


def test_survival_net_benefit_is_that_of_kaplan_meier_above_the_threshold() -> None:
    """lifelines' Kaplan-Meier of those above a risk, on times that the grid rounds up."""
    cox: dict[str, object] = {"protocol": "cox", "outcome": "os", "covariates": ["age", "idh1"]}
    cox["grid"] = {"step_days": 30, "until_days": 900}
    spec = {"protocol": "survival_decision_curve", "models": {"both": cox}, "day": 360}
    spec["thresholds"] = [0.3, 0.4]
    tables = SPLITS["unequal sites"]
    outcome = run_locally(study_of({**spec, "scheme": {"kind": "folds", "of": 2}}), tables)
    found: SurvivalDecisionCurveResult = outcome["a0"]
    parsed = SurvivalDecisionCurveSpec.model_validate(spec)
    fits = [pooled_fitted(parsed, Rows(keep="train", fold=f, of=2), tables) for f in range(2)]
    time, event, risk = [], [], []
    for table in tables:
        for f, fit in enumerate(fits):
            test = table.select(Rows(keep="test", fold=f, of=2).mask(table))
            score = (test.matrix(["age", "idh1"]) - fit["models.both.center"]) @ fit["models.both.coef"]
            risk.append(1 - np.exp(-np.exp(score) * fit["models.both.hazard"][11]))
            time.append(np.ceil(test.column("os.time") / 30) * 30)
            event.append(test.column("os.event"))
    t, e, r = (np.concatenate(x) for x in (time, event, risk))
    for k, cut in enumerate((0.3, 0.4)):
        above = r >= cut
        share = 1 - KaplanMeierFitter().fit(t[above], e[above]).predict(360)
        expected = above.mean() * (share - (1 - share) * cut / (1 - cut))
        assert found.flagged[0, k] == above.sum()
        np.testing.assert_allclose(found.net_benefit[0, k], expected, rtol=1e-8)
    everybody = 1 - KaplanMeierFitter().fit(t, e).predict(360)
    np.testing.assert_allclose(found.treat_all[0], everybody - (1 - everybody) * 3 / 7, rtol=1e-9)


def test_two_aucs_are_compared_as_delong_does() -> None:
    """The variance of the difference by its definition, from every pair of people, beside the binned one."""
    rng = np.random.default_rng(8)
    y = (rng.random(300) < 0.4).astype(float)
    score = rng.normal(size=(2, 300)) + y * np.array([[0.6], [1.0]])
    p = np.round(1 / (1 + np.exp(-score)), 2)
    joint = np.zeros((2, 101, 101), dtype=np.int64)
    np.add.at(joint, (y.astype(int), *np.rint(p * 100).astype(int)), 1)
    first, second, se = delong_difference(joint)
    wins = [(a[y == 1][:, None] > a[y == 0]) + (a[y == 1][:, None] == a[y == 0]) / 2 for a in p]
    apart = wins[0] - wins[1]
    by_ones, by_zeros = apart.mean(axis=1), apart.mean(axis=0)
    expected = by_ones.var(ddof=1) / len(by_ones) + by_zeros.var(ddof=1) / len(by_zeros)
    np.testing.assert_allclose(first - second, apart.mean(), rtol=1e-12)
    np.testing.assert_allclose(se, np.sqrt(expected), rtol=1e-12)


def test_a_marker_that_matters_tells_better_who_has_the_outcome() -> None:
    found = cancer(curve())["a0"].reclassified["large"]
    assert found.auc > found.auc_reference
    assert found.auc_p < 0.05
