"""RT68: many noisy answers about one set of people, whose mean has little noise left."""

from pathlib import Path

import numpy as np

from protocols.core.table import AnalysisTable, Floats
from site_node.governance.policy import changed
from tests.lib.agents import Agents
from tests.lib.lying_coordinator import drawn, pooled
from tests.lib.overheard import overheard_of
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

ASKED = 60
EDGES = np.arange(20.0, 101.0, 2.0)


def _ages(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    return {"age": draw.normal(60, 9, people)}


@attack(
    "RT68",
    "the noise of differential privacy, averaged over many histograms of the same people",
    works_from=7,
    holds_to=5,  # of so many cells a fifth is guessed by rounding the mean of the few that are answered
    slow=True,
)
def averaged_noise(folder: Path, weakened: bool) -> Figure:
    """The edges of each differ by a billionth, so that each has noise of its own."""
    tables: dict[str, AnalysisTable] = drawn(_ages, 60)
    budget = {"epsilon": 2.0, "delta": 1e-5}
    analyses = []
    for k in range(ASKED):
        edges = (EDGES + k * 1e-9).tolist()
        spec = {"protocol": "histogram", "of": "age", "edges": edges, "privacy": budget}
        analyses.append({"name": f"a{k}", "spec": spec})
    agents = Agents(folder, a_study_of(["age"], *analyses), tables)
    for home in agents.homes.values() if weakened else ():
        changed(home, "privacy_epsilon", "1000")
    held = overheard_of(agents)
    said = [a["sums"] for k in range(ASKED) for a in held.sums(f"a{k}", "private_sums")]
    age = pooled(tables, "age")[:, 0]
    truth = np.bincount(np.searchsorted(EDGES, age, side="right"), minlength=len(EDGES) + 1)
    small = (truth > 0) & (truth < 10)
    read = np.rint(np.mean(said, axis=0)) if said else np.full(len(truth), -1.0)
    hits = int((read == truth)[small].sum())
    return Figure(hits, f"of {small.sum()} cells of one to nine people, from {len(said)} answers")
