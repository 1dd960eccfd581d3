"""Ordinal regression over sites: two levels are logistic regression, order, statsmodels, errors."""

from typing import Any

import numpy as np
import pytest
from statsmodels.miscmodels.ordinal_model import OrderedModel

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from protocols.regression.ordinal import OUT_OF_ORDER, Ordinal, OrdinalSpec
from tests.lib.drawn_sites import a_site, study_of

SITES = [a_site("a", 150, 1), a_site("b", 60, 2), a_site("c", 90, 3)]
COVARIATES = ["age", "f_one"]


def spec(outcome: str = "response", levels: tuple[int, ...] = (0, 1, 2), **more: Any) -> dict[str, Any]:
    return {"protocol": "ordinal", "outcome": outcome, "levels": levels, "covariates": COVARIATES, **more}


def run(*specs: dict[str, Any], sites: list[AnalysisTable] = SITES) -> Outcome:
    return run_locally(study_of(*specs), sites)


def test_two_levels_are_logistic_regression() -> None:
    logistic = {"protocol": "logistic", "outcome": "idh1", "covariates": COVARIATES}
    for more in ({}, {"varying": ["age"]}):
        outcome = run(spec("idh1", (0, 1), **more), logistic)
        ours, theirs = outcome["a0"], outcome["a1"]
        # the threshold is minus the intercept
        np.testing.assert_allclose(ours.coef * [-1, 1, 1], theirs.coef, rtol=1e-9)
        np.testing.assert_allclose(ours.se, theirs.se, rtol=1e-9)


def test_it_is_the_fit_of_statsmodels() -> None:
    found = run(spec())["a0"]
    y = np.concatenate([site.column("response") for site in SITES])
    x = np.concatenate([site.matrix(COVARIATES) for site in SITES])
    theirs = OrderedModel(y, x, distr="logit").fit(method="bfgs", disp=0, gtol=1e-9, maxiter=500)
    np.testing.assert_allclose(found.coef[2:], theirs.params[:2], rtol=1e-4)
    np.testing.assert_allclose(found.se[2:], theirs.bse[:2], rtol=1e-4)
    np.testing.assert_allclose(found.loglik, theirs.llf, rtol=1e-9)
    chances = found.predict_proba(x)
    np.testing.assert_allclose(chances, theirs.predict(x), atol=1e-5)
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-12)


def test_levels_in_reverse_turn_the_signs() -> None:
    outcome = run(spec(), spec(levels=(2, 1, 0)))
    up, down = outcome["a0"], outcome["a1"]
    np.testing.assert_allclose(up.coef[2:], -down.coef[2:], rtol=1e-8)
    np.testing.assert_allclose(up.coef[:2], -down.coef[1::-1], rtol=1e-8)
    np.testing.assert_allclose(up.loglik, down.loglik, rtol=1e-12)
    assert down.cuts == ("2|1", "1|0")


def test_odds_that_may_vary_fit_at_least_as_well_and_predict_levels_that_sum_to_one() -> None:
    outcome = run(spec(), spec(varying=["f_one"]), spec(varying=COVARIATES))
    alike, apart, all_apart = (outcome[name] for name in ("a0", "a1", "a2"))
    assert alike.loglik <= apart.loglik <= all_apart.loglik
    assert apart.terms == ("0|1", "f_one at 0|1", "1|2", "f_one at 1|2", "age")
    shares = np.vstack([apart.predict_proba(site.matrix(COVARIATES)) for site in SITES])
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    assert (shares >= 0).all()


def test_cuts_out_of_order_are_answered_by_no_likelihood_of_people() -> None:
    parsed = OrdinalSpec.model_validate(spec())
    ask = {"shift": np.zeros(2), "scale": np.ones(2)}
    bad = Ordinal.steps["derivatives"].run(parsed, SITES[0], coef=np.array([1.0, -1.0, 0.0, 0.0]), **ask)
    assert bad["loglik"] == OUT_OF_ORDER
    assert all(np.isfinite(array).all() for array in bad.values())


def test_a_level_that_is_not_named_is_refused_and_a_rare_one_withheld() -> None:
    found = run(spec(levels=(0, 1))).results["a0"]
    assert isinstance(found, Failure)
    assert found.code is Code.INVALID_INPUT
    rare = [
        s.with_columns({"response": np.where(np.arange(len(s)) < 1, 2.0, s.column("sex"))}) for s in SITES
    ]
    found = run(spec(), sites=rare).results["a0"]
    assert isinstance(found, Failure)
    assert found.code is Code.WITHHELD
    assert "level 2 of response" in found.text


def test_separation_is_seen() -> None:
    edges = np.quantile(SITES[0].column("age"), [0.3, 0.6])
    by_age = [np.digitize(s.column("age"), edges).astype(float) for s in SITES]
    apart = [s.with_columns({"response": of}) for s, of in zip(SITES, by_age, strict=True)]
    found = run(spec(), sites=apart).results["a0"]
    assert isinstance(found, Failure)
    assert found.code is Code.SEPARATION


@pytest.mark.parametrize("varying", [["sex"], ["age", "age"]])
def test_varying_names_covariates_once(varying: list[str]) -> None:
    with pytest.raises(ValueError, match="varying"):
        OrdinalSpec.model_validate(spec(varying=varying))
