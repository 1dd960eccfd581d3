"""Attacks on a model before it leaves: what they find, and that one which tells too much does not leave."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.validation.model_risk import BINS, ModelRiskResult, ModelRiskSpec, result
from site_node.actions import policy
from site_node.governance.policy import Policy, read_policy
from tests.lib.agents import Agents
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study_of

WIDE = [f"x{j}" for j in range(30)]
FEW = WIDE[:2]


def sites(people: int = 100) -> dict[str, AnalysisTable]:
    """Hospitals whose outcome hangs on five of thirty numbers; the first is a 0/1 finding."""
    found = {}
    for site in "abc":
        draw = np.random.default_rng(ord(site))
        x = draw.normal(size=(len(WIDE), people))
        x[0] = x[0] > 0
        y = (draw.uniform(size=people) < 1 / (1 + np.exp(-0.6 * x[:5].sum(axis=0)))).astype(float)
        columns = {**dict(zip(WIDE, x, strict=True)), "y": y}
        found[site] = AnalysisTable(site, np.arange(people) + 1000 * ord(site), columns)
    return found


def model(covariates: list[str]) -> dict[str, Any]:
    return {"protocol": "logistic", "outcome": "y", "covariates": covariates}


def gated(covariates: list[str], **risk: float) -> Any:
    risks = {"name": "risk", "spec": {"protocol": "model_risk", "model": model(covariates), **risk}}
    return a_study_of(
        [*WIDE, "y"], risks, {"name": "model", "spec": model(covariates), "after": ["risk"]}, digits="full"
    )


@pytest.mark.slow
def test_a_model_of_few_covariates_passes_and_leaves_as_it_would_by_itself() -> None:
    outcome = run_locally(gated(FEW), list(sites().values()))
    alone = run_locally(
        a_study_of([*WIDE, "y"], {"name": "model", "spec": model(FEW)}), list(sites().values())
    )
    np.testing.assert_allclose(outcome["model"].coef, alone["model"].coef, rtol=1e-9)  # in another basis
    risk: ModelRiskResult = outcome["risk"]
    assert max(risk.likely.values()) <= risk.most
    assert (risk.n, risk.models, risk.guessed) == (300, 16, ("x0",))
    assert "of members are found at 1% false positives" in risk.figure().caption


@pytest.mark.slow
def test_a_model_that_tells_too_much_does_not_leave_any_site(tmp_path: Path) -> None:
    agents = Agents(tmp_path, gated(WIDE), sites())
    asked: list[str] = []

    def noted(question: Any, relayed: Any) -> Any:
        asked.extend(ask.analysis for ask in question.asks)
        return question, relayed

    outcome = agents.run(noted)
    risk, held = outcome.results["risk"], outcome.results["model"]
    assert isinstance(risk, Failure)
    assert isinstance(held, Failure)
    assert (risk.code, held.code) == (Code.WITHHELD, Code.WITHHELD)
    assert "of members are likely to be found" in risk.text
    assert set(asked) == {"risk"}  # no question of the model itself was asked


@pytest.mark.slow
def test_more_covariates_tell_more() -> None:
    found = [
        run_locally(gated(WIDE[:number], most=0.5, most_gain=0.5), list(sites().values()))["risk"]
        for number in (2, 30)
    ]
    few, wide = (one.auc["likelihood ratio"] for one in found)
    assert few < 0.57 < 0.62 < wide


def test_the_share_is_that_at_one_in_a_hundred_others() -> None:
    spec = ModelRiskSpec.model_validate({"model": model(FEW)})
    scores = np.zeros((2, 2, BINS))
    scores[:, 0, 900], scores[:, 0, 100] = 30, 70  # members
    scores[:, 1, 900], scores[:, 1, 100] = 1, 99  # others
    found = result(
        spec, 16, {"n": 100, "scores": scores, "guesses": np.zeros((2, 2)), "right": np.zeros((2, 2))}
    )
    assert found.found == {"loss": 0.3, "likelihood ratio": 0.3}
    scores[:, 1, 900], scores[:, 1, 100] = 2, 98
    found = result(
        spec, 16, {"n": 100, "scores": scores, "guesses": np.zeros((2, 2)), "right": np.zeros((2, 2))}
    )
    assert found.found["loss"] == 0.0


@pytest.mark.slow
def test_chance_alone_refuses_no_plain_model() -> None:
    """None of twenty consortia of 240 people, with two covariates; the largest share was 1.8 %."""
    for k in range(20):
        tables = []
        for site in "abc":
            draw = np.random.default_rng([k, ord(site)])
            x = draw.normal(size=(2, 80))
            y = (draw.uniform(size=80) < 1 / (1 + np.exp(-x.sum(axis=0)))).astype(float)
            tables.append(AnalysisTable(site, np.arange(80), {"x0": x[0], "x1": x[1], "y": y}))
        study = a_study_of(
            [*FEW, "y"], {"name": "risk", "spec": {"protocol": "model_risk", "model": model(FEW)}}
        )
        assert max(run_locally(study, tables)["risk"].likely.values()) < 0.02


def test_models_that_are_fitted_seldom_are_not_compared() -> None:
    with pytest.raises(ValidationError, match="four times or more"):
        ModelRiskSpec.model_validate(
            {"model": model(FEW), "scheme": {"kind": "folds", "of": 4, "repeats": 2}}
        )


@pytest.mark.parametrize(
    ("covariates", "most", "admitted"), [(FEW, 0.02, True), (FEW, 0.03, False), (WIDE, 0.02, False)]
)
def test_a_site_that_requires_attacks_on_models_admits_those_alone(
    covariates: list[str], most: float, admitted: bool
) -> None:
    """The gate is of this very model, with a line as strict; without any gate it is refused as well."""
    risk = {"name": "risk", "spec": {"protocol": "model_risk", "model": model(covariates), "most": most}}
    study = a_study_of([*WIDE, "y"], risk, {"name": "model", "spec": model(FEW), "after": ["risk"]})
    wants = Policy(model_gate=("logistic",))
    assert (wants.faults(study) == []) == admitted
    assert Policy().faults(study) == []
    (fault,) = wants.faults(a_study_of([*WIDE, "y"], {"name": "model", "spec": model(FEW)}))
    assert "`model_risk` of the same model" in fault


def test_the_gate_is_a_rule_of_the_policy(tmp_path: Path) -> None:
    AttackedSite(tmp_path)
    policy.set_rule(tmp_path, "model_gate", "neural, forest")
    policy.set_rule(tmp_path, "model_risk", "0.01")
    kept = read_policy(tmp_path)
    assert (kept.model_gate, kept.model_risk) == (("neural", "forest"), 0.01)
