"""Meta-analyses of hospitals' coefficients against R's metafor, as recorded."""

import json

import numpy as np
import pytest

from protocols.estimation.meta_analysis import Interval, Method, leave_one_out, synthesis
from tests.lib.shared import shared
from tests.reference.oracles.conftest import Holds

DATASETS = (
    "cox_age_by_region",
    "cox_n2_by_region",
    "cox_age_by_tss",
    "logistic_age_by_hospital",
    "logistic_sex_by_hospital",
    "logistic_oldpeak_by_hospital",
)
METHODS: dict[str, tuple[Method, Interval]] = {
    "fixed": ("common", "normal"),
    "dersimonian_laird": ("dl", "normal"),
    "reml": ("reml", "normal"),
    "hksj_dl": ("dl", "hartung_knapp"),
    "hksj_reml": ("reml", "hartung_knapp"),
    "hksj_reml_adhoc": ("reml", "never_narrower"),
}
LEAVE_ONE_OUT: dict[str, Method] = {"fixed": "common", "dl": "dl"}
FIELDS = {"beta": "effect", "se": "se", "stat": "statistic", "p": "p", "tau2": "tau2", "Q": "q", "Q_p": "q_p"}


@pytest.mark.parametrize("dataset", DATASETS)
def test_numbers_are_those_of_metafor(holds: Holds, dataset: str) -> None:
    oracle = json.loads(shared("oracles/reference/evidence_give.json").read_text())[dataset]
    y, se = np.array(oracle["yi"]), np.array(oracle["sei"])
    found: list[float] = []
    expected: list[float] = []
    for name, how in METHODS.items():
        recorded, mine = oracle[name], synthesis(y, se, *how)
        assert mine is not None
        found += [getattr(mine, ours) for ours in FIELDS.values()]
        expected += [recorded[theirs] for theirs in FIELDS]
        found += [mine.i_squared, mine.lower, mine.upper]
        expected += [recorded["I2"] / 100, *recorded["ci"]]
        if recorded["prediction_interval"]:
            found += [mine.low, mine.high]
            expected += recorded["prediction_interval"]
    # where the variance is 0, metafor's search ends at about 1e-15
    holds(f"metafor, {dataset}", found, expected, rtol=1e-8, atol=1e-11)
    for name, method in LEAVE_ONE_OUT.items():
        recorded = oracle[f"leave_one_out_{name}"]
        without = leave_one_out(y, se, method)
        for theirs in sorted(recorded.keys() & {"beta", "se", "Q", "tau2"}):
            each = [getattr(one, FIELDS[theirs]) for one in without]
            label = f"metafor, {dataset}, leave one out, {name}, {theirs}"
            holds(label, each, recorded[theirs], rtol=1e-8, atol=1e-11)
