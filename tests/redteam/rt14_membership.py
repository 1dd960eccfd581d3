"""RT14: from a released model, who was among the people it was fitted on."""

from pathlib import Path
from typing import Any

import numpy as np

from protocols.core.protocol import Ask
from protocols.core.table import Floats
from protocols.exchange.local import run_locally
from protocols.validation.model_risk import ModelRiskSpec
from site_node.governance import policy
from site_node.governance.policy import Policy
from tests.lib.lying_coordinator import drawn, weaken
from tests.lib.overheard import overheard
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

WIDE = [f"x{j}" for j in range(40)]


def _people(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    x = draw.normal(size=(len(WIDE), people))
    y = draw.uniform(size=people) < 1 / (1 + np.exp(-0.5 * x[:5].sum(axis=0)))
    return {**dict(zip(WIDE, x, strict=True)), "y": y.astype(float)}


@attack(
    "RT14",
    "members of a wide model, by likelihood ratio, where a site requires attacks on models first",
    works_from=4,
    holds_to=2,
    slow=True,
)
def wide_model(folder: Path, weakened: bool) -> Figure:
    """The site's `model_gate` names the protocol. What leaves is attacked as who knows its people would."""
    tables = drawn(_people, 100)
    model = {"protocol": "logistic", "outcome": "y", "covariates": WIDE}
    risk = {"name": "risk", "spec": {"protocol": "model_risk", "model": model}}
    measured = {
        "name": "risk",
        "spec": {"protocol": "model_risk", "model": model, "most": 0.5, "most_gain": 0.5},
    }
    found = run_locally(a_study_of([*WIDE, "y"], measured), list(tables.values()))["risk"]
    worst = 100 * max(found.likely.values())
    wants = Policy(model_gate=("logistic",))
    bare = a_study_of([*WIDE, "y"], {"name": "a", "spec": model})
    gated = a_study_of([*WIDE, "y"], risk, {"name": "a", "spec": model, "after": ["risk"]})
    left = 0.0
    with weaken(policy, "gates", lambda *_: True, weakened):
        for study in (bare, gated):
            if not wants.faults(study):
                with weaken(ModelRiskSpec, "is_too_open", lambda *_: False, weakened):
                    held = overheard(folder / study.hash()[:8], study, tables)
                left = max(left, worst * _is_released(held.asked))
    return Figure(left, f"% of members found of a model that left, {worst:.3g} % of the model")


def _is_released(asked: list[tuple[Ask, Any]]) -> bool:
    """Whether a question about the model itself was answered."""
    return any(ask.analysis == "a" and ask.step == "derivatives" for ask, _ in asked)
