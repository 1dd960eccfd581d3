"""Penalized logistic regression: a path in the rounds of one fit, optimal, and sparse."""

import numpy as np
import pytest
from scipy.special import expit

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
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
    outcome = path(l1_ratio=0.5)
    assert outcome["a0"].evaluations <= 8
    assert outcome.rounds <= 10  # with those of the people, of scales and of the end


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


def separated(**changes: object) -> Outcome:
    """Three sites where the sign of `f_one` is the outcome."""
    spec = {"protocol": "penalized_logistic", "outcome": "idh1", "covariates": ["f_one", "f_two"], **changes}
    return run_locally(study_of(spec), [_separated(site, seed) for seed, site in enumerate("abc")])


def _separated(site: str, seed: int) -> AnalysisTable:
    table = a_site(site, 60, seed + 1)
    f_one = np.random.default_rng(seed).normal(size=60)
    return table.with_columns({"f_one": f_one, "idh1": (f_one > 0).astype(float)})


def test_the_path_ends_where_the_penalties_no_longer_hold_a_separation() -> None:
    """As glmnet's does. The minima before the end are those of the same penalties asked alone."""
    found: PenalizedLogisticResult = separated()["a0"]
    assert 1 < len(found.lambdas) < 20
    assert len(found.lambdas) + len(found.not_reached) == 20
    assert found.not_reached.max() < found.lambdas.min()
    alone = separated(lambdas=found.lambdas.tolist())["a0"]
    np.testing.assert_allclose(found.coef, alone.coef, rtol=1e-9, atol=1e-12)
    assert "The path ends there" in found.figure().caption


@pytest.mark.parametrize("penalty", [1e-4, 1e-9])
def test_a_penalty_that_holds_nothing_alone_is_an_error(penalty: float) -> None:
    found = separated(lambdas=[penalty]).results["a0"]
    assert isinstance(found, Failure)
    assert found.code == Code.SEPARATION
