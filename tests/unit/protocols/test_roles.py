"""What an analysis can do for others is declared: a study that asks for more is refused when it is parsed."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from protocols import CATALOGUE
from protocols.core import roles
from protocols.core.errors import Code, InputError
from protocols.core.protocol import FederatedProtocol, protocol
from protocols.core.study import parse_study
from tests.lib.drawn_sites import study_of

LOGISTIC = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}
LINEAR = {"protocol": "linear", "outcome": "f_one", "covariates": ["age"]}
CURVES = {"protocol": "kaplan_meier", "outcome": "os", "grid": {"step_days": 30, "until_days": 900}}
GRID = {"step_days": 60, "until_days": 1200}
COX = {"protocol": "cox", "outcome": "os", "covariates": ["age"]}
HARMONIZE = {"protocol": "combat", "features": ["f_one", "f_two"]}
POISSON = {"protocol": "glm", "family": "poisson", "outcome": "relapses", "covariates": ["age"]}
TUNED_COX = {
    "protocol": "tune",
    "candidates": {"one": {**COX, "grid": GRID}, "two": {**COX, "covariates": ["f_one"], "grid": GRID}},
}
TUNED = {"protocol": "tune", "candidates": {"one": LOGISTIC, "two": {**LOGISTIC, "covariates": ["f_one"]}}}
SURVIVAL = {"protocol": "survival_validation", "days": [360]}
HALVES: Mapping[type[roles.Role], type[Any]] = {
    roles.PredictsProbability: roles.ProbabilityModel,
    roles.PredictsSurvival: roles.SurvivalModel,
    roles.Transforms: roles.ColumnTransform,
}


def fault(*specs: Mapping[str, Any]) -> str:
    """Why a study of these analyses is not parsed; each comes after those before it that it names."""
    study = study_of(LOGISTIC).model_dump(mode="json", by_alias=True)
    study["analyses"] = [
        {
            "name": f"a{i}",
            "spec": {k: v for k, v in spec.items() if k != "after"},
            "after": spec.get("after", []),
        }
        for i, spec in enumerate(specs)
    ]
    with pytest.raises(InputError) as caught:
        parse_study(json.dumps(study).encode())
    assert caught.value.code == Code.INVALID_STUDY
    return caught.value.text


@pytest.mark.parametrize("model", [CURVES, LINEAR, HARMONIZE, {**COX, "grid": GRID}])
def test_discrimination_is_of_models_that_give_probabilities(model: Mapping[str, Any]) -> None:
    text = fault({"protocol": "discrimination", "model": model})
    assert f"model: {model['protocol']} does not give the probability of a 0/1 outcome" in text
    able = {*text.partition("these protocols do: ")[2].partition(";")[0].split(", ")}
    assert {"boosting", "glm", "logistic", "tune"} <= able <= CATALOGUE.keys() - {model["protocol"]}


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (POISSON, "`family: poisson` gives no probability"),
        ({"protocol": "boosting", "outcome": "age", "covariates": ["f_one"], "loss": "squared"}, "squared"),
        ({"protocol": "neural", "outcome": "age", "covariates": ["f_one"], "loss": "squared"}, "squared"),
        (TUNED_COX, "its candidates predict survival"),
    ],
)
def test_a_model_whose_settings_give_no_probability_is_refused_with_the_setting(
    model: Mapping[str, Any], why: str
) -> None:
    assert why in fault({"protocol": "discrimination", "model": model})
    assert why in fault({"protocol": "decision_curve", "models": {"one": model}})


def test_what_comes_before_a_model_changes_columns() -> None:
    text = fault({"protocol": "discrimination", "model": LOGISTIC, "prepare": [LOGISTIC]})
    assert "prepare.0: logistic does not change columns; these protocols do: " in text


def test_an_analysis_comes_after_one_that_changes_columns() -> None:
    text = fault(LINEAR, {**LOGISTIC, "after": ["a0"]})
    assert "analysis a1 comes after a0, but linear does not change columns" in text


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (COX, "needs a `grid`"),
        ({**COX, "grid": GRID, "episodes": True}, "remove `episodes`"),
        (LOGISTIC, "logistic does not predict survival; these protocols do: "),
        (TUNED, "its candidates give probabilities"),
    ],
)
def test_survival_is_validated_of_models_that_predict_it(model: Mapping[str, Any], why: str) -> None:
    assert why in fault({**SURVIVAL, "model": model})
    assert why in fault({"protocol": "survival_decision_curve", "models": {"one": model}, "day": 360})


@pytest.mark.parametrize("model", [CURVES, {"protocol": "mixed", "outcome": "age", "covariates": ["f_one"]}])
def test_imputations_are_pooled_over_models_with_a_covariance(model: Mapping[str, Any]) -> None:
    text = fault({"protocol": "multiple_imputation", "model": model, "norm": ["age"], "predictors": ["sex"]})
    assert "these protocols do: cox, glm, linear, logistic" in text


def test_a_lasso_without_standard_errors_is_not_pooled_over_imputations() -> None:
    lasso = {**COX, "penalty": 0.1, "l1_ratio": 1}
    text = fault({"protocol": "multiple_imputation", "model": lasso, "norm": ["age"], "predictors": ["sex"]})
    assert "model: cox cannot be used here: the lasso and the elastic net have no standard errors" in text


def test_experts_and_candidates_are_models() -> None:
    assert "kaplan_meier does not give" in fault(
        {"protocol": "fusion", "outcome": "idh1", "experts": {"one": LOGISTIC, "two": CURVES}}
    )
    assert "kaplan_meier does not give" in fault(
        {"protocol": "tune", "candidates": {"one": LOGISTIC, "two": CURVES}}
    )


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_a_role_has_both_its_halves(name: str) -> None:
    """The spec declares it and the protocol has its method; multiple imputation changes tables for itself."""
    found: FederatedProtocol[Any, Any] = protocol(name)
    for role, half in HALVES.items():
        if name != "multiple_imputation" or role is not roles.Transforms:
            assert issubclass(found.spec_type, role) == isinstance(found, half), role
    own = {method for half in HALVES.values() if isinstance(found, half) for method in vars(half)}
    for method in own & {"score", "risks", "transform"}:
        assert method in vars(type(found)), f"{name} declares a role and lacks its {method}"
