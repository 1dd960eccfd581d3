"""Multinomial regression over sites: two levels are logistic regression, order of levels, errors."""

import numpy as np
import pytest

from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from tests.lib.drawn_sites import a_site, study_of

SITES = [a_site("a", 150, 1), a_site("b", 60, 2), a_site("c", 90, 3)]
COVARIATES = ["age", "f_one"]


def run(*specs: dict[str, object], sites: list[AnalysisTable] = SITES) -> Outcome:
    return run_locally(study_of(*({"covariates": COVARIATES, **spec} for spec in specs)), sites)


def spec(outcome: str, levels: list[int]) -> dict[str, object]:
    return {"protocol": "multinomial", "outcome": outcome, "levels": levels}


def test_two_levels_are_logistic_regression() -> None:
    outcome = run(spec("idh1", [0, 1]), {"protocol": "logistic", "outcome": "idh1"})
    np.testing.assert_allclose(outcome["a0"].coef[0], outcome["a1"].coef, rtol=1e-9)
    np.testing.assert_allclose(outcome["a0"].se[0], outcome["a1"].se, rtol=1e-9)


def test_another_reference_level_gives_differences_and_the_same_fit() -> None:
    outcome = run(spec("response", [0, 1, 2]), spec("response", [2, 0, 1]))
    first, other = outcome["a0"], outcome["a1"]
    np.testing.assert_allclose(first.loglik, other.loglik, rtol=1e-12)
    np.testing.assert_allclose(other.coef[1] - other.coef[0], first.coef[0], rtol=1e-8)
    assert outcome.rounds <= 8


def test_probabilities_sum_to_one_and_average_to_the_counts() -> None:
    found = run(spec("response", [0, 1, 2]))["a0"]
    shares = np.vstack([found.predict_proba(site.matrix(COVARIATES)) for site in SITES])
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(shares.sum(axis=0), found.counts, rtol=1e-9)


def test_a_level_that_is_not_named_is_refused_and_a_rare_one_withheld() -> None:
    found = run(spec("response", [0, 1])).results["a0"]
    assert isinstance(found, Failure)
    assert found.code is Code.INVALID_INPUT
    rare = [
        s.with_columns({"response": np.where(np.arange(len(s)) < 1, 2.0, s.column("sex"))}) for s in SITES
    ]
    found = run(spec("response", [0, 1, 2]), sites=rare).results["a0"]
    assert isinstance(found, Failure)
    assert found.code is Code.WITHHELD
    assert "level 2 of response" in found.text


def test_a_refusal_at_a_site_names_the_variables_and_the_way_out() -> None:
    asked = {**spec("response", [0, 1]), "covariates": ["age"]}
    with pytest.raises(StudyError, match="step 'moments' about response, age") as caught:
        run(asked)["a0"]
    assert caught.value.code == Code.INVALID_INPUT
    assert "coded" in caught.value.fix
