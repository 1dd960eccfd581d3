"""Penalized logistic regression against glmnet; `pytest -s` prints how many numbers hold."""

import re
from typing import Any

import numpy as np

from tests.lib.ungated import estimated, tables_of
from tests.reference.statistics.numbers import Check, _csv, _json

_FIT = re.compile(r"logistic_alpha(?P<ratio>[\d.]+)_lambda(?P<lam>[\d.]+)")


def test_reference_numbers_hold() -> None:
    """Four hospitals, glmnet 4.1-6 and proximal Newton to 1e-13; columns over their sd (n - 1) beforehand."""
    data, reference = _csv("uci_heart_4centers_flamby740"), _json("stats/penalised_logistic_cox_glmnet")
    terms = _json("stats/glm_logistic_uci_heart")["pooled"]["term"][1:]
    frame = data.drop(columns=["row", "site", "num"])
    for value in (2, 3, 4):
        frame[f"cp{value}"] = (frame.cp == value).astype(float)
    for value in (1, 2):
        frame[f"ecg{value}"] = (frame.restecg == value).astype(float)
    frame[terms] = (frame[terms] - frame[terms].mean()) / frame[terms].std(ddof=1)
    tables = tables_of(frame, data.site)
    checks = []
    for name, expected in reference.items():
        if fit := _FIT.fullmatch(name):
            spec = {"l1_ratio": float(fit["ratio"]), "lambdas": [float(fit["lam"])], "standardize": False}
            spec |= {"protocol": "penalized_logistic", "outcome": "disease", "covariates": terms}
            found: Any = estimated(spec, tables)
            ours = np.append(found.intercept, found.coef[0])
            exact = [expected["intercept"], *expected["coef"]]
            checks.append(Check(name, exact, ours, rtol=1e-9, atol=1e-14))
            # glmnet itself is that far from the minimum (its own numbers stand beside, for the reader).
            checks.append(Check(name, expected["coef_glmnet"], ours, rtol=1e-7, atol=1e-9))
            assert found.evaluations <= 8
    held, numbers = sum(c.holds() for c in checks), sum(c.numbers() for c in checks)
    print(f"\npenalised_logistic: {held} of {numbers} numbers hold, worst {checks[0].worst():.1e}")
    assert len(checks) == 8
    assert not [f"{c.quantity}: worst {c.worst():.1e}" for c in checks if c.holds() < c.numbers()]
