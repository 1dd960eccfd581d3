"""Penalized logistic regression: a path in the rounds of one fit, optimal, and sparse."""

import numpy as np
from scipy.special import expit

from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.regression.penalized_logistic import PenalizedLogisticResult
from tests.lib.drawn_sites import a_site, study_of

SITES = [a_site("a", 150, 1), a_site("b", 60, 2), a_site("c", 90, 3)]
COVARIATES = ["age", "f_one", "f_two", "f_three", "sex"]


def path(**changes: object) -> Outcome:
    spec = {"protocol": "penalized_logistic", "outcome": "idh1", "covariates": COVARIATES, **changes}
    return run_locally(study_of(spec), SITES)


def test_a_path_of_twenty_takes_the_rounds_of_one_fit() -> None:
    assert path(l1_ratio=0.5).rounds <= 9


def test_the_path_begins_with_none_and_is_optimal() -> None:
    found: PenalizedLogisticResult = path()["a0"]
    assert found.nonzero[0] == 0
    assert found.nonzero[-1] == len(COVARIATES)
    x = np.concatenate([t.matrix(COVARIATES) for t in SITES])
    y = np.concatenate([t.column("idh1") for t in SITES])
    mean = expit(found.intercept + x @ found.coef.T)
    slope = x.T @ (y[:, None] - mean) / x.std(axis=0)[:, None] / len(y)
    off = np.abs(slope - found.lambdas * np.sign(found.coef.T))
    zero = found.coef.T == 0
    assert off[~zero].max() < 1e-11
    assert (np.abs(slope) <= found.lambdas * (1 + 1e-8))[zero].all()


def test_the_choice_has_the_least_bic() -> None:
    found: PenalizedLogisticResult = path()["a0"]
    assert found.chosen == int(np.argmin(found.bic))
    assert found.summary().chosen.sum() == 1
