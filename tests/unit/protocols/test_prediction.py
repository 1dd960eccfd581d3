"""Results as scikit-learn and lifelines have them: predictions for a frame of new people, and figures."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

from protocols.core.errors import InputError, SpecError
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.results.prediction import Fitted
from tests.lib.drawn_sites import SPLITS, a_site, study_of

mpl.use("agg")
GRID = {"step_days": 60, "until_days": 1200}
SPECS: dict[str, dict[str, Any]] = {
    "logistic": {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "f_one"]},
    "cox": {
        "protocol": "cox",
        "outcome": "os",
        "covariates": ["age", "idh1"],
        "ties": "breslow",
        "grid": GRID,
    },
    "linear": {"protocol": "linear", "outcome": "f_two", "covariates": ["age", "f_one"]},
    "glm": {"protocol": "glm", "family": "poisson", "outcome": "relapses", "covariates": ["age"]},
    "mixed": {"protocol": "mixed", "outcome": "f_one", "covariates": ["age"]},
    "levels": {"protocol": "multinomial", "outcome": "response", "levels": [0, 1, 2], "covariates": ["age"]},
    "combat": {"protocol": "combat", "features": ["f_one", "f_two"], "batch": "scanner"},
    "pca": {"protocol": "pca", "features": ["f_one", "f_two", "age"], "components": 2},
    "curves": {"protocol": "kaplan_meier", "outcome": "os", "by": "idh1", "grid": GRID},
    "roc": {"protocol": "discrimination", "model": None, "scheme": {"kind": "folds", "of": 2}},
    "worth": {"protocol": "decision_curve", "models": None, "scheme": {"kind": "folds", "of": 2}},
    "scan": {"protocol": "associate", "features": ["f_one", "f_two"], "outcomes": ["age"]},
    "ages": {"protocol": "histogram", "of": "age", "edges": [20, 50, 80]},
}
SPECS["roc"]["model"] = SPECS["logistic"]
SPECS["worth"]["models"] = {"one": SPECS["logistic"]}
NAMES = list(SPECS)
TABLES = SPLITS["unequal sites"]


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run_locally(study_of(*SPECS.values()), TABLES, secure=False)


def fitted(outcome: Outcome, name: str) -> Fitted:
    found = f"a{NAMES.index(name)}"
    return Fitted(study_of(*SPECS.values()).spec(found), outcome[found])


def frame(table: object = None) -> pd.DataFrame:
    """Thirty people of a hospital that took no part, one of whom misses a number."""
    new = a_site("new", 30, 77)
    columns = {**dict(new.columns), "scanner": new.label("scanner")}
    return pd.DataFrame(columns).assign(age=lambda f: f.age.where(f.index != 3))


def pooled() -> pd.DataFrame:
    return pd.concat([pd.DataFrame(dict(t.columns)).assign(site=t.site) for t in TABLES])


def test_probabilities_are_those_of_scikit_learn(outcome: Outcome) -> None:
    rows, names = pooled(), ["age", "f_one"]
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(rows[names], rows.idh1)
    new, ours = frame(), fitted(outcome, "logistic")
    p = ours.predict_proba(new)
    known = new.age.notna()
    # lbfgs stops within about 1e-4 of the maximum in the log odds.
    np.testing.assert_allclose(p[known], other.predict_proba(new[known][names]), atol=1e-4)
    assert np.isnan(p[3]).all()
    assert np.isnan(ours.predict(new)[3])
    np.testing.assert_array_equal(ours.predict(new)[known], (p[known, 1] > 0.5).astype(float))


def test_hazards_and_survival_are_those_of_lifelines(outcome: Outcome) -> None:
    rows = pooled()[["age", "idh1", "os.time", "os.event", "site"]]
    other = CoxPHFitter().fit(rows, "os.time", "os.event", strata=["site"])
    new, ours = frame().dropna(), fitted(outcome, "cox")
    relative = ours.predict_partial_hazard(new) / ours.predict_partial_hazard(new).iloc[0]
    theirs = other.predict_partial_hazard(new.assign(site="a"))
    np.testing.assert_allclose(relative, theirs / theirs.iloc[0], rtol=1e-6)  # lifelines stops at about 1e-7
    curves = ours.predict_survival_function(new, [120, 600])
    assert curves.shape == (2, len(new))
    assert list(curves.index) == [120, 600]
    direct = outcome["a1"].survival(new[["age", "idh1"]], [120, 600])
    np.testing.assert_allclose(curves.to_numpy().T, direct, rtol=1e-12)
    with pytest.raises(SpecError, match="grid"):
        ours.predict_survival_function(new, [121])


def test_regressions_predict_their_means(outcome: Outcome) -> None:
    new = frame().dropna()
    linear, glm, mixed, levels = (outcome[f"a{NAMES.index(n)}"] for n in ("linear", "glm", "mixed", "levels"))
    expected = linear.coef[0] + new[["age", "f_one"]].to_numpy() @ linear.coef[1:]
    np.testing.assert_allclose(fitted(outcome, "linear").predict(new), expected)
    np.testing.assert_allclose(
        fitted(outcome, "glm").predict(new), np.exp(glm.coef[0] + glm.coef[1] * new.age), rtol=1e-12
    )
    at_a = mixed.predict(new[["age"]].to_numpy(), site="a")
    np.testing.assert_allclose(at_a - fitted(outcome, "mixed").predict(new), mixed.site_effects["a"])
    chances = fitted(outcome, "levels").predict_proba(new)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    odds = np.log(chances[:, 1] / chances[:, 0])
    np.testing.assert_allclose(odds, levels.coef[0, 0] + levels.coef[0, 1] * new.age, rtol=1e-9)
    assert set(fitted(outcome, "levels").predict(new)) <= {0.0, 1.0, 2.0}


def test_a_batch_that_no_site_had_is_harmonized_from_its_own_people(outcome: Outcome) -> None:
    """CombatResult of sites a, b, c; scanners new-0 and new-1 are unseen, and their shift is gone."""
    new = frame()
    after = fitted(outcome, "combat").transform(new)
    shift = new.groupby("scanner").f_two.mean()
    left = after.groupby("scanner").f_two.mean()
    assert abs(left.diff().iloc[1]) < 0.5 * abs(shift.diff().iloc[1])
    assert after.columns.tolist() == new.columns.tolist()


def test_scores_of_components_come_as_columns(outcome: Outcome) -> None:
    after = fitted(outcome, "pca").transform(frame())
    assert {"pc1", "pc2"} <= set(after.columns)
    assert np.isnan(after.pc1[3])


def test_what_gives_no_probability_says_so(outcome: Outcome) -> None:
    with pytest.raises(SpecError, match="gives no probability"):
        fitted(outcome, "pca").predict_proba(frame())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "combat"])
def test_results_draw_themselves(outcome: Outcome, name: str) -> None:
    axes = outcome[f"a{NAMES.index(name)}"].plot()
    assert axes.has_data()
    given = Figure().subplots()
    assert outcome[f"a{NAMES.index(name)}"].plot(given) is given


def test_a_result_without_a_figure_names_its_table(outcome: Outcome) -> None:
    with pytest.raises(InputError) as caught:
        outcome[f"a{NAMES.index('combat')}"].plot()
    assert "summary()" in caught.value.fix
