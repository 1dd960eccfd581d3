"""scikit-learn's and lifelines' own objects with federated numbers predict as we do, and as pooled fits.

Against our own predictions 1e-10. Against a library's fit on pooled rows to what the library itself iterates.
"""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from matplotlib.figure import Figure
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from protocols.core.errors import SpecError
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.learning.neural_model import predicted
from protocols.results.prediction import Fitted, table_of
from tests.lib.drawn_sites import SPLITS, a_site, study_of
from tests.lib.extras import NEEDS_TORCH

mpl.use("agg")
GRID = {"step_days": 60, "until_days": 1200}
PATH = {"l1_ratio": 1.0, "lambdas": [0.5, 0.2]}
SPECS: dict[str, dict[str, Any]] = {
    "logistic": {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "f_one"]},
    "penalized": {
        "protocol": "penalized_logistic",
        "outcome": "idh1",
        "covariates": ["age", "f_one", "f_two"],
        "l1_ratio": 0.5,
        "lambdas": [0.1, 0.03],
        "standardize": False,
    },
    "levels": {
        "protocol": "multinomial",
        "outcome": "response",
        "levels": [2, 0, 1],
        "covariates": ["age", "f_one"],
    },
    "linear": {"protocol": "linear", "outcome": "f_two", "covariates": ["age", "f_one"], "penalty": PATH},
    "ridge": {
        "protocol": "linear",
        "outcome": "f_two",
        "covariates": ["age", "f_one"],
        "penalty": {**PATH, "l1_ratio": 0.0},
    },
    "net": {
        "protocol": "linear",
        "outcome": "f_two",
        "covariates": ["age", "f_one"],
        "penalty": {**PATH, "l1_ratio": 0.5},
    },
    "own": {"protocol": "linear", "outcome": "f_two", "covariates": ["age"], "intercepts": "site"},
    "counts": {"protocol": "glm", "family": "poisson", "outcome": "relapses", "covariates": ["age"]},
    "probit": {"protocol": "glm", "family": "probit", "outcome": "idh1", "covariates": ["age"]},
    "mixed": {"protocol": "mixed", "outcome": "f_one", "covariates": ["age"]},
    "pca": {"protocol": "pca", "features": ["f_one", "f_two", "age"], "components": 2},
    "raw": {"protocol": "pca", "features": ["f_one", "f_two", "age"], "components": 2, "scale": False},
    "pls": {"protocol": "pls", "x": ["age", "f_one", "f_two"], "y": ["f_three", "sex"], "components": 2},
    "cox": {
        "protocol": "cox",
        "outcome": "os",
        "covariates": ["age", "idh1"],
        "stratify": "none",
        "ties": "breslow",
        "grid": GRID,
    },
    "exact": {"protocol": "cox", "outcome": "os", "covariates": ["age", "idh1"]},
    "short": {"protocol": "cox", "outcome": "os", "covariates": ["age", "idh1"], "robust": True},
    "lasso": {
        "protocol": "cox",
        "outcome": "os",
        "covariates": ["age", "idh1"],
        "penalty": 0.1,
        "l1_ratio": 1,
    },
    "curves": {"protocol": "kaplan_meier", "outcome": "os", "by": "idh1", "grid": GRID},
    "log": {"protocol": "kaplan_meier", "outcome": "os", "interval": "log", "grid": GRID, "level": 0.9},
    "late": {"protocol": "kaplan_meier", "outcome": "os", "entry": "age", "grid": GRID},
    "tests": {"protocol": "log_rank", "outcome": "os", "by": "sex"},
}
TABLES = SPLITS["unequal sites"]


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run_locally(study_of(*SPECS.values()), TABLES, secure=False)


def fitted(outcome: Outcome, name: str) -> Fitted:
    found = f"a{list(SPECS).index(name)}"
    return Fitted(study_of(*SPECS.values()).spec(found), outcome[found])


def new() -> pd.DataFrame:
    """Thirty people of a hospital that took no part."""
    return pd.DataFrame(dict(a_site("new", 30, 77).columns))


def pooled() -> pd.DataFrame:
    return pd.concat([pd.DataFrame(dict(t.columns)).assign(site=t.site) for t in TABLES], ignore_index=True)


def columns(name: str) -> list[str]:
    spec = SPECS[name]
    return list(spec.get("covariates") or spec.get("features") or spec["x"])


