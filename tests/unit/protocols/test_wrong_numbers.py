"""Numbers that an analysis cannot use are a code, and those that bias an answer stand beside it."""

from typing import Any

import numpy as np
import pytest

from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.protocol import Ask
from protocols.estimation.draws import Draws
from protocols.exchange.local import run_locally
from protocols.exchange.site_answer import answer
from protocols.preparation.posterior import inverse, regression_draw, scattered
from tests.lib.drawn_sites import SPLITS, study_of

TABLES = SPLITS["unequal sites"]
LOGISTIC = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}


@pytest.mark.parametrize(
    "spec",
    [
        LOGISTIC,
        {**LOGISTIC, "protocol": "penalized_logistic", "lambdas": [0.1]},
        {**LOGISTIC, "protocol": "glm", "family": "probit"},
        {"protocol": "discrimination", "model": LOGISTIC, "scheme": {"kind": "folds", "of": 3}},
    ],
    ids=lambda spec: spec["protocol"],
)
def test_an_outcome_that_is_neither_0_nor_1_is_refused(spec: dict[str, Any]) -> None:
    """R's glm: y values must be 0 <= y <= 1."""
    coded = [table.with_columns({"idh1": table.column("idh1") + 1}) for table in TABLES]
    with pytest.raises(StudyError) as caught:
        run_locally(study_of(spec), coded)["a0"]
    assert caught.value.code is Code.INVALID_INPUT


def test_a_model_that_knows_nothing_has_an_auc_of_a_half_by_fold() -> None:
    """Pooled over folds it is below: a fold with more cases was judged by a model of fewer."""
    rng = np.random.default_rng(3)
    tables = [t.with_columns({"age": rng.normal(60, 1e-3, len(t))}) for t in TABLES]
    spec = {
        "protocol": "discrimination",
        "model": {**LOGISTIC, "protocol": "penalized_logistic", "lambdas": [10.0]},
        "scheme": {"kind": "folds", "of": 5},
    }
    found = run_locally(study_of(spec), tables)["a0"]
    assert found.auc < 0.5
    assert found.auc_by_fold == pytest.approx(0.5)


def test_singular_predictors_of_an_imputation_are_a_code() -> None:
    singular = np.array([[1.0, 1.0], [1.0, 1.0]])
    for found in (lambda: inverse(singular), lambda: scattered(-singular, Draws(b"", 0))):
        with pytest.raises(StudyError, match="combinations"):
            found()
    with pytest.raises(StudyError, match="do not vary"):
        regression_draw(np.zeros((3, 3)), 20, Draws(b"", 0))


@pytest.mark.parametrize(
    "arrays",
    [{"unit": np.array([0.3])}, {"shift": np.zeros(2)}, {"other": np.zeros(1)}, {"unit": np.zeros(1)}],
)
def test_sums_are_asked_on_powers_of_two_alone(arrays: dict[str, Any]) -> None:
    """Any other scale could be chosen so that a site's flag tells how large its sum is."""
    with pytest.raises(SiteError) as caught:
        answer(study_of(LOGISTIC), TABLES[0], Ask("moments", arrays, analysis="a0"), Thresholds())
    assert caught.value.code is Code.WITHHELD
