"""Poisson, negative binomial and probit models against R; `pytest -s` prints how many numbers hold."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.lib.ungated import estimated, tables_of
from tests.reference.statistics.numbers import Check, _csv, _json


def crabs_poisson() -> Iterator[Check]:
    """173 horseshoe crabs at the two sites of pda; Newton at 1e-13 beside R 4.2.2 `glm`."""
    data, expected = _csv("pda_cs_sites"), _json("stats/glm_poisson_nb_lmm")["cs_poisson"]
    spec = {"protocol": "glm", "family": "poisson", "outcome": "satellites"}
    tables = tables_of(data.drop(columns="site"), data.site)
    found: Any = estimated({**spec, "covariates": expected["term"][1:]}, tables)
    yield from _coefficients(found, expected, "se")
    for name in ("deviance", "null_deviance", "loglik", "aic"):
        yield Check(name, expected[name], getattr(found, name))
    scale = np.sqrt(np.outer(np.diag(expected["vcov"]), np.diag(expected["vcov"])))
    yield Check("vcov", np.array(expected["vcov"]) / scale, found.covariance / scale)


def quine_negative_binomial() -> Iterator[Check]:
    """146 children, their four school years as sites; MASS `glm.nb`, Newton to 1e-14."""
    data, expected = _csv("mass_quine"), _json("stats/glm_poisson_nb_lmm")["quine_nb"]
    frame = pd.DataFrame(
        {
            "ethn": data.Eth == "N",
            "sexm": data.Sex == "M",
            **{f"agef{k}": f"F{k}" == data.Age for k in (1, 2, 3)},
            "lrnsl": data.Lrn == "SL",
            "days": data.Days,
        }
    )
    covariates = [term.lower() for term in expected["term"][1:]]
    spec = {"protocol": "glm", "family": "negative_binomial", "outcome": "days", "covariates": covariates}
    found: Any = estimated(spec, tables_of(frame, data.Age))
    yield from _coefficients(found, expected, "se_expected_info")
    for ours, theirs in (("theta", "theta"), ("theta_se", "se_theta"), ("loglik", "loglik")):
        yield Check(theirs, expected[theirs], getattr(found, ours))
    yield Check("deviance", expected["deviance"], found.deviance)


def _coefficients(found: Any, expected: dict[str, Any], se: str) -> Iterator[Check]:
    yield Check("coef", expected["coef"], found.coef)
    yield Check("se", expected[se], found.se)
    yield Check("z", expected.get("stat", expected.get("z")), found.z)
    if "p" in expected:
        yield Check("p", expected["p"], found.p, rtol=1e-8)
    yield Check("n", expected["n"], found.n)


@pytest.mark.parametrize("reference", [crabs_poisson, quine_negative_binomial])
def test_reference_numbers_hold(reference: Any) -> None:
    checks = list(reference())
    held, numbers = sum(c.holds() for c in checks), sum(c.numbers() for c in checks)
    worst = max(c.worst() for c in checks)
    print(f"\n{reference.__name__}: {held} of {numbers} numbers hold, worst {worst:.1e}")
    assert not [f"{c.quantity}: worst {c.worst():.1e}" for c in checks if c.holds() < c.numbers()]
