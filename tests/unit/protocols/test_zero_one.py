"""An outcome that is not 0 or 1 is no share of people: a model of probabilities refuses it."""

import importlib.util
from typing import Any

import numpy as np
import pytest

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.lib.studies import a_study_of

MODELS: list[dict[str, Any]] = [
    {"protocol": "boosting", "trees": 2, "depth": 2},
    {"protocol": "forest", "trees": 2, "depth": 2},
    {"protocol": "local_models"},
    {"protocol": "logistic"},
    {"protocol": "penalized_logistic", "number": 3},
    {"protocol": "glm", "family": "probit"},
    {"protocol": "neural", "rounds": 2},
]


def table(site: str, seed: int, *, wrong: float) -> AnalysisTable:
    random = np.random.default_rng(seed)
    x = random.normal(size=120)
    y = random.choice([0.0, 1.0, wrong], size=120)
    return AnalysisTable(site, np.arange(120) + 1000 * seed, {"x": x, "y": y})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model["protocol"])
@pytest.mark.parametrize("wrong", [2.0, 0.5, -1.0])
def test_a_model_of_probabilities_refuses_another_outcome(model: dict[str, Any], wrong: float) -> None:
    if model["protocol"] == "neural" and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: pip install 'shadowgraph[neural]'")
    study = a_study_of(["x", "y"], {"name": "m", "spec": {**model, "outcome": "y", "covariates": ["x"]}})
    found = run_locally(study, [table(site, i, wrong=wrong) for i, site in enumerate("abc")]).results["m"]
    assert isinstance(found, Failure)
    assert found.code is Code.INVALID_INPUT
