"""What goes through a mediator over four hospitals, against R's lm and mediation."""

import json
from typing import Any

import pandas as pd
import pytest

from protocols.evidence.mediation import MediationResult
from protocols.exchange.local import run_locally
from tests.lib.drawn_sites import study_of
from tests.lib.shared import shared
from tests.lib.ungated import tables_of
from tests.reference.oracles.conftest import Holds

NAMES = {"mutation": "idh1", "feature": "f_one", "outcome": "f_two", "age": "age"}


@pytest.mark.parametrize(
    ("case", "changes"),
    [("linear", {"covariates": ["age"], "intercepts": "site"}), ("linear_no_covariates", {})],
)
def test_effects_and_errors_are_those_of_r(holds: Holds, case: str, changes: dict[str, Any]) -> None:
    truth = json.loads(shared("oracles/reference/mediation_icc_mixed_give.json").read_text())[case]
    people = pd.read_csv(shared("oracles/data/mediation.csv"))
    tables = tables_of(people[[*NAMES]].rename(columns=NAMES), people["site"])
    spec = {"protocol": "mediation", "exposure": "idh1", "mediator": "f_one", "outcome": "f_two", **changes}
    found = run_locally(study_of(spec, min_sites=3), tables)["a0"]
    assert isinstance(found, MediationResult)
    assert found.n == truth["n"]
    numbers = {
        "a": [found.a, found.a_se],
        "b": [found.b, found.b_se],
        "direct": [found.effect[1], found.se[1]],
        "total": [found.effect[2], found.se[2]],
        "indirect": found.effect[0],
        "sobel_se": found.se[0],
        "aroian_se": found.aroian_se,
        "proportion": found.proportion,
    }
    for name, number in numbers.items():
        holds("mediation, R lm", number, truth[name], rtol=1e-9)
    drawn = truth["mediate_quasi_bayes_4000"]  # 4,000 draws: a hundredth of the interval's width or two
    width = drawn["ci"][1] - drawn["ci"][0]
    ends = [found.lower[0], found.upper[0]]
    holds("mediation, R mediation's interval", ends, drawn["ci"], rtol=0, atol=0.05 * width)
