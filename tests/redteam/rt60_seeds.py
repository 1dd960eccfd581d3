"""RT60: an analyst tries seeds until the draws suit, since they follow from the study alone."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from protocols.core.table import AnalysisTable, Integers
from protocols.estimation import draws
from protocols.exchange.wire import RoundQuestion
from protocols.learning import forest
from protocols.learning.forest import ForestSpec
from site_node.agent.starting import RunStarts
from site_node.governance import starts
from tests.lib.agents import Agents, Message, Relayed
from tests.lib.lying_coordinator import weaken
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

NAMES = [f"x{i}" for i in range(9)]
SPEC: dict[str, Any] = {"outcome": "y", "covariates": NAMES, "trees": 40, "depth": 2, "seed": 17}


def _tables() -> dict[str, AnalysisTable]:
    random, found = np.random.default_rng(60), {}
    for i, site in enumerate("abc"):
        columns = {name: random.normal(size=80) for name in NAMES}
        columns["y"] = (columns["x0"] + random.normal(size=80) > 0).astype(float)
        found[site] = AnalysisTable(site, 1000 * i + np.arange(80), columns)
    return found


@attack(
    "RT60",
    "the columns that each tree of a forest tries first, foreseen from the study's seed",
    works_from=1.0,
    holds_to=0.2,  # by chance one of 84 sets of three columns
    slow=True,
)
def foreseen_columns(folder: Path, weakened: bool) -> Figure:
    study = a_study_of([*NAMES, "y"], {"name": "f", "spec": {"protocol": "forest", **SPEC}})
    agents = Agents(folder, study, _tables())
    tried: list[Integers] = []

    def seen(question: RoundQuestion, relayed: Relayed) -> Message:
        tried.extend(ask.arrays["tried"] for ask in question.asks if "tried" in ask.arrays)
        return question, relayed

    honest = draws.key_of

    def of_the_seed(chance: bytes, *purpose: int) -> int:
        return honest(b"", *purpose)

    with weaken(draws, "key_of", of_the_seed, weakened):
        agents.run(seen)
    foreseen = forest._tried(ForestSpec(**SPEC), 0, b"")[:, 0]
    right = float(np.mean((tried[0][:, 0] == foreseen).all(axis=1)))
    return Figure(right, f"of the {len(foreseen)} sets of columns foreseen")


@attack(
    "RT60", "folds of a study tried by submitting it again and again", works_from=3, holds_to=1, slow=True
)
def folds_by_resubmission(folder: Path, weakened: bool) -> Figure:
    spec = {"protocol": "logistic", "outcome": "y", "covariates": ["x0"]}
    agents = Agents(folder, a_study_of(["x0", "y"], {"name": "m", "spec": spec}), _tables())

    def fresh(one: RunStarts, study: str) -> bytes:
        return os.urandom(32)

    with (
        weaken(RunStarts, "_nonce", fresh, weakened),
        weaken(starts, "pin_nonces", lambda *_: None, weakened),
    ):
        folds = {agents.run(run=f"r{number}").started.chance for number in range(3)}
    return Figure(len(folds), "ways to fold the people in three runs of one study")