def by_step_end(days: pd.Series) -> pd.Series:
    """Days at the end of their interval of the grid."""
    return np.ceil(days / GRID["step_days"]) * GRID["step_days"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("linear", LinearRegression), ("mixed", LinearRegression), ("counts", PoissonRegressor)],
)
def test_a_regression_predicts_as_we_do(outcome: Outcome, name: str, kind: type) -> None:
    model, x = fitted(outcome, name), new()
    theirs = model.estimator()
    assert type(theirs) is kind
    np.testing.assert_allclose(theirs.predict(x[columns(name)]), model.predict(x), rtol=1e-10)


@pytest.mark.parametrize("name", ["logistic", "penalized", "levels"])
def test_a_classifier_gives_our_probabilities(outcome: Outcome, name: str) -> None:
    model, x = fitted(outcome, name), new()
    theirs = model.estimator()
    assert type(theirs) is LogisticRegression
    found = pd.DataFrame(theirs.predict_proba(x[columns(name)]), columns=theirs.classes_)
    ours = pd.DataFrame(model.predict_proba(x), columns=[float(c) for c in SPECS[name].get("levels", (0, 1))])
    np.testing.assert_allclose(found[ours.columns], ours, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(theirs.predict(x[columns(name)]), model.predict(x))


def test_two_levels_are_those_of_two_classes() -> None:
    spec = {"protocol": "multinomial", "outcome": "idh1", "levels": [1, 0], "covariates": ["age"]}
    study = study_of(spec)
    model = Fitted(study.spec("a0"), run_locally(study, TABLES, secure=False)["a0"])
    theirs = model.estimator()
    np.testing.assert_allclose(
        theirs.predict_proba(new()[["age"]])[:, ::-1], model.predict_proba(new()), rtol=1e-10
    )


def test_the_libraries_on_pooled_rows_end_where_the_sites_did(outcome: Outcome) -> None:
    rows = pooled()
    for name, target, theirs, tolerance in (
        ("logistic", "idh1", LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000), 1e-4),
        ("linear", "f_two", LinearRegression(), 1e-9),
        ("counts", "relapses", PoissonRegressor(alpha=0, tol=1e-10, max_iter=10_000), 1e-4),
    ):
        ours, theirs = fitted(outcome, name).estimator(), theirs.fit(rows[columns(name)], rows[target])
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=tolerance, atol=1e-5)
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=tolerance, atol=1e-4)
        assert ours.coef_.shape == theirs.coef_.shape
        assert list(ours.feature_names_in_) == list(theirs.feature_names_in_)


def test_a_penalized_fit_without_scaling_is_scikit_learns_at_its_own_parameters(outcome: Outcome) -> None:
    ours = fitted(outcome, "penalized").estimator(penalty=0.03)
    names, rows = columns("penalized"), pooled()
    again = LogisticRegression(**{**ours.get_params(), "tol": 1e-8, "max_iter": 100_000, "random_state": 0})
    scale = rows[names].std(ddof=0)  # saga wants columns of one size; the penalty is on these columns
    with pytest.raises(SpecError, match="no penalty"):
        fitted(outcome, "penalized").estimator(penalty=0.5)
    again.fit(rows[names], rows.idh1)
    np.testing.assert_allclose(ours.coef_, again.coef_, atol=2e-3 * float(1 / scale.min()))


@pytest.mark.parametrize(("name", "kind"), [("linear", Lasso), ("ridge", Ridge), ("net", ElasticNet)])
def test_a_penalty_of_the_path_is_scikit_learns_on_standardized_columns(
    outcome: Outcome, name: str, kind: type
) -> None:
    ours, rows, x = fitted(outcome, name).estimator(penalty=0.2), pooled(), new()[columns(name)]
    assert type(ours) is kind
    theirs = make_pipeline(StandardScaler(), kind(**{**ours.get_params(), "tol": 1e-12}))
    theirs.fit(rows[columns(name)], rows.f_two)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-8)


