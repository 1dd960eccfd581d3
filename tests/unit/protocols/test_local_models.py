"""One classifier per site, averaged: objects handed in, what is refused, who gives nothing, fusion."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.protocol import parse_spec
from protocols.exchange.local import run_locally
from protocols.learning.local_models import LocalModels, LocalModelsSpec
from protocols.results.prediction import Fitted
from tests.lib.drawn_sites import SPLITS, a_site, study_of

COVARIATES = ["age", "f_one"]
TABLES = SPLITS["unequal sites"]
SPEC = {"protocol": "local_models", "outcome": "idh1", "covariates": COVARIATES}


def with_classifier(classifier: object) -> LocalModelsSpec:
    return LocalModelsSpec(outcome="idh1", covariates=tuple(COVARIATES), classifier=classifier)  # type: ignore[arg-type]


def new() -> pd.DataFrame:
    return pd.DataFrame(dict(a_site("new", 30, 77).columns))


def mean_log_odds(estimator: Any) -> np.ndarray:
    """(30,) by scikit-learn alone: a pipeline per site on columns standardized over all of them."""
    rows = pd.concat([pd.DataFrame(dict(t.columns))[COVARIATES] for t in TABLES])
    scaler = StandardScaler().fit(rows.to_numpy())
    x_new, total, people = scaler.transform(new()[COVARIATES].to_numpy()), np.zeros(30), 0
    for table in TABLES:
        x, y = scaler.transform(table.matrix(COVARIATES)), table.column("idh1")
        total += len(y) * estimator.fit(x, y).decision_function(x_new)
        people += len(y)
    return total / people


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(C=0.3, tol=1e-10, max_iter=10_000),
        LogisticRegression(class_weight="balanced", tol=1e-10, max_iter=10_000),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5),
    ],
)
def test_the_ensemble_is_the_mean_of_the_sites_own_estimators(estimator: Any) -> None:
    spec = with_classifier(estimator)
    study = study_of(spec.model_dump(mode="json"))
    model = Fitted(study.spec("a0"), run_locally(study, TABLES)["a0"])
    p = model.predict_proba(new())[:, 1]
    # lbfgs, which the estimator names, stops a little before the maximum that a site finds
    np.testing.assert_allclose(np.log(p / (1 - p)), mean_log_odds(estimator), rtol=1e-3, atol=1e-3)
    assert model.result.models == len(TABLES)
    np.testing.assert_allclose(model.estimator().predict_proba(new()[COVARIATES])[:, 1], p, rtol=1e-10)


def test_an_object_is_the_same_study_as_its_settings() -> None:
    handed_in = with_classifier(LogisticRegression(C=0.5, solver="saga", max_iter=7))
    written = parse_spec({**SPEC, "classifier": {"kind": "LogisticRegression", "C": 0.5}})
    assert handed_in == written
    assert parse_spec(handed_in.model_dump(mode="json")) == written


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (RandomForestClassifier(), "RandomForestClassifier cannot be trained per site"),
        (KNeighborsClassifier(), "KNeighborsClassifier cannot"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "Pipeline cannot"),
        (LogisticRegression(l1_ratio=1.0, solver="saga"), "without l1_ratio"),
        (LogisticRegression(fit_intercept=False), "without fit_intercept"),
        (LogisticRegression(class_weight={0: 1.0, 1: 9.0}), "balanced"),
        (LogisticRegression(C=np.inf), "less than or equal"),
        (LinearDiscriminantAnalysis(shrinkage="auto"), "valid number"),
    ],
)
def test_what_cannot_be_trained_per_site_is_refused_when_the_study_is_written(
    estimator: object, reason: str
) -> None:
    with pytest.raises(ValidationError, match=reason):
        with_classifier(estimator)


def test_a_site_with_few_people_of_a_class_gives_nothing() -> None:
    spec = with_classifier(LogisticRegression())
    rare = a_site("a", 60, 1)
    with_outcome = np.flatnonzero(rare.column("idh1") == 1)
    y = np.zeros(60)
    y[with_outcome[:4]] = 1.0
    tables = [rare.with_columns({"idh1": y}), *TABLES[1:]]
    both = run_locally(study_of(spec.model_dump(mode="json")), tables)["a0"]
    assert both.models == len(TABLES) - 1
    assert both.n == sum(len(t) for t in TABLES[1:])


def test_a_site_with_few_people_for_its_coefficients_has_no_model() -> None:
    table = a_site("a", 20, 3)
    shift, scale = np.zeros(6), np.ones(6)
    spec = LocalModelsSpec(outcome="idh1", covariates=("age", "f_one", "f_two", "f_three", "sex", "relapses"))
    said = LocalModels.train(spec, table, shift=shift, scale=scale)
    assert not any(array.any() for array in said.values())


def test_where_no_site_has_a_model_there_is_no_ensemble() -> None:
    tables = [t.with_columns({"idh1": np.zeros(len(t))}) for t in TABLES]
    found = run_locally(study_of(SPEC), tables).results["a0"]
    assert isinstance(found, Failure)
    assert found.code == Code.WITHHELD


def test_an_expert_of_fusion_may_be_one_model_per_site() -> None:
    image = {
        **with_classifier(LogisticRegression(C=0.5)).model_dump(mode="json"),
        "covariates": ["f_one", "f_two"],
    }
    clinic = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "sex"]}
    fused = {
        "protocol": "fusion",
        "outcome": "idh1",
        "experts": {"clinic": clinic, "image": image},
        "folds": 3,
    }
    judged = {"protocol": "discrimination", "model": fused, "scheme": {"kind": "folds", "of": 2}}
    outcome = run_locally(study_of(fused, judged, {**judged, "model": clinic}), TABLES)
    assert outcome["a0"].experts["image.coef"].shape == (3,)
    assert 0.5 < outcome["a1"].auc < 1


@pytest.mark.parametrize("unit", [1e-9, 1e12])
def test_the_probabilities_do_not_hang_on_the_unit_of_a_covariate(unit: float) -> None:
    """1e-9: a feature in metres, 1e12: an energy. The plain sums of squares of neither fit a secure sum."""
    others = [table.with_columns({"f_one": table.column("f_one") * unit}) for table in TABLES]
    own, other = (run_locally(study_of(SPEC), tables)["a0"] for tables in (TABLES, others))
    np.testing.assert_allclose(other.coef * [1, 1, unit], own.coef, rtol=1e-6)
