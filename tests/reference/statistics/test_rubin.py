"""Rubin's rules against R `mice::pool`; `pytest -s` prints how many numbers hold."""

import numpy as np
from statsmodels.api import OLS, add_constant

from protocols.preparation.rubin import pool
from tests.reference.statistics.numbers import Check, _csv, _json


def test_reference_numbers_hold() -> None:
    """Five completed data sets of 25 people by mice 3.15.0, `lm(chl ~ age + bmi)` on each."""
    data, expected = _csv("mice_nhanes2_imputed5"), _json("stats/rubin_pooling_nhanes2")
    frame = data[["bmi", "chl"]].assign(old=data.age == "40-59", oldest=data.age == "60-99")
    design = add_constant(frame[["old", "oldest", "bmi"]].astype(float))
    # Age groups of 6 people: `linear` refuses them, so the fits are a library's.
    fits = [OLS(frame.chl[rows], design[rows]).fit() for rows in (data[".imp"] == i for i in range(1, 6))]
    estimates = np.array([fit.params for fit in fits])
    found = pool(estimates, np.array([fit.cov_params() for fit in fits]), fits[0].df_resid, 0.95)
    names = {"ubar": "within", "b": "between", "t": "total"}
    checks = [
        Check(name, values, getattr(found, names.get(name, name)), rtol=1e-8 if name == "p" else 1e-9)
        for name, values in expected.items()
        if name in {"estimate", "se", "df", "p", "ubar", "b", "t", "fmi", "riv"}
    ]
    held, numbers = sum(c.holds() for c in checks), sum(c.numbers() for c in checks)
    worst = max(c.worst() for c in checks)
    print(f"\nrubin_pooling_nhanes2: {held} of {numbers} numbers hold, worst {worst:.1e}")
    assert numbers == 36
    assert not [f"{c.quantity}: worst {c.worst():.1e}" for c in checks if c.holds() < c.numbers()]