@pytest.mark.parametrize("name", ["pca", "raw"])
def test_components_are_ours_and_those_of_pooled_rows(outcome: Outcome, name: str) -> None:
    model, x, rows = fitted(outcome, name), new(), pooled()[columns(name)]
    theirs = model.estimator()
    scores = theirs.transform(x[columns(name)])
    np.testing.assert_allclose(scores, model.transform(x)[["pc1", "pc2"]], rtol=1e-10, atol=1e-12)
    inner = theirs[-1] if name == "pca" else theirs
    scaled = (rows - rows.mean()) / rows.std() if name == "pca" else rows
    other = PCA(n_components=2, svd_solver="full").fit(scaled.to_numpy())
    for field in (
        "explained_variance_",
        "explained_variance_ratio_",
        "singular_values_",
        "noise_variance_",
    ):
        np.testing.assert_allclose(getattr(inner, field), getattr(other, field), rtol=1e-9)
    assert set(vars(other)) - {"_fit_svd_solver"} <= set(vars(inner)) | {"feature_names_in_"}


def test_partial_least_squares_predicts_and_scores_as_on_pooled_rows(outcome: Outcome) -> None:
    model, x, rows = fitted(outcome, "pls"), new(), pooled()
    theirs = model.estimator()
    other = PLSRegression(n_components=2, tol=1e-14, max_iter=10_000).fit(
        rows[columns("pls")], rows[["f_three", "sex"]]
    )
    np.testing.assert_allclose(theirs.predict(x[columns("pls")]), model.predict(x), rtol=1e-10)
    np.testing.assert_allclose(theirs.predict(x[columns("pls")]), other.predict(x[columns("pls")]), rtol=1e-7)
    made = model.transform(x)[list(model.spec.makes())].to_numpy()
    np.testing.assert_allclose(theirs.transform(x[columns("pls")]), made, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(abs(made), abs(other.transform(x[columns("pls")])), rtol=1e-6)


@pytest.mark.slow
@NEEDS_TORCH
@pytest.mark.parametrize(("loss", "target"), [("logistic", "idh1"), ("squared", "f_two")])
def test_a_network_predicts_as_ours(loss: str, target: str) -> None:
    spec = {
        "protocol": "neural",
        "outcome": target,
        "covariates": ["age", "f_one"],
        "loss": loss,
        "rounds": 2,
    }
    study = study_of({**spec, "strategy": "fedsgd", "hidden": [3, 2]})
    model = Fitted(study.spec("a0"), run_locally(study, TABLES, secure=False)["a0"])
    x, theirs = new(), model.estimator()
    if loss == "logistic":
        found = theirs.predict_proba(x[["age", "f_one"]])
        np.testing.assert_allclose(found, model.predict_proba(x), rtol=1e-10)
        np.testing.assert_array_equal(theirs.predict(x[["age", "f_one"]]), model.predict(x))
    else:
        ours = predicted(model.spec, table_of(x), **model.result.transform_arrays())
        np.testing.assert_allclose(theirs.predict(x[["age", "f_one"]]), ours, rtol=1e-10)


def test_what_the_library_has_no_estimator_for_says_so(outcome: Outcome) -> None:
    for name in ("own", "probit", "tests"):
        with pytest.raises(SpecError, match="scikit-learn has no estimator"):
            fitted(outcome, name).estimator()
    for name in ("logistic", "own"):
        with pytest.raises(SpecError, match="no path of penalties"):
            fitted(outcome, name).estimator(penalty=0.1)
        with pytest.raises(SpecError, match="lifelines has no fitter"):
            fitted(outcome, name).fitter()


def test_a_cox_fitter_predicts_as_we_do(outcome: Outcome) -> None:
    model, x = fitted(outcome, "cox"), new()
    theirs, days = model.fitter(), [60.0, 360.0, 1200.0]
    assert type(theirs) is CoxPHFitter
    found = theirs.predict_survival_function(x, times=days)
    np.testing.assert_allclose(found, model.predict_survival_function(x, days), rtol=1e-10)
    np.testing.assert_allclose(theirs.predict_partial_hazard(x), model.predict_partial_hazard(x), rtol=1e-10)
    assert theirs.predict_median(x).between(0, np.inf).all()


def test_a_cox_fitter_sums_up_as_that_of_pooled_rows(outcome: Outcome) -> None:
    """lifelines stops Newton at about 1e-7."""
    ours, rows = fitted(outcome, "exact").fitter(), pooled()[["os.time", "os.event", "age", "idh1", "site"]]
    theirs = CoxPHFitter().fit(rows, "os.time", "os.event", strata=["site"])
    pd.testing.assert_frame_equal(ours.summary, theirs.summary, rtol=1e-5)
    pd.testing.assert_frame_equal(ours.variance_matrix_, theirs.variance_matrix_, rtol=1e-5)
    assert ours.log_likelihood_ == pytest.approx(theirs.log_likelihood_, rel=1e-9)
    assert ours.AIC_partial_ == pytest.approx(theirs.AIC_partial_, rel=1e-9)
    result, test = fitted(outcome, "exact").result, ours.log_likelihood_ratio_test()
    assert test.test_statistic == pytest.approx(result.likelihood_ratio, rel=1e-9)
    assert test.p_value == pytest.approx(result.likelihood_ratio_p, rel=1e-9)


def test_a_cox_fitter_prints_and_draws(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cox", "short", "lasso"):
        fitter = fitted(outcome, name).fitter()
        fitter.print_summary(style="ascii")
        said = capsys.readouterr().out
        result = fitted(outcome, name).result
        assert f"number of observations = {result.n}" in said
        assert f"number of events observed = {result.n_events}" in said
        assert ("robust variance" in said) == (name == "short")
        assert ("penalizer" in said) == (name == "lasso")
    figure = Figure()
    assert fitted(outcome, "cox").fitter().plot(ax=figure.subplots()).has_data()
    axes = (
        fitted(outcome, "cox").fitter().plot_partial_effects_on_outcome("age", [40, 60], ax=figure.subplots())
    )
    assert len(axes.lines) == 3


def test_without_a_grid_a_cox_fitter_predicts_no_survival(outcome: Outcome) -> None:
    fitter, x = fitted(outcome, "short").fitter(), new()
    direct = np.exp(x[["age", "idh1"]] @ fitted(outcome, "short").result.coef)
    np.testing.assert_allclose(fitter.predict_partial_hazard(x), direct, rtol=1e-10)
    with pytest.raises(AttributeError):
        fitter.predict_survival_function(x)
    with pytest.raises(SpecError, match="lifelines has no fitter"):
        fitted(outcome, "short").fitter("women")


def test_a_curve_is_our_curve(outcome: Outcome) -> None:
    for name in ("curves", "log", "late"):
        model = fitted(outcome, name)
        for g, group in enumerate(model.result.groups):
            fitter, shown = model.fitter(group), model.result.at_risk[g] >= 0
            assert type(fitter) is KaplanMeierFitter
            survival = fitter.survival_function_at_times(model.result.days[shown])
            np.testing.assert_allclose(survival, model.result.survival[g, shown], rtol=1e-10)
            inside = ~np.isnan(model.result.lower[g]) & shown
            bounds = fitter.confidence_interval_.loc[model.result.days[inside]].to_numpy()
            ours = np.column_stack([model.result.lower[g, inside], model.result.upper[g, inside]])
            np.testing.assert_allclose(bounds, ours, rtol=1e-10)
            at_risk = fitter.event_table.loc[model.result.days[shown][model.result.events[g, shown] > 0]]
            np.testing.assert_array_equal(
                at_risk["observed"], model.result.events[g, shown][model.result.events[g, shown] > 0]
            )


def test_a_curve_is_lifelines_own_of_pooled_rows_at_the_ends_of_their_intervals(outcome: Outcome) -> None:
    fitter, rows = fitted(outcome, "curves").fitter("idh1=1"), pooled()
    rows = rows[(rows.idh1 == 1) & ((rows["os.time"] > 0) | (rows["os.event"] == 1))]
    other = KaplanMeierFitter().fit(by_step_end(rows["os.time"]).clip(lower=60), rows["os.event"])
    known = fitter.timeline[fitter.timeline < 1200]
    np.testing.assert_allclose(
        fitter.survival_function_at_times(known), other.survival_function_at_times(known), rtol=1e-10
    )
    bounds = other.confidence_interval_.reindex(known, method="ffill").to_numpy()
    np.testing.assert_allclose(fitter.confidence_interval_.loc[known], bounds, rtol=1e-10)
    assert fitter.plot_survival_function(ax=Figure().subplots()).has_data()
    with pytest.raises(SpecError, match="known: idh1=0, idh1=1"):
        fitted(outcome, "curves").fitter()
